"""The files a training starts from: made from the settings, or the user's own solver and net."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.config.dump import absolute, resolved_yaml
from caffekit.config.schema import Settings
from caffekit.errors import DataError, FormatError, UsageError
from caffekit.formats.atomic import write_text
from caffekit.formats.binaryproto import read_mean
from caffekit.formats.caffe_pb2 import TEST, TRAIN, NetParameter, SolverParameter
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.image_list import write_labels
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.formats.preprocess import Preprocess, class_names, preprocess_path
from caffekit.formats.prototxt import read_net, read_solver, write_prototxt
from caffekit.graph import filter_net
from caffekit.netgen import std_layer
from caffekit.netgen.augmented import augment_net
from caffekit.netgen.own import deploy_net
from caffekit.netgen.templates import Data
from caffekit.options import Options
from caffekit.runs import MARK, RunDir, read_json, write_json
from caffekit.steps.augment import changes_of
from caffekit.steps.gen_prototxt import gen_prototxt

# A continued run may train for longer, or say more, and still be the same training.
FREE = (
    "net", "train_net", "max_iter", "display", "snapshot", "snapshot_prefix", "test_interval",
    "test_initialization", "solver_mode",
)  # fmt: skip


AUGMENT = "augment.json"


@dataclass
class Inputs:
    """What is trained: solver and net as asked for, and the LMDBs (records, bytes, time of change)."""

    solver: Any
    net: Any
    files: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    augment: dict[str, Any] = field(default_factory=dict)
    """How training images are changed as they are read: "changes" and "seed"; {}: they are not."""

    @property
    def test_outputs(self) -> list[str]:
        """The outputs of the test net: tops that no layer takes up."""
        if not self.solver.test_iter:
            return []
        layers = filter_net(self.net, TEST).layer
        used = {bottom for layer in layers for bottom in layer.bottom if bottom not in layer.top}
        return [top for layer in layers for top in layer.top if top not in used]


def make_inputs(folder: Path, run: RunDir, settings: Settings, own_solver: Path | None) -> Inputs:
    """Write solver, nets, contract and labels into `folder`, as they will stand in `run`; nothing else.

    DataError or FormatError, naming the place, for what cannot be used.
    """
    if own_solver:
        inputs = _own(folder, run, own_solver)
    else:
        prefix = _prefix(run, settings.name)
        report = gen_prototxt(folder, absolute(settings), Options(), snapshot_prefix=prefix)
        solver = folder / run.solver.name
        text = solver.read_text(encoding="utf-8").replace(str(folder), str(run.path.absolute()))
        write_text(solver, text)
        inputs = Inputs(read_solver(solver), read_net(folder / run.net.name))
        inputs.notes, inputs.warnings = report.summary["notes"], report.warnings
        write_text(folder / "config.yaml", resolved_yaml(settings))
    _companions(folder, inputs)
    write_json(folder / MARK, inputs.files)
    if settings.train.augment:
        _augment(folder, inputs, settings)
    return inputs


def _augment(folder: Path, inputs: Inputs, settings: Settings) -> None:
    """Write down how the images are changed; UsageError if nothing is, or if the net reads none."""
    changes = changes_of(settings.augment)
    if not changes:
        raise UsageError(
            "train.augment: the section augment changes nothing", "give it rotate: 10, for example"
        )
    inputs.augment = {"changes": changes, "seed": settings.seed}
    augment_net(read_net(folder / "train_val.prototxt"), **inputs.augment, native=True)
    write_json(folder / AUGMENT, inputs.augment)


def _own(folder: Path, run: RunDir, path: Path) -> Inputs:
    """The user's solver with its net beside it; snapshots go to the run directory, under their own name."""
    if not path.is_file():
        raise DataError(f"no such solver: {path}", "check the path; `caffekit gen-prototxt` writes one")
    solver = read_solver(path)
    net = _own_net(solver, path, run)
    name = Path(solver.snapshot_prefix).name if solver.snapshot_prefix else path.stem
    solver.snapshot_prefix = str(_prefix(run, name))
    if solver.lr_policy == "":
        raise FormatError(f"{path}: lr_policy is not set", 'write one, such as lr_policy: "fixed"')
    write_prototxt(folder / run.net.name, net)
    write_prototxt(folder / run.solver.name, solver, f"# {path}, with snapshots in the run directory\n")
    notes = [f"snapshots go to {run.snapshots}"]
    return Inputs(solver, net, notes=notes)


def _own_net(solver: Any, path: Path, run: RunDir) -> Any:
    """The train net of a solver; the solver is changed to name its copy in the run directory."""
    named = [key for key in ("net", "train_net", "net_param", "train_net_param") if solver.HasField(key)]
    if len(named) != 1:
        found = " and ".join(named) or "none"
        raise FormatError(f"{path}: expected one of net, train_net, net_param, train_net_param; got {found}")
    key = named[0]
    if key.endswith("_param"):
        net = NetParameter()
        net.CopyFrom(getattr(solver, key))
        solver.ClearField(key)
        key = key.removesuffix("_param")
    else:
        net_path = Path(getattr(solver, key))
        if not net_path.is_file():
            hint = "paths in a solver are relative to the working directory, as in Caffe"
            raise DataError(f"{path}: {key}: no such file: {net_path}", hint)
        net = read_net(net_path)
    setattr(solver, key, str(run.net.absolute()))
    return net


