"""`gen-prototxt`: what the LMDBs hold + settings → train_val, deploy and solver prototxt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from caffekit.config.schema import Settings
from caffekit.errors import DataError
from caffekit.formats.atomic import refuse_existing, write_text
from caffekit.formats.blobs import blob_shape
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.formats.preprocess import Preprocess, class_names, preprocess_path, std_factors
from caffekit.formats.weights import read_caffemodel
from caffekit.netgen import Data, Finetune, Generated, NetOptions, generate
from caffekit.netgen.infogain import write_infogain
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.class_weights import FILE, weigh_classes

FILES = ("train_val.prototxt", "deploy.prototxt", "solver.prototxt")
DEFAULT_OPTIONS = Options()


def gen_prototxt(
    out: Path,
    settings: Settings,
    options: Options = DEFAULT_OPTIONS,
    *,
    train_db: Path | None = None,
    test_db: Path | None = None,
    snapshot_prefix: Path | None = None,
) -> Report:
    """Write the three files into `out`.

    The databases are WORK/NAME/train_lmdb and val_lmdb unless given; without a val_lmdb there is no
    test net. Snapshots are named OUT/NAME_iter_N unless `snapshot_prefix` is given.
    """
    out = Path(out)
    for name in FILES:
        refuse_existing(out / name, options.overwrite)
    work = settings.data.work / settings.name
    train = Path(train_db or work / "train_lmdb")
    if not train.exists() and train_db is None:
        raise DataError(f"no training LMDB at {train}", "make one with caffekit gen-lmdb, or give --train-db")
    test = Path(test_db) if test_db else work / "val_lmdb" if (work / "val_lmdb").exists() else None
    data, notes, warnings = read_data(train, test)
    data, cautions = as_the_weights_want(data, settings)
    warnings += cautions
    net, why = choose_net(settings, data)
    chosen, infogain, told = weigh_classes(settings, net, data, net_options(settings), out)
    made = generate(
        net,
        data,
        chosen,
        solver_wishes(settings),
        net_path=str(out / FILES[0]),
        snapshot_prefix=str(snapshot_prefix or out / settings.name),
        mode="CPU" if settings.train.gpu in ("auto", "none") else "GPU",
        layers={name: one.model_dump() for name, one in settings.net.layers.items()},
        finetune=finetune_wishes(settings),
    )
    if not options.dry_run:
        for name, text in zip(FILES, made[:3], strict=True):
            write_text(out / name, text)
        if infogain is not None:
            write_infogain(out / FILE, infogain)
    return _report(out, data, made, [*notes, *why, *told, *made.notes], warnings, options.dry_run)


def read_data(train: Path, test: Path | None) -> tuple[Data, list[str], list[str]]:
    """What a net must know of its databases, as (facts, notes, warnings)."""
    images, labels, shape = scan_db(train)
    test_images, test_labels, _ = scan_db(test) if test else (0, -1, ())
    names = class_names(train)
    classes = max(labels, test_labels) + 1
    warnings = []
    if names and classes > len(names):
        raise DataError(
            f"{train}: label {classes - 1}, but labels.txt names {len(names)} classes", "run gen-lmdb again"
        )
    contract = preprocess_path(train)
    mean: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()
    scale, held = 1.0, 0
    if contract.exists():
        preprocess = Preprocess.read(contract)
        held = preprocess.images
        mean, scale = tuple(preprocess.mean_values * preprocess.images), preprocess.scale
        factors = tuple(std_factors(preprocess.std) * preprocess.images) if preprocess.std_layer else ()
    else:
        warnings.append(f"no {contract}: the net sees pixels from 0 to 255 as they are")
    channels, height, width = shape
    data = Data(
        train=str(train), train_images=images, channels=channels, height=height, width=width,
        classes=len(names) or classes, test=str(test) if test else None, test_images=test_images,
        mean_values=mean, scale=scale, factors=factors, images=held,
    )  # fmt: skip
    what = f"{images} training and {test_images} validation images of {channels}x{height}x{width}"
    return data, [what], warnings


def as_the_weights_want(data: Data, settings: Settings) -> tuple[Data, list[str]]:
    """The scale that finetune.weights were trained with, and a warning where that is anybody's guess."""
    wanted = settings.finetune.scale
    if settings.finetune.weights is None or (data.scale == (wanted or 1) and not data.factors):
        return data, []
    if wanted is not None:
        return replace(data, scale=wanted, factors=()), []
    seen = "divided by std per channel" if data.factors else f"times {data.scale:.4g}"
    caution = f"the net sees pixels less the mean, {seen}: weights trained otherwise are of no use"
    return data, [f"finetune: {caution} (finetune.scale: 1 for most published models)"]


