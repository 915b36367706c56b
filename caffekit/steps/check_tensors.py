"""The proof in `check`: a file's tensor by training, test, prediction and deployment, in every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.engines import Engine
from caffekit.engines.entering import Head, entering
from caffekit.formats.caffe_pb2 import TEST, TRAIN
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.images import BadImage
from caffekit.formats.lmdb_store import LmdbReader, write_lmdb
from caffekit.formats.preprocess import Preprocess, std_factors
from caffekit.formats.prototxt import write_prototxt
from caffekit.netgen.head import head, without_chance
from caffekit.runs import read_json
from caffekit.steps.check_facts import AGAIN, Chain, Finding, finding
from caffekit.steps.evaluate import center

FILES = 8
LEVELS = 1e-3  # grey levels that float32 may lose
LOSSY = 6.0  # grey levels on average that JPEG records may differ from their files

Pixels = NDArray[np.uint8]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """An image as its record holds it, and as its file is read today."""

    name: str
    key: bytes
    record: bytes
    held: Pixels
    read: Pixels

    @property
    def off(self) -> Array:
        """Grey levels between both, per value."""
        off: Array = np.abs(self.held.astype(np.float32) - self.read)
        return off


def compare(
    chain: Chain, engines: Sequence[Engine], files: int, folder: Path
) -> tuple[dict[str, Any], list[Finding]]:
    """(facts, findings); facts: files, engines, paths, and in grey levels largest_difference and records_off.

    Training and test are held to what their records say, prediction and deployment to the files. Both are the
    same but where records are compressed with loss: records_off is by how much, on average.
    EngineDied, FormatError.
    """
    rules, found = chain.contract, []
    if rules is None or not chain.databases:
        return {}, []
    probes: list[Probe] = []
    for path in dict.fromkeys(chain.databases.values()):
        some, problems = _probes(path, files, rules)
        probes += some
        found += problems
    heads = _heads(chain, rules, probes, folder) if probes else {}
    if not heads:
        return {}, [
            *found,
            finding("tensors", "no file could be followed through the chain", AGAIN, "warning"),
        ]
    factors = std_factors(rules.std) * rules.images if rules.std_layer else [1.0]
    unit = rules.scale * np.array(factors, np.float32)
    unit = unit.reshape(-1, 1, 1)
    given: Any = heads["predict"].batch
    side = given.shape[2:]
    from_files = _expected([probe.read for probe in probes], rules, side) * unit
    from_records = _expected([probe.held for probe in probes], rules, side) * unit
    largest = 0.0
    for engine in engines:
        tensors = entering(engine, list(heads.values()), folder)
        for path_name, tensor in zip(heads, tensors, strict=True):
            # (Of pairs and triplets, the deploy net takes one image.)
            taken = given.shape[1] if path_name in ("predict", "deploy") else len(unit)
            reference = (from_records if path_name in ("train", "test") else from_files)[:, :taken]
            off = _difference(tensor, reference, unit[:taken])
            largest = max(largest, off)
            if not off <= LEVELS:
                text = f"{path_name} in the {engine.name} engine: {_words(tensor, reference, off)}"
                found.append(finding("tensors", text, AGAIN))
    facts = {
        "files": len(probes),
        "engines": [engine.name for engine in engines],
        "paths": list(heads),
        "largest_difference": largest,
        "records_off": float(np.mean([probe.off.mean() for probe in probes])),
    }
    return facts, found


def _probes(database: Path, count: int, rules: Preprocess) -> tuple[list[Probe], list[Finding]]:
    """Some records, spread over the LMDB, whose files are there; what is wrong with the others."""
    root = read_json(database.with_name(f"{database.name}.summary.json")).get("root", ".")
    images = ImageList(database.parent / root, [])
    probes: list[Probe] = []
    missing: list[str] = []
    found: list[Finding] = []
    with LmdbReader(database) as reader:
        for key, value in reader.records(0, max(1, len(reader) // count)):
            if len(probes) + len(missing) >= count:
                break
            name = key.decode(errors="replace")
            names = name[9:].split("|") if rules.images > 1 else [name[9:]]
            paths = [images.file(Item(each, 0)) for each in names]
            held = datum_array(parse_datum(value, name), name).transpose(1, 2, 0)
            try:
                read = np.concatenate([rules.read_image(path.read_bytes()) for path in paths], axis=2)
            except (OSError, BadImage) as error:
                text = error.strerror if isinstance(error, OSError) else error
                missing.append(f"{paths[0]}: {text}")
                continue
            probe = Probe(str(paths[0]), key, value, held, read)
            found += _held_otherwise(probe, database)
            if held.shape == read.shape and held.shape[2] == rules.channels * rules.images:
                probes.append(probe)
    if missing:
        text = f"{database}: {len(missing)} of its images cannot be read again, first {missing[0]}"
        fix = "keep the images where they were when gen-lmdb read them"
        found.append(finding("files", text, fix, "warning" if probes else "error"))
    return probes, found


def _held_otherwise(probe: Probe, database: Path) -> Iterator[Finding]:
    """A raw record holds the file's pixels; a compressed one may be off a little."""
    encoded = parse_datum(probe.record).encoded
    where = f"{database}: record {probe.key.decode(errors='replace')}"
    if probe.held.shape != probe.read.shape:
        shapes = ["x".join(map(str, image.shape)) for image in (probe.held, probe.read)]
        yield finding("record", f"{where} is {shapes[0]}, its file now gives {shapes[1]}", _MAKE)
    elif probe.off.mean() > (LOSSY if encoded else 0):
        levels = f"{probe.off.mean():.3g} grey levels on average"
        text = f"{where} differs from what {probe.name} gives now by {levels}"
        yield finding("record", text, _MAKE)


