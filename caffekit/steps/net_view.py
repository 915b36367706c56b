"""A net of one phase with the shapes and costs of its layers, as far as its file and its data tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from caffekit.errors import CaffekitError, DataError
from caffekit.formats.caffe_pb2 import TEST, TRAIN
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.formats.prototxt import read_net
from caffekit.graph import filter_net, known_costs
from caffekit.graph.parameters import Cost

Shape = tuple[int, ...]
PHASES = {"TRAIN": TRAIN, "TEST": TEST}
FROM_FILES = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}


class NetView(NamedTuple):
    """`layers` has each layer's cost, and why it is not known where it is not."""

    net: Any
    phase: str
    layers: list[tuple[Cost, str]]
    notes: list[str]


def view_net(path: Path, phase: str | None, image: Shape | None) -> NetView:
    """The net in `path` at `phase` (TRAIN if it has a loss there, unless given).

    `image` is the shape (channels, height, width) of what data layers read; without it the first record of
    their database tells, or their crop_size. DataError where the phase has no layers; errors as read_net.
    """
    whole = read_net(path)
    if phase is None:
        losses = [layer for layer in filter_net(whole, TRAIN).layer if layer.type.endswith("Loss")]
        phase = "TRAIN" if losses else "TEST"
    net = filter_net(whole, PHASES[phase])
    if not net.layer:
        raise DataError(f"{path}: no layer is in phase {phase}", "choose the other --phase")
    notes: list[str] = []
    inputs: dict[str, Shape] = {}
    for layer in net.layer:
        if layer.type in FROM_FILES:
            inputs |= _tops(layer, image, notes)
    return NetView(net, phase, known_costs(net, inputs), notes)


def _tops(layer: Any, image: Shape | None, notes: list[str]) -> dict[str, Shape]:
    """The shapes of what a data layer makes: images cut to its crop, and labels."""
    param = getattr(layer, FROM_FILES[layer.type])
    crop = layer.transform_param.crop_size or getattr(param, "crop_size", 0)
    shape = image or _first_record(layer)
    if shape is None and layer.type == "ImageData" and param.new_height:
        shape = (3 if param.is_color else 1, param.new_height, param.new_width)
    if shape is None and crop:
        shape = (3, crop, crop)
        notes.append(f"{layer.name}: 3 channels are taken for granted; --image CxHxW tells otherwise")
    if shape is None:
        notes.append(f"{layer.name}: the shape of its images is not known: give --image CxHxW")
        return {}
    channels, height, width = shape
    tops = list(layer.top)
    found: dict[str, Shape] = {tops[0]: (param.batch_size, channels, crop or height, crop or width)}
    return found | {top: (param.batch_size,) for top in tops[1:]}


def _first_record(layer: Any) -> Shape | None:
    source = Path(layer.data_param.source)
    if layer.type != "Data" or not source.exists():
        return None
    try:
        with LmdbReader(source) as reader:
            return tuple(datum_array(parse_datum(reader.first()[1], str(source)), str(source)).shape)
    except CaffekitError:
        return None  # `db check` is the command for that