def choose_net(settings: Settings, data: Data) -> tuple[str | Path, list[str]]:
    """The template or the user's own net, and why if nothing was asked for."""
    if settings.net.prototxt:
        return settings.net.prototxt, []
    if settings.net.blocks:
        return "blocks", []
    if settings.net.template:
        return settings.net.template, []
    if data.channels == 1:
        return "lenet", ["template lenet: the default for grey images"]
    return "cifar10_quick", ["template cifar10_quick: the default for colour images"]


def net_options(settings: Settings) -> NetOptions:
    """What the section net says about a template's net."""
    net = settings.net
    return NetOptions(
        net.activation, net.dropout, net.crop, net.mirror, net.depth, net.width, net.drop_path,
        net.loss, net.loss_options, {str(loss): weight for loss, weight in net.also.items()},
        tuple(block.model_dump() for block in net.blocks),
    )  # fmt: skip


def finetune_wishes(settings: Settings) -> Finetune | None:
    """The section finetune with the shapes that its weights hold; None without weights."""
    given = settings.finetune
    if given.weights is None:
        return None
    model = {
        layer.name: [blob_shape(blob) for blob in layer.blobs]
        for layer in read_caffemodel(given.weights).layer
        if layer.blobs
    }
    replace, freeze = (([one] if isinstance(one, str) else one) for one in (given.replace, given.freeze))
    return Finetune(model, tuple(replace), given.lr_mult, tuple(freeze), settings.name)


def solver_wishes(settings: Settings) -> Mapping[str, Any]:
    """The solver section with what other sections say about it."""
    wishes = dict(settings.solver)
    if settings.train.snapshots.every is not None:
        wishes["snapshot"] = settings.train.snapshots.every
    if wishes["random_seed"] is None:
        wishes["random_seed"] = settings.seed
    return wishes


def scan_db(db: Path) -> tuple[int, int, tuple[int, ...]]:
    """(records, largest label, C H W of the first image) of an LMDB. DataError, FormatError."""
    largest = -1
    with LmdbReader(db) as reader:
        key, value = reader.first()
        name = f"{db}: {key.decode(errors='replace')}"
        shape = datum_array(parse_datum(value, name), name).shape
        for key, value in reader.records():
            largest = max(largest, parse_datum(value, f"{db}: {key.decode(errors='replace')}").label)
        return len(reader), largest, shape


def _report(
    out: Path, data: Data, made: Generated, notes: list[str], warnings: list[str], dry_run: bool
) -> Report:
    files = {name.removesuffix(".prototxt"): str(out / name) for name in FILES}
    summary = {"files": files, "classes": data.classes, "notes": notes}
    if made.plan:
        summary["finetune"] = [row._asdict() for row in made.plan]
    lines = [
        f"{'would write' if dry_run else 'wrote'} {', '.join(FILES)} to {out}",
        *(f"  {n}" for n in notes),
    ]
    follow = "" if dry_run else f"caffekit train --solver {out / FILES[2]}"
    return Report("gen-prototxt", summary, lines, warnings, next=follow)
