"""Lint rules about data layers and how they transform what they read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffekit.errors import CaffekitError
from caffekit.formats.binaryproto import read_mean
from caffekit.formats.caffe_pb2 import DataParameter
from caffekit.netgen.rules.rule import CAFFE, Rule
from caffekit.netgen.structure import phases
from caffekit.netgen.subject import DATA_PARAMS, Problem, Subject

TRANSFORMER = f"{CAFFE} data_transformer.cpp"
IGNORED = ("scale", "mean_file", "crop_size", "mirror")


def _data(subject: Subject) -> Iterator[tuple[Any, list[str], int]]:
    """(data layer, its phases, which of the layers of that name it is)."""
    seen: dict[str, int] = {}
    for layer in subject.net.layer:
        nth = seen[layer.name] = seen.get(layer.name, -1) + 1
        if layer.type in DATA_PARAMS:
            yield layer, phases(layer), nth


def backend(subject: Subject) -> Iterator[Problem]:
    """The default backend is LEVELDB."""
    for layer, _, nth in _data(subject):
        param = layer.data_param
        named = "leveldb" in param.source.lower()
        if (
            layer.type != "Data"
            or named
            or (param.HasField("backend") and param.backend == DataParameter.LMDB)
        ):
            continue
        lmdb = (Path(param.source) / "data.mdb").is_file()
        if param.HasField("backend") and not lmdb:
            continue
        if lmdb or "lmdb" in param.source.lower() or not param.HasField("backend"):
            given = "backend LEVELDB" if param.HasField("backend") else "no backend: LEVELDB is the default"
            text = given + (f", but {param.source} is an LMDB" if lmdb else "")
            yield Problem(text, layer=layer.name, severity="error" if lmdb else "", nth=nth)


def ignored_field(subject: Subject) -> Iterator[Problem]:
    """Fields of data_param that today's layers no longer read."""
    for layer, _, nth in _data(subject):
        name = DATA_PARAMS[layer.type]
        if layer.type not in ("Data", "ImageData", "WindowData"):
            continue
        if layer.type != "WindowData":
            for key in IGNORED:
                if getattr(layer, name).HasField(key):
                    text = f"{key} in {name} is ignored"
                    yield Problem(text, f"transform_param {{ {key}: … }}", layer.name, nth=nth)
        if layer.type == "Data" and layer.data_param.rand_skip:
            yield Problem(
                "rand_skip is ignored by Data", "leave it out", layer.name, severity="note", nth=nth
            )


def batch_size(subject: Subject) -> Iterator[Problem]:
    """A batch size, no larger than the set."""
    for layer, where, nth in _data(subject):
        batch = subject.batch_size(layer)
        images = min((subject.images[p] for p in where if p in subject.images), default=0)
        if not batch:
            yield Problem(
                "batch_size is missing or 0", "batch_size: 64", layer.name, severity="error", nth=nth
            )
        elif layer.type == "Data" and images and batch > images and where == ["TRAIN"]:
            text = f"batch_size {batch} for {images} images: each is in a batch more than once"
            yield Problem(text, f"batch_size: {max(1, images // 10)}", layer.name, nth=nth)


def mean_fields(subject: Subject) -> Iterator[Problem]:
    """A mean image or mean values, as many as channels."""
    for layer, where, nth in _data(subject):
        param = layer.transform_param
        values = list(param.mean_value)
        shape = next((subject.shapes[p] for p in where if p in subject.shapes), None)
        if param.HasField("mean_file") and values:
            text = "mean_file and mean_value together: Caffe stops"
            yield Problem(text, "keep one of them", layer.name, severity="error", nth=nth)
        elif len(values) > 1 and shape and len(values) != shape[0] and layer.type == "Data":
            text = f"{len(values)} mean_value for {shape[0]} channels"
            yield Problem(text, "one, or one a channel", layer.name, severity="error", nth=nth)
        elif values and max(map(abs, values)) <= 1 and 0 < max(map(abs, values)) and param.scale < 0.1:
            text = (
                f"mean_value {values[0]:g} is subtracted before scale {param.scale:g}: it is 0 to 255 there"
            )
            yield Problem(text, "mean_value in grey levels: 104, 117, 123 …", layer.name, nth=nth)
        elif layer.type == "HDF5Data" and layer.HasField("transform_param"):
            text = "HDF5Data transforms nothing: Caffe stops at its transform_param"
            yield Problem(
                text, "transform the data when it is written", layer.name, severity="error", nth=nth
            )