_MAKE = "make the LMDB again: the file, or the rules by which it is read, changed since"


def _heads(chain: Chain, rules: Preprocess, probes: list[Probe], folder: Path) -> dict[str, Head]:
    """The four ways by which a file comes to the layer that learns first."""
    database = folder / "probes_lmdb"
    write_lmdb(database, ((b"%08d" % i, probe.record) for i, probe in enumerate(probes)))
    heads = {}
    for name, phase in (("train", TRAIN), ("test", TEST)):
        entry = head(chain.train_net, phase)
        if entry and entry[0].layer[0].type == "Data":
            without_chance(entry[0], str(database), len(probes))
            write_prototxt(folder / f"{name}.prototxt", entry[0])
            heads[name] = Head(folder / f"{name}.prototxt", entry[1])
    entry = head(chain.deploy_net)
    if not entry or entry[0].layer[0].type != "Input" or not heads:
        return {}
    net, blob = entry
    write_prototxt(folder / "entry.prototxt", net)
    _, taken, *side = net.layer[0].input_param.shape[0].dim
    given = np.stack([center(_applied(rules, probe.read), side)[:taken] for probe in probes])
    planes = [center(probe.read.transpose(2, 0, 1), side)[:taken] for probe in probes]
    raw = np.stack(planes).transpose(0, 2, 3, 1)
    path = folder / "entry.prototxt"
    return {
        **heads,
        "predict": Head(path, blob, chain.weights, given),
        "deploy": Head(
            path, blob, chain.weights, raw, True, (rules.mean_values * rules.images)[:taken], rules.scale
        ),
    }


def _applied(rules: Preprocess, pixels: Pixels) -> Array:
    """What the contract makes of the images of a record, which prediction feeds to the net."""
    return np.concatenate([rules.apply(image) for image in np.split(pixels, rules.images, axis=2)])


def _expected(images: list[Pixels], rules: Preprocess, side: Sequence[int]) -> Array:
    """What the contract says, before its unit: x - mean, of the part of the image that the net takes."""
    mean = np.array(rules.mean_values * rules.images or [0.0], np.float32).reshape(-1, 1, 1)
    planes = [center(image.transpose(2, 0, 1).astype(np.float32), side) - mean for image in images]
    return np.stack(planes)


def _difference(tensor: Array, reference: Array, unit: Array) -> float:
    """The largest difference, in grey levels."""
    if tensor.shape != reference.shape:
        return float("inf")
    return float(np.abs((tensor - reference) / unit).max())


def _words(tensor: Array, reference: Array, off: float) -> str:
    if tensor.shape != reference.shape:
        shapes = ["x".join(map(str, each.shape[1:])) for each in (tensor, reference)]
        return f"the net sees {shapes[0]}, but the contract and the deploy net say {shapes[1]}"
    return f"the tensor of a file is not the contract's: {off:.4g} grey levels apart"
