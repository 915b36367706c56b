"""`caffekit run`: the whole chain from one pipeline.yaml; only what changed runs again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from caffekit import __version__
from caffekit.config.schema import Settings
from caffekit.errors import CaffekitError, DataError, Interrupted, Paused, Terminated, UsageError
from caffekit.formats.atomic import write_text
from caffekit.options import Options
from caffekit.report import Report, dumps
from caffekit.steps.augment import augment, changes_of
from caffekit.steps.balance import balance
from caffekit.steps.clean import clean
from caffekit.steps.diagnose_nan import diagnose_nan
from caffekit.steps.evaluate import evaluate
from caffekit.steps.gen_lmdb import gen_lmdb
from caffekit.steps.groups import group_files
from caffekit.steps.split import split
from caffekit.steps.train import train


@dataclass(frozen=True)
class Stage:
    """One step of the chain: what it reads, what it makes, and what its result depends on.

    `work(options, resume)`: with `resume`, the same work was begun before and not ended.
    """

    name: str
    home: Path
    """The pipeline's working folder, which also remembers what of each stage is done."""
    inputs: list[Path]
    """What it reads besides the stages before it."""
    output: Path
    settings: Any
    work: Callable[[Options, bool], Report]

    def fingerprint(self, seed: int, before: str) -> str:
        """A digest of the stage before, the inputs' content, the settings, the seed and the version."""
        digest = hashlib.sha256(f"{__version__}\n{seed}\n{before}\n{dumps(self.settings)}".encode())
        for path in self.inputs:
            digest.update(_content(path).encode())
        return digest.hexdigest()

    def state(self, fingerprint: str) -> str:
        """What stands of the work with this fingerprint: "done", "begun", or nothing: ""."""
        if not self.mark.is_file():
            return ""
        word, _, of = self.mark.read_text().strip().partition(" ")
        if of != fingerprint or (word == "done" and not self.output.exists()):
            return ""
        return word

    @property
    def mark(self) -> Path:
        """The file that says which work was begun or done."""
        return self.home / ".stages" / self.name.replace(" ", "-")


def run(
    settings: Settings,
    options: Options = Options(),
    *,
    start: str | None = None,
    only: str | None = None,
    force: bool = False,
) -> Report:
    """Run the stages of `settings` in order, leaving out those whose result stands already.

    start: run this stage and all after it again. only: no other stage. force: run all.
    A stage that fails ends the chain, and the report, with its own error and exit code; what was done stays.
    """
    report = Report("run")
    stages = plan(settings)
    if changes_of(settings.augment) and not (settings.augment.copies or settings.train.augment):
        report.warnings.append("augment: nothing uses it: set augment.copies, or train.augment: true")
    names = [stage.name for stage in stages]
    for given in (start, only):
        if given and given not in names:
            raise UsageError(f"no stage {given!r} in this pipeline", f"its stages are {', '.join(names)}")
    again, fingerprint = force, ""
    done: dict[str, Any] = {}
    for stage in stages:
        fingerprint = stage.fingerprint(options.seed, fingerprint)
        again = again or stage.name in (start, only)
        if only and stage.name != only:
            continue
        state = "" if again else stage.state(fingerprint)
        if options.dry_run:
            report.lines.append(f"{stage.name}: {_plan_of(stage, state, again)}")
            done[stage.name] = {"status": "planned" if state != "done" else "up to date"}
            continue
        try:
            done[stage.name] = _run_stage(stage, options, fingerprint, state, report)
        except CaffekitError as error:
            error.message = f"{stage.name}: {error.message}"
            report.fail(error)
            break
    report.summary = {"name": settings.name, "stages": done}
    return report


def _run_stage(
    stage: Stage, options: Options, fingerprint: str, state: str, report: Report
) -> dict[str, Any]:
    if state == "done":
        report.lines.append(f"{stage.name}: up to date")
        return {"status": "up to date"}
    options.note(f"== {stage.name}")
    write_text(stage.mark, f"begun {fingerprint}\n")
    result = stage.work(replace(options, overwrite=True), state == "begun")
    report.warnings += [f"{stage.name}: {warning}" for warning in result.warnings]
    if result.lines:
        report.lines += [f"{stage.name}: {result.lines[0]}", *(f"  {line}" for line in result.lines[1:])]
    if result.error:
        if isinstance(result.error, (Interrupted, Terminated, Paused)):
            result.error.hint = "the same command goes on from the last snapshot"
        raise result.error
    write_text(stage.mark, f"done {fingerprint}\n")
    return {"status": "done", **result.summary}