def mean_file(subject: Subject) -> Iterator[Problem]:
    """The mean image has the shape of the images before the crop."""
    for layer, where, nth in _data(subject):
        path = Path(layer.transform_param.mean_file)
        shape = next((subject.shapes[p] for p in where if p in subject.shapes), None)
        if not layer.transform_param.HasField("mean_file"):
            continue
        if not path.is_file():
            if Path(_source(layer) or "/nowhere").exists():  # else written for another machine
                yield Problem(f"no mean_file {path}", "caffekit mean makes it", layer.name, nth=nth)
            continue
        try:
            mean = read_mean(path).shape
        except CaffekitError as error:
            yield Problem(error.message, "caffekit mean makes it again", layer.name, nth=nth)
            continue
        if shape and tuple(mean) != tuple(shape) and layer.type == "Data":
            text = f"{path} has shape {_by(mean)}, the images {_by(shape)} (before the crop)"
            yield Problem(text, "caffekit mean DB makes the one that fits", layer.name, nth=nth)


def crop_size(subject: Subject) -> Iterator[Problem]:
    """The crop comes out of the image."""
    for layer, where, nth in _data(subject):
        crop = layer.transform_param.crop_size
        shape = next((subject.shapes[p] for p in where if p in subject.shapes), None)
        if layer.type == "ImageData" and layer.image_data_param.new_height:
            shape = (3, layer.image_data_param.new_height, layer.image_data_param.new_width)
        if crop and shape and layer.type in ("Data", "ImageData") and crop > min(shape[1:]):
            text = f"crop_size {crop} of images that are {shape[2]}x{shape[1]}"
            yield Problem(text, f"crop_size: {min(shape[1:])}", layer.name, nth=nth)


def image_size(subject: Subject) -> Iterator[Problem]:
    """ImageData reads files as they are."""
    for layer, where, nth in _data(subject):
        param = layer.image_data_param
        if layer.type != "ImageData":
            continue
        if bool(param.new_height) != bool(param.new_width):
            text = "new_height and new_width belong together: Caffe stops"
            yield Problem(text, "give both", layer.name, severity="error", nth=nth)
        elif not param.new_height and param.batch_size > 1:
            text = f"batch_size {param.batch_size} of images as they are: they must all be of one size"
            yield Problem(text, "new_height and new_width", layer.name, severity="note", nth=nth)
        if where == ["TRAIN"] and not param.shuffle and subject.is_trained():
            text = "shuffle is false: images come in the order of the list"
            yield Problem(text, "shuffle: true", layer.name, severity="note", nth=nth)


def test_transform(subject: Subject) -> Iterator[Problem]:
    """What only training should do."""
    for layer, where, nth in _data(subject):
        if where == ["TEST"] and layer.transform_param.mirror:
            text = "mirror in phase TEST: Caffe mirrors there too, so that each test sees other images"
            yield Problem(text, "mirror: false", layer.name, nth=nth)