def _prefix(run: RunDir, name: str) -> Path:
    return run.snapshots.absolute() / name


def net_key(solver: Any) -> str:
    """Which field of the solver names the train net: net or train_net."""
    return "train_net" if solver.HasField("train_net") else "net"


def _companions(folder: Path, inputs: Inputs) -> None:
    """Look at every LMDB of the net; carry the training set's contract, mean and labels along."""
    images = False  # the first Data layer has them; another one may have labels
    for phase in (TRAIN, TEST):
        for layer in filter_net(inputs.net, phase).layer:
            if layer.type == "Data" and layer.data_param.backend == layer.data_param.LMDB:
                source = Path(layer.data_param.source)
                inputs.files[str(source.absolute())] = _facts(source)
                if phase == TRAIN:
                    _carry(folder, source)
                    if not images:
                        _deploy(folder, layer, inputs)
                    images = True


def _facts(source: Path) -> dict[str, int]:
    with LmdbReader(source) as reader:
        records = len(reader)
    stat = (source / "data.mdb").stat()
    return {"records": records, "bytes": stat.st_size, "modified": stat.st_mtime_ns}


def _carry(folder: Path, source: Path) -> None:
    contract, classes = preprocess_path(source), class_names(source)
    if contract.is_file():
        preprocess = Preprocess.read(contract)
        mean = contract.parent / preprocess.mean_file if preprocess.mean_file else None
        if mean and mean.is_file():
            shutil.copyfile(mean, folder / "mean.binaryproto")
            preprocess = preprocess.model_copy(update={"mean_file": "mean.binaryproto"})
        preprocess.write(folder / "preprocess.yaml")
    if classes:
        write_labels(folder / "labels.txt", classes)


def _deploy(folder: Path, layer: Any, inputs: Inputs) -> None:
    """deploy.prototxt where there is none yet, and the contract as the data layer states it."""
    source = layer.data_param.source
    with LmdbReader(Path(source)) as reader:
        channels, height, width = datum_array(parse_datum(reader.first()[1], source), source).shape
    if channels not in (1, 3):
        return  # no image
    if not (folder / "deploy.prototxt").exists():
        data = Data(train=source, train_images=0, channels=channels, height=height, width=width, classes=0)
        write_prototxt(folder / "deploy.prototxt", deploy_net(inputs.net, data))
    path = folder / "preprocess.yaml"
    own = Preprocess(channels=channels, color="bgr" if channels == 3 else "gray", width=width, height=height)
    contract = Preprocess.read(path) if path.exists() else own
    stated = _stated(layer, channels, contract, inputs)
    if not path.exists() or stated:
        contract.model_copy(update=stated).write(path)


def _stated(layer: Any, channels: int, contract: Preprocess, inputs: Inputs) -> dict[str, Any]:
    """What the user's own data layer does otherwise than the LMDB's contract: prediction must do it, too."""
    transform, means = layer.transform_param, list(layer.transform_param.mean_value)
    if transform.mean_file:
        means = read_mean(Path(transform.mean_file)).mean(axis=(1, 2)).tolist()
        inputs.warnings.append(f"{layer.name}: evaluation subtracts the mean per channel, not the mean image")
    means = means * channels if len(means) == 1 else means
    divides = contract.std_layer and std_layer.find(inputs.net) is not None
    here, there = [*means, transform.scale], [*contract.mean_values, contract.scale]
    alike = len(here) == len(there) and np.allclose(here, there, rtol=1e-6) and not transform.mean_file
    if alike and divides == contract.std_layer:
        return {}
    return {"mean_values": means, "mean_file": None, "scale": transform.scale, "std_layer": divides}


def differences(run: RunDir, now: Inputs) -> list[str]:
    """What makes `now` another training than the one that was begun in `run`, in words."""
    before = Inputs(read_solver(run.solver), read_net(run.net), read_json(run.path / MARK))
    found = []
    for field_ in SolverParameter.DESCRIPTOR.fields:
        name = field_.name
        if name in FREE:
            continue
        old, new = getattr(before.solver, name), getattr(now.solver, name)
        if old != new:
            found.append(f"solver: {name}: {old} → {new}")
    if before.net != now.net:
        found.append("the net")
    found += [f"the data in {name}" for name in now.files if before.files.get(name) != now.files[name]]
    if read_json(run.path / AUGMENT) != now.augment:
        found.append("the augmentation")
    return found


def install(folder: Path, run: RunDir) -> None:
    """Put the files of `folder`, on the same file system, into the run directory, its mark first."""
    run.path.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir(), key=lambda path: path.name != MARK):
        path.replace(run.path / path.name)


def refuse_changed(changes: list[str], run: RunDir) -> None:
    """UsageError if the run in that directory was another training."""
    if changes:
        shown = "; ".join(changes[:3]) + ("; …" if len(changes) > 3 else "")
        raise UsageError(
            f"{run.path} holds another training: {shown} changed",
            "take another --run-dir, or --overwrite to start again in this one",
        )