def _plan_of(stage: Stage, state: str, again: bool) -> str:
    """What --dry-run says of a stage."""
    missing = [path for path in stage.inputs if not path.exists() and stage.home not in path.parents]
    if missing:
        return f"would fail: {missing[0]} does not exist"
    if again:
        return "would run (asked for)"
    if state == "done":
        return "up to date"
    if state == "begun":
        return "would go on (was interrupted)"
    return "would run (something it depends on has changed)" if stage.mark.exists() else "would run"


def plan(settings: Settings) -> list[Stage]:
    """The stages of `settings`, in order. DataError without data.root or data.list."""
    data = settings.data
    source = data.image_list or data.root
    if source is None:
        raise DataError("data.root is not set", "name the folder of class folders: data: {root: …}")
    home = data.work / settings.name
    cleaning = settings.clean.model_copy(update={"benchmark": [*data.benchmark, *settings.clean.benchmark]})
    clean_list = home / "clean" / "clean.txt"
    stages = [
        _stage("clean", clean, home, source, "clean", cleaning, cleaning.benchmark),
        _stage("split", split, home, clean_list, "split", settings.split, group_files(settings.split)),
    ]
    last = home / "split" / "train.txt"
    if settings.balance.method:
        more = [*settings.balance.held_out, *filter(None, [settings.balance.features])]
        stages.append(_stage("balance", balance, home, last, "balance", settings.balance, more))
        last = home / "balance" / "balanced.txt"
    if settings.augment.copies:
        stages.append(_stage("augment", augment, home, last, "augment", settings.augment))
        last = home / "augment" / "augmented.txt"
    return [*stages, *_lmdbs(settings, last, home), *_training(settings, home)]


def _stage(
    name: str, step: Any, home: Path, source: Path, folder: str, section: Any, more: Sequence[Path] = ()
) -> Stage:
    """The stage of a step that turns the list `source` into HOME/FOLDER."""
    out = home / folder
    return Stage(
        name,
        home,
        [source, *more],
        out,
        _values(section),
        lambda options, _: step(source, out, section, options),
    )


def _lmdbs(settings: Settings, train_list: Path, home: Path) -> list[Stage]:
    """The training LMDB with its preprocessing contract, then those that follow the contract."""
    section = settings.gen_lmdb
    pairs = [section.pairs] if section.pairs else []
    make = partial(gen_lmdb, own_pairs=True)
    follows = section.model_copy(update={"preprocess": home / "train_lmdb.preprocess.yaml"})
    stages = [_stage("gen-lmdb train", make, home, train_list, "train_lmdb", section, pairs)]
    for side in ["val", "test"] if settings.split.test else ["val"]:
        source = home / "split" / f"{side}.txt"
        stages.append(_stage(f"gen-lmdb {side}", make, home, source, f"{side}_lmdb", follows, pairs))
    return stages


def _training(settings: Settings, home: Path) -> list[Stage]:
    run_dir = settings.train.runs / settings.name
    source = settings.evaluate.source or home / "split" / ("test.txt" if settings.split.test else "val.txt")
    sections = [settings.net, settings.solver, settings.finetune, settings.train, settings.guard]
    if settings.train.augment:
        sections.append(settings.augment)
    return [
        Stage(
            "train",
            home,
            [*settings.train.weights, *filter(None, (settings.net.prototxt, settings.finetune.weights))],
            run_dir / "best.caffemodel",
            [_values(section) for section in sections],
            lambda options, resume: train(settings, options, resume="auto" if resume else None),
        ),
        Stage(
            "diagnose-nan", home, [], run_dir / "diagnosis.json", {},
            lambda options, _: _diagnose(run_dir, options),
        ),
        Stage(
            "evaluate",
            home,
            [source],
            run_dir / "evaluation.json",
            _values(settings.evaluate),
            lambda options, _: evaluate(settings, source, options, run_dir=run_dir),
        ),
    ]  # fmt: skip


def _values(section: Any) -> dict[str, Any]:
    """The settings that are no paths: what stands at a path counts, not where the project stands."""
    return {
        key: value
        for key, value in section.model_dump().items()
        if not isinstance(value[0] if isinstance(value, list) and value else value, Path)
    }


def _diagnose(run_dir: Path, options: Options) -> Report:
    """What diagnose-nan says of the run; findings do not end the chain, the gate is evaluate's."""
    report = diagnose_nan(run=run_dir, options=options)
    write_text(run_dir / "diagnosis.json", dumps(report.summary, indent=2) + "\n")
    return report


def _content(path: Path) -> str:
    """What a change of `path` changes: names, sizes and times of a folder's files, a small file's bytes."""
    if not path.exists():
        return f"{path} missing"
    if path.is_file():
        stat = path.stat()
        if stat.st_size < 10_000_000:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{stat.st_size} {stat.st_mtime_ns}"
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.name != "lock.mdb")
    return "\n".join(f"{p.relative_to(path)} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files)
