"""What `lint` reads before the rules look: nets, solvers, databases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from caffekit.errors import DataError, UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.formats.prototxt import read_text
from caffekit.formats.prototxt_scan import all_layer_lines
from caffekit.formats.prototxt_tolerant import Unknown, looks_like_solver, read_tolerant
from caffekit.formats.upgrade import upgrade_net, upgrade_solver
from caffekit.netgen.structure import data_layers, phases
from caffekit.netgen.subject import DATA_PARAMS, Subject


@dataclass(frozen=True)
class Facts:
    """What is told of the data, where no database does: C, H, W of a record, training images, classes."""

    shape: tuple[int, int, int] | None = None
    images: int | None = None
    classes: int | None = None

    @classmethod
    def told(cls, shape: str | None, images: int | None, classes: int | None) -> Facts:
        """Of options; `shape` as C,H,W or CxHxW. UsageError."""
        sides = re.split(r"[x,]", shape) if shape else []
        if shape and (len(sides) != 3 or not all(side.isdecimal() and int(side) for side in sides)):
            raise UsageError(f"--data-shape {shape}: expected C,H,W", "such as 3,32,32")
        channels, height, width = map(int, sides) if sides else (0, 0, 0)
        return cls((channels, height, width) if sides else None, images, classes)


@dataclass
class NetFile:
    """A net, where its layers stand, what of it Caffe does not know, and V0 or V1 if that is its form."""

    path: Path
    net: Any
    lines: dict[str, list[int]]
    unknown: list[Unknown] = field(default_factory=list)
    old_form: str = ""

    @property
    def learns(self) -> bool:
        """Whether it reads data by itself and has a loss, or at least reads data."""
        return any(
            layer.type in DATA_PARAMS or (layer.type == "Python" and not layer.bottom)
            for layer in self.net.layer
        )


@dataclass
class SolverFile:
    """A solver, and the line of each of its fields."""

    path: Path
    solver: Any
    lines: dict[str, int]
    unknown: list[Unknown]

    @cached_property
    def at_home(self) -> bool:
        """Whether the net that it names is where it says, from the current folder."""
        name = self.solver.net or self.solver.train_net
        return bool(name) and Path(name).is_file()

    def its_net(self) -> NetFile | None:
        """The net that stands in it, or the one that it names, where that is found from here or beside it."""
        for key in ("net_param", "train_net_param"):
            if self.solver.HasField(key):
                net = upgrade_net(getattr(self.solver, key), str(self.path))
                return NetFile(self.path, net, all_layer_lines(read_text(self.path)))
        name = self.solver.net or self.solver.train_net
        for path in (Path(name), self.path.parent / name, self.path.parent / Path(name).name) if name else ():
            if path.is_file():
                return read_net_file(path)
        return None


def read_files(files: Sequence[Path], solver: Path | None) -> tuple[list[NetFile], list[SolverFile]]:
    """`files` as the nets and solvers that they are, and `solver`; a single solver brings its net."""
    nets: list[NetFile] = []
    solvers = [read_solver_file(Path(solver))] if solver else []
    for path in map(Path, files):
        if looks_like_solver(read_text(path)):
            solvers.append(read_solver_file(path))
        else:
            nets.append(read_net_file(path))
    return nets, solvers


def read_net_file(path: Path) -> NetFile:
    """The net in `path`, brought to today's form; DataError, FormatError."""
    net, unknown = read_tolerant(path)
    old = "V0" if any(layer.HasField("layer") for layer in net.layers) else "V1" if net.layers else ""
    return NetFile(path, upgrade_net(net, str(path)), all_layer_lines(read_text(path)), unknown, old)


def read_solver_file(path: Path) -> SolverFile:
    """The solver in `path`; DataError, FormatError."""
    solver, unknown = read_tolerant(path, "SolverParameter")
    return SolverFile(path, upgrade_solver(solver, str(path)), _field_lines(read_text(path)), unknown)


def subject_of(
    net: NetFile | None, solver: SolverFile | None, trained: NetFile | None, target: str
) -> Subject:
    """What the rules look at."""
    return Subject(
        net.net if net else NetParameter(),
        solver.solver if solver else None,
        trained=trained.net if trained else None,
        target=target,
        at_home=bool(solver and solver.at_home),
        unknown=net.unknown if net else (),
        solver_unknown=solver.unknown if solver else (),
        old_form=net.old_form if net else "",
    )


def look_at_data(subject: Subject, db: Path | None, facts: Facts) -> None:
    """Fill in shapes, counts and classes: of the databases that the net names, of `db`, of what is told."""
    for layer in data_layers(subject.net):
        source = Path(layer.data_param.source)
        if not (source / "data.mdb").is_file():
            continue
        try:
            labels, shape = scan(source)
        except DataError:
            continue  # `db check` is the command for that
        for phase in phases(layer):
            subject.labels[phase], subject.shapes[phase] = labels, shape
            subject.images[phase] = labels.total()
    if db:
        labels, shape = scan(db)
        subject.classes = max(labels) + 1
        subject.shapes |= {"TRAIN": shape, "TEST": shape}
        subject.labels.setdefault("TRAIN", labels)
        subject.images.setdefault("TRAIN", labels.total())
    if facts.shape:
        subject.shapes = {"TRAIN": facts.shape, "TEST": facts.shape}
    if facts.images:
        subject.images["TRAIN"] = facts.images
    if facts.classes:
        subject.classes = facts.classes


def scan(db: Path) -> tuple[Counter[int], tuple[int, ...]]:
    """How often each label occurs in an LMDB, and C, H, W of its first record. DataError, FormatError."""
    labels: Counter[int] = Counter()
    with LmdbReader(db) as reader:
        key, value = reader.first()
        name = f"{db}: {key.decode(errors='replace')}"
        shape = datum_array(parse_datum(value, name), name).shape
        for key, value in reader.records():
            labels[parse_datum(value, f"{db}: {key.decode(errors='replace')}").label] += 1
    return labels, tuple(shape)


def _field_lines(text: str) -> dict[str, int]:
    """The first line of each top-level field of a solver."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for name in re.findall(r"(?:^|\s)(\w+)\s*:", line.split("#")[0]):
            lines.setdefault(name, number)
    return lines
