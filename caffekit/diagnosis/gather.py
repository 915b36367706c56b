"""Gather evidence from files: a log, a solver, a net, databases, weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from caffekit.diagnosis.evidence import Evidence, Labels
from caffekit.diagnosis.verdict import judge
from caffekit.diagnosis.watch import Verdict
from caffekit.errors import CaffekitError, DataError
from caffekit.formats import weights as weight_files
from caffekit.formats.caffe_pb2 import TRAIN, NetParameter, SolverParameter
from caffekit.formats.datum import parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.formats.log_reader import Log, read_log
from caffekit.formats.prototxt import parse, read_net, read_solver
from caffekit.graph import filter_net
from caffekit.netgen.structure import classifiers, data_layers, parameters

MAX_EXAMPLES = 10


def gather(
    logs: Sequence[Path | str] = (),
    solver: Path | None = None,
    net: Path | None = None,
    dbs: Sequence[Path] = (),
    weights: Sequence[Path] = (),
) -> Evidence:
    """All that the files say. Of several logs the first that is not healthy counts, else the last.

    What is not given is taken from the log, which quotes solver and net, and from the solver.
    """
    log, evidence = _of_logs(logs)
    evidence.solver = read_solver(solver) if solver else _quoted(log.solver_text, SolverParameter())
    net = net or _net_of(evidence.solver if solver else None, solver)
    evidence.net = read_net(net) if net else _quoted(log.net_text, NetParameter())
    classes = class_count(evidence.net)
    if evidence.net is not None:
        evidence.net = filter_net(evidence.net, TRAIN)
    if evidence.solver is not None and evidence.solver.HasField("base_lr"):
        evidence.base_lr = float(evidence.solver.base_lr)
    if len(log.data_shape) == 4:
        evidence.shapes["TRAIN"] = log.data_shape[1:]
    evidence.labels = [check_labels(db, classes, evidence) for db in dbs]
    if evidence.bad and net and not dbs:
        evidence.labels = labels_of_net(evidence.net)
    evidence.bad_weights = {str(path): blobs for path in weights if (blobs := weight_files.non_finite(path))}
    return evidence


def _of_logs(logs: Sequence[Path | str]) -> tuple[Log, Evidence]:
    log, evidence = Log(), Evidence(Verdict("healthy", 0))
    for path in logs:
        log = read_log(path)
        if not (log.train or log.test or log.fatals or log.runs or log.solver_text):
            raise DataError(f"{path}: no Caffe log: no line is one of Caffe's", "give Caffe's stderr")
        verdict, watcher = judge(log)
        seen = list(watcher.seen)
        evidence = Evidence(verdict, seen, watcher.last_healthy, fatals=log.fatals, frames=log.frames)
        if verdict.kind != "healthy":
            break
    return log, evidence


def _quoted(text: str, message: Any) -> Any:
    """The message that a log quotes, or None: glog cuts long ones, and forks have fields of their own."""
    if not text.strip():
        return None
    try:
        return parse(text, message, "log")
    except CaffekitError:
        return None


def _net_of(solver: Any, path: Path | None) -> Path | None:
    """The net file that a solver names, relative to the working directory or to the solver."""
    if solver is None or path is None:
        return None
    named = solver.net or solver.train_net
    found = [each for each in (Path(named), path.parent / named) if named and each.is_file()]
    return found[0] if found else None


def class_count(net: Any) -> int | None:
    """How many classes the classification losses of `net` tell apart; None where that is not clear."""
    if net is None:
        return None
    counts = {int(parameters(layer).num_output) for layer in classifiers(net)}
    return counts.pop() if len(counts) == 1 else None


def labels_of_net(net: Any) -> list[Labels]:
    """The labels of the databases that the Data layers of `net` read, of those that are there."""
    sources = dict.fromkeys(layer.data_param.source for layer in data_layers(net) if len(layer.top) > 1)
    return [check_labels(Path(db), class_count(net)) for db in sources if Path(db).exists()]


def check_labels(db: Path, classes: int | None, evidence: Evidence | None = None) -> Labels:
    """Read every label in `db`; those below 0, or not below `classes`, are outside."""
    outside, records = 0, 0
    examples: list[str] = []
    with LmdbReader(db) as reader:
        for key, value in reader.records():
            datum = parse_datum(value, f"{db}: record {key.decode(errors='replace')}")
            if records == 0 and evidence is not None and not datum.encoded:
                evidence.shapes.setdefault("TRAIN", (datum.channels, datum.height, datum.width))
            records += 1
            if datum.label < 0 or (classes is not None and datum.label >= classes):
                outside += 1
                if len(examples) < MAX_EXAMPLES:
                    examples.append(f"{key.decode(errors='replace')} (label {datum.label})")
    return Labels(str(db), classes or 0, records, outside, examples)
