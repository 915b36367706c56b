"""`layers { type: CONVOLUTION }` of 2014 as today's `layer { type: "Convolution" }`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffekit.errors import FormatError

TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}
SAME = ("name", "bottom", "top", "blobs", "include", "exclude", "loss_weight")
"""Fields that mean the same in both; so do all whose name ends in _param."""
TRANSFORMED = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
LIFTED = ("scale", "mean_file", "crop_size", "mirror")
"""Fields of data layers that moved into transform_param."""


def needs_lift(net: Any) -> bool:
    """Whether a data layer of `net` still has fields that moved into transform_param."""
    return any(data.HasField(field) for _, data in _data_params(net) for field in LIFTED)


def lift_transforms(net: Any) -> None:
    """Move those fields; every data layer gets a transform_param, as in Caffe."""
    for layer, data in _data_params(net):
        data.SetInParent()
        layer.transform_param.SetInParent()
        for field in LIFTED:
            if data.HasField(field):
                setattr(layer.transform_param, field, getattr(data, field))
                data.ClearField(field)


def _data_params(net: Any) -> Iterator[tuple[Any, Any]]:
    for layer in net.layers:
        if (word := _word(layer)) in TRANSFORMED:
            yield layer, getattr(layer, TRANSFORMED[word])


def _word(layer: Any) -> str:
    return str(layer.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[layer.type].name)


def upgrade_v1(net: Any, name: str) -> None:
    """Turn all `layers` of `net` into `layer`; FormatError naming `name` for mixtures."""
    if net.layer:
        raise FormatError(f"{name}: has both `layer` and `layers`", "write all of them as `layer`")
    for old in net.layers:
        _layer(old, net.layer.add())
    net.ClearField("layers")


def _layer(old: Any, new: Any) -> None:
    word = _word(old)
    for field, value in old.ListFields():
        if field.name in SAME or field.name.endswith("_param"):
            _copy(new, field, value)
    if old.HasField("type"):
        new.type = TYPES.get(word, word)
    for field, target in (("param", "name"), ("blobs_lr", "lr_mult"), ("weight_decay", "decay_mult")):
        for i, value in enumerate(getattr(old, field)):
            setattr(_spec(new, i), target, value)
    for i, mode in enumerate(old.blob_share_mode):
        _spec(new, i).share_mode = mode


def _copy(new: Any, field: Any, value: Any) -> None:
    if field.is_repeated:
        getattr(new, field.name).extend(value)
    elif field.message_type:
        getattr(new, field.name).CopyFrom(value)
    else:
        setattr(new, field.name, value)


def _spec(layer: Any, index: int) -> Any:
    while len(layer.param) <= index:
        layer.param.add()
    return layer.param[index]
