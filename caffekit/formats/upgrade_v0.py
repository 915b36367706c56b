"""`layers { layer { type: "conv" } }` of 2013 as `layers { type: CONVOLUTION }` of 2014."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffekit.errors import FormatError

Say = Callable[[str, str, str], None]
"""Is told what Caffe logs: the file and line that say so, the sentence, its severity."""

TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
SAME = ("name", "blobs", "blobs_lr", "weight_decay")
TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
"""Fields that any type may have, and their names in transform_param."""

_WEIGHTS = {"conv": "convolution_param", "innerproduct": "inner_product_param"}
_WINDOWS = {"conv": "convolution_param", "pool": "pooling_param"}
_CONV, _POOL, _LRN = {"conv": "convolution_param"}, {"pool": "pooling_param"}, {"lrn": "lrn_param"}
_IMAGES, _WINDOW_DATA = {"images": "image_data_param"}, {"window_data": "window_data_param"}
_DATA = {"data": "data_param", "hdf5_data": "hdf5_data_param", **_IMAGES, **_WINDOW_DATA}

FIELDS: dict[str, tuple[int, str, dict[str, str]]] = {
    "num_output": (237, "num_output", _WEIGHTS),
    "biasterm": (249, "bias_term", _WEIGHTS),
    "weight_filler": (261, "weight_filler", _WEIGHTS),
    "bias_filler": (273, "bias_filler", _WEIGHTS),
    "pad": (283, "pad", _WINDOWS),
    "kernelsize": (295, "kernel_size", _WINDOWS),
    "group": (304, "group", _CONV),
    "stride": (316, "stride", _WINDOWS),
    "pool": (341, "pool", _POOL),
    "dropout_ratio": (350, "dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": (359, "local_size", _LRN),
    "alpha": (367, "alpha", _LRN),
    "beta": (375, "beta", _LRN),
    "k": (383, "k", _LRN),
    "source": (403, "source", {**_DATA, "infogain_loss": "infogain_loss_param"}),
    "batchsize": (429, "batch_size", _DATA),
    "rand_skip": (449, "rand_skip", {"data": "data_param", **_IMAGES}),
    "shuffle_images": (458, "shuffle", _IMAGES),
    "new_height": (467, "new_height", _IMAGES),
    "new_width": (476, "new_width", _IMAGES),
    "concat_dim": (485, "concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": (494, "fg_threshold", _WINDOW_DATA),
    "det_bg_threshold": (504, "bg_threshold", _WINDOW_DATA),
    "det_fg_fraction": (514, "fg_fraction", _WINDOW_DATA),
    "det_context_pad": (524, "context_pad", _WINDOW_DATA),
    "det_crop_mode": (534, "crop_mode", _WINDOW_DATA),
    "hdf5_output_param": (544, "", {"hdf5_output": "hdf5_output_param"}),
}
"""Each field of 2013, in the order in which Caffe moves them: the line of upgrade_proto.cpp that complains of
it, its name today, and the message it moves to by the type that may have it."""


def upgrade_v0(net: Any, name: str, say: Say) -> bool:
    """Turn `net` of 2013 into one of 2014: name, layers, inputs and force_backward stay, as in Caffe.

    False when a layer had a field that is not its type's, and lost it.
    FormatError naming `name` for an unknown type, or a padding layer before anything but conv and pool.
    """
    folded = _fold_padding(net, name)
    kept = {field: getattr(net, field) for field in ("name", "force_backward") if net.HasField(field)}
    inputs = {field: list(getattr(net, field)) for field in ("input", "input_dim")}
    net.Clear()
    for field, value in kept.items():
        setattr(net, field, value)
    for field, values in inputs.items():
        getattr(net, field).extend(values)
    return all([_layer(old, net.layers.add(), name, say) for old in folded])


def _fold_padding(net: Any, name: str) -> list[Any]:
    """The layers without `padding`; its pad goes into the conv or pool that follows."""
    writer: dict[str, Any] = dict.fromkeys(net.input)
    folded = []
    for old in net.layers:
        layer = type(old)()
        layer.CopyFrom(old)
        if old.layer.type != "padding":
            folded.append(layer)
        for j, bottom in enumerate(old.bottom):
            if bottom not in writer:
                raise FormatError(f"{name}: Unknown blob input {bottom} to layer '{old.layer.name}'")
            source = writer[bottom]
            if source is not None and source.layer.type == "padding":
                _check_padding(source, old, name)
                layer.layer.pad = source.layer.pad
                layer.bottom[j] = source.bottom[0]
        writer.update(dict.fromkeys(old.top, old))
    return folded


def _check_padding(padding: Any, user: Any, name: str) -> None:
    where = f"{name}: layer '{user.layer.name}'"
    if user.layer.type not in _WINDOWS:
        raise FormatError(
            f"{where}: Padding layer input to non-convolutional / non-pooling layer type {user.layer.type}"
        )
    if len(user.bottom) != 1 or len(padding.bottom) != 1 or len(padding.top) != 1:
        raise FormatError(f"{where}: it and the padding layer before it take and give a single blob each")


def _layer(old: Any, new: Any, name: str, say: Say) -> bool:
    """Fill `new`; False if a field had no place in it."""
    new.bottom.extend(old.bottom)
    new.top.extend(old.top)
    if not old.HasField("layer"):
        return True
    source = old.layer
    if source.HasField("type"):
        if source.type not in TYPES:
            raise FormatError(f"{name}: layer '{source.name}': Unknown layer name: {source.type}")
        enum = new.DESCRIPTOR.fields_by_name["type"].enum_type
        new.type = enum.values_by_name[TYPES[source.type]].number
    values = {field.name: value for field, value in source.ListFields()}
    for field in values.keys() & set(SAME):
        _put(new, field, values[field])
    for field in values.keys() & TRANSFORM.keys():
        _put(new.transform_param, TRANSFORM[field], values[field])
    return all([_move(source.type, field, values[field], new, say) for field in FIELDS if field in values])


def _move(layer_type: str, field: str, value: Any, new: Any, say: Say) -> bool:
    line, target, homes = FIELDS[field]
    if layer_type not in homes:
        shown = "shuffle" if field == "shuffle_images" else field
        say(f"upgrade_proto.cpp:{line}", f"Unknown parameter {shown} for layer type {layer_type}", "E")
        return False
    home = getattr(new, homes[layer_type])
    if target:
        _put(home, target, value)
    else:
        home.CopyFrom(value)
    return True


def _put(message: Any, field: str, value: Any) -> None:
    """Set a field that may be repeated (kernel_size of today's convolutions) or a message."""
    descriptor = message.DESCRIPTOR.fields_by_name[field]
    if descriptor.is_repeated:
        getattr(message, field).extend(value if hasattr(value, "__len__") else [value])
    elif descriptor.message_type:
        getattr(message, field).CopyFrom(value)
    else:
        setattr(message, field, value)
