"""`check`: YAML × prototxt × LMDB × mean × weights × labels, and that all of the chain reads a file alike."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from caffekit.config.schema import Settings
from caffekit.engines import Engine, find_engine
from caffekit.errors import FINDINGS, CaffekitError, DataError, EnvironmentProblem
from caffekit.formats.preprocess import Preprocess, preprocess_path
from caffekit.formats.prototxt import read_net
from caffekit.netgen.structure import data_layers, phases
from caffekit.options import Options
from caffekit.report import Report
from caffekit.runs import RunDir
from caffekit.steps.check_facts import RULES, Chain, Finding, finding
from caffekit.steps.check_tensors import FILES, compare
from caffekit.steps.gen_prototxt import gen_prototxt
from caffekit.steps.lint import lint

JUDGED_HERE = ("labels", "mean-file", "phases-differ")  # against the contract, more strictly than lint can


def check(
    settings: Settings,
    options: Options = Options(),
    *,
    run_dir: Path | None = None,
    caffe_python: Path | None = None,
    files: int = FILES,
) -> Report:
    """Findings about what stands of a pipeline; exit code 3 if there are any. Nothing is written.

    The run's own nets, contract and model are looked at where there is a run, else those that would be made
    of the LMDBs. `files`: how many images of each LMDB are followed through training, test, prediction and
    deployment, in each engine that is found. DataError when neither a run nor an LMDB stands.
    """
    run = RunDir(Path(run_dir or settings.train.runs / settings.name))
    report = Report("check")
    with tempfile.TemporaryDirectory(prefix="caffekit-") as name:
        chain = _chain(settings, run, Path(name))
        engines = _engines(report, caffe_python)
        found = [*_lint(chain), *(each for rule in RULES for each in rule(chain))]
        compared: dict[str, Any] = {}
        try:
            compared, different = compare(chain, engines, files, Path(name))
            found += different
        except CaffekitError as error:
            found.append(finding("tensors", error.message, error.hint))
    report.summary = {"findings": found, "tensors": compared}
    report.lines = [*_lines(chain, compared), *(_line(each) for each in found)]
    report.lines.append(f"{len(found)} finding{'' if len(found) == 1 else 's'}")
    report.exit_code = FINDINGS if any(each["severity"] != "note" for each in found) else 0
    return report


def _chain(settings: Settings, run: RunDir, folder: Path) -> Chain:
    """What there is to look at: of the run, else made in `folder` from the LMDBs."""
    home = settings.data.work / settings.name
    if run.exists():
        weights = run.best_model if run.best_model.is_file() else None
        place, contract = run.path, run.path / "preprocess.yaml"
    elif (home / "train_lmdb").exists():
        gen_prototxt(folder / "net", settings, Options())
        weights, place, contract = None, folder / "net", preprocess_path(home / "train_lmdb")
    else:
        raise DataError(
            f"nothing to check yet: neither {run.path} nor {home / 'train_lmdb'} exists",
            "caffekit run makes both; caffekit run --dry-run looks at the settings",
        )
    net, deploy = place / "train_val.prototxt", place / "deploy.prototxt"
    if not deploy.is_file():
        raise DataError(f"{deploy} is missing", "train again, or give another --run")
    databases = {
        phase: Path(layer.data_param.source)
        for layer in data_layers(read_net(net))
        for phase in phases(layer)
        if Path(layer.data_param.source).exists()
    }
    rules = Preprocess.read(contract) if contract.is_file() else None
    return Chain(net, deploy, databases, rules, contract, weights, place / "labels.txt")


def _engines(report: Report, caffe_python: Path | None) -> list[Engine]:
    """The embedded engine, and real Caffe where it is found."""
    engines = [find_engine("embedded")]
    try:
        return [*engines, find_engine("bvlc", caffe_python)]
    except EnvironmentProblem as error:
        if caffe_python:
            raise
        report.warnings.append(f"compared in the embedded engine only: {error.message}")
        return engines


def _lint(chain: Chain) -> list[Finding]:
    """What `lint` says of both nets, its advice left out."""
    found = []
    for path in (chain.net, chain.deploy):
        for one in lint([path]).summary["findings"]:
            if one["severity"] == "note" or one["rule"] in JUDGED_HERE:
                continue
            where = f"{one['file']}:{one['line']}: {one['layer']}: {one['message']}"
            found.append(finding(f"lint {one['rule']}", where, one["fix"], one["severity"]))
    return found


def _lines(chain: Chain, compared: dict[str, Any]) -> list[str]:
    looked = [str(chain.net), *map(str, dict.fromkeys(chain.databases.values()))]
    lines = [f"looked at {', '.join(looked)}" + (f", {chain.weights}" if chain.weights else "")]
    if compared:
        engines, paths = " and ".join(compared["engines"]), ", ".join(compared["paths"])
        lines.append(
            f"{compared['files']} files by {paths} in {engines}: largest difference"
            f" {compared['largest_difference']:.3g} grey levels"
        )
        if compared["records_off"]:
            lines.append(f"records are off their files by {compared['records_off']:.3g} levels: JPEG")
    return lines


def _line(one: Finding) -> str:
    return f"{one['severity']}: {one['message']} [{one['rule']}]\n    fix: {one['fix']}"