def phases_differ(subject: Subject) -> Iterator[Problem]:
    """TRAIN and TEST must make the same tensor of the same image."""
    by_phase: dict[str, list[tuple[Any, int]]] = {"TRAIN": [], "TEST": []}
    for layer, where, nth in _data(subject):
        staged = any(rule.stage or rule.not_stage for rule in (*layer.include, *layer.exclude))
        if len(where) == 1 and layer.top and not staged:
            by_phase[where[0]].append((layer, nth))
    for train, _ in by_phase["TRAIN"]:
        for test, nth in by_phase["TEST"]:
            if train.top[0] != test.top[0] or train.type != test.type:
                continue
            for key in ("scale", "mean_file", "mean_value", "crop_size"):
                ours, theirs = (getattr(each.transform_param, key) for each in (train, test))
                if ours != theirs and (key != "crop_size" or (ours and theirs)):
                    text = f"{key} {_shown(theirs)} in TEST, {_shown(ours)} in TRAIN"
                    yield Problem(text, f"the same {key} in both", test.name, nth=nth)
            source = _source(train)
            if source and source == _source(test):
                text = f"TRAIN and TEST read the same {source}: the test measures what was learned by heart"
                yield Problem(text, "a validation set of its own (caffekit split)", test.name, nth=nth)


def input_range(subject: Subject) -> Iterator[Problem]:
    """Grey levels from 0 to 255 as they are."""
    for layer, where, nth in _data(subject):
        param = layer.transform_param
        bare = not param.mean_value and not param.HasField("mean_file") and param.scale == 1
        if layer.type not in ("Data", "ImageData") or "TRAIN" not in where or not bare:
            continue
        view = subject.main
        readers = [each for each in view.layers if layer.top and layer.top[0] in each.bottom] if view else []
        if any(each.type in ("Convolution", "InnerProduct") for each in readers):
            text = "neither mean nor scale: the net sees numbers from 0 to 255"
            yield Problem(text, layer=layer.name, nth=nth)


def _source(layer: Any) -> str:
    param = getattr(layer, DATA_PARAMS[layer.type])
    return str(param.source) if hasattr(param, "source") else ""


def _shown(value: Any) -> str:
    if isinstance(value, (str, int)):
        return f"'{value}'" if isinstance(value, str) else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if not value:
        return "missing"
    return f"[{', '.join(f'{each:g}' for each in value)}]"


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


RULES = {
    "backend": Rule(
        backend, "warning",
        "Without a backend Caffe opens the folder as LevelDB, and stops if it is an LMDB.",
        "backend: LMDB", f"{CAFFE} caffe.proto DataParameter"),
    "batch-size": Rule(
        batch_size, "warning",
        "An iteration is one batch; without a size there is none.",
        "give batch_size", f"{CAFFE} data_layer.cpp"),
    "crop-size": Rule(
        crop_size, "error",
        "Caffe stops at the first image.",
        "a crop_size no larger than the images", f"{TRANSFORMER} Transform"),
    "ignored-field": Rule(
        ignored_field, "warning",
        "Today's layers read these from transform_param; here they change nothing.",
        "move it to transform_param", f"{CAFFE} caffe.proto DataParameter (deprecated fields)"),
    "image-size": Rule(
        image_size, "warning",
        "A batch holds images of one size; Caffe stops at the first other one.",
        "new_height and new_width", f"{CAFFE} image_data_layer.cpp"),
    "input-range": Rule(
        input_range, "note",
        "Numbers of one sign and up to 255 make the first layer's gradients large and alike.",
        "mean_value for each channel, and a scale if you like", "LeCun et al., Efficient BackProp, 1998,"
        " section 4.3"),
    "mean-fields": Rule(
        mean_fields, "warning",
        "Caffe computes (x - mean) * scale, with one mean image, one value, or one a channel.",
        "one mean_value a channel", TRANSFORMER),
    "mean-file": Rule(
        mean_file, "error",
        "The mean image must have the shape of the stored images; Caffe stops at the first one.",
        "caffekit mean makes the one that fits", TRANSFORMER),
    "phases-differ": Rule(
        phases_differ, "warning",
        "A net that is tested on other tensors than it learned from looks worse than it is; one that is"
        " tested on its training set looks better.",
        "the same transform_param, another source", f"{CAFFE} models/*/train_val.prototxt"),
    "test-mirror": Rule(
        test_transform, "warning",
        "Caffe's mirror knows no phase: the test would change from run to run.",
        "mirror: false in TEST", TRANSFORMER),
}  # fmt: skip
