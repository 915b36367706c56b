"""The network templates: prototxt_templates/NAME.prototxt, made of the layers in parts/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from caffekit.config.problems import near
from caffekit.config.shipped import shipped_folder
from caffekit.errors import UsageError
from caffekit.netgen.activations import ACTIVATIONS
from caffekit.netgen.numbers import plain, quoted

STD_LAYER = "data_std"  # and the name of its top


class Template(NamedTuple):
    """title: the net's name; side: the smallest image side its layers leave something of."""

    title: str
    side: int
    classifier: str = "ip2"


TEMPLATES = {
    "cifar10_quick": Template("CIFAR10_quick", side=8),
    "lenet": Template("LeNet", side=16),
}


@dataclass(frozen=True)
class Data:
    """What a net must know of its data: LMDB paths, shape, counts, and (x - mean) * scale * factors.

    `mean_values` and `factors` have one number per channel, or none; without `test` there is no test net.
    Caffe's transform_param has one scale for all channels: `factors` become a layer of the net.
    """

    train: str
    train_images: int
    channels: int
    height: int
    width: int
    classes: int
    test: str | None = None
    test_images: int = 0
    mean_values: tuple[float, ...] = ()
    scale: float = 1.0
    factors: tuple[float, ...] = ()


@dataclass(frozen=True)
class NetOptions:
    """What can be chosen about a template's net."""

    activation: str = "relu"
    dropout: float | None = None
    crop: int | None = None
    mirror: bool = False


def check_options(name: str, data: Data, options: NetOptions) -> list[str]:
    """A line for each choice. UsageError: unknown names, images too small for the template or the crop."""
    for what, word, table in (
        ("net.template", name, TEMPLATES),
        ("net.activation", options.activation, ACTIVATIONS),
    ):
        if word not in table:
            raise UsageError(f"{what}: no {word!r}{near(word, table)}", f"there are: {', '.join(table)}")
    side = min(data.height, data.width)
    size = f"{data.width}x{data.height}"
    if options.crop and options.crop > side:
        raise UsageError(
            f"net.crop {options.crop} is larger than the images ({size})", "crop less, or resize more"
        )
    if (options.crop or side) < TEMPLATES[name].side:
        raise UsageError(
            f"{name} needs images of at least {TEMPLATES[name].side} pixels, got {options.crop or size}",
            "choose another template, or a larger gen_lmdb.resize",
        )
    dropout = f", dropout {options.dropout:g}" if options.dropout else ""
    return [f"{TEMPLATES[name].title} with {options.activation}{dropout}, {data.classes} outputs"]


def input_shape(data: Data, options: NetOptions) -> tuple[int, int, int, int]:
    """N, C, H, W of one image as it enters the net."""
    if options.crop:
        return 1, data.channels, options.crop, options.crop
    return 1, data.channels, data.height, data.width


def train_val_text(name: str, data: Data, options: NetOptions, batch_size: int, test_batch_size: int) -> str:
    """train_val.prototxt of template `name`."""
    layers = [("TRAIN", quoted(data.train), batch_size)]
    if data.test:
        layers.append(("TEST", quoted(data.test), test_batch_size))
    return _render(
        "train_val", name, data, options,
        data_layers=layers, transform=_transform(data, options), mirror=options.mirror,
    )  # fmt: skip


def deploy_text(name: str, data: Data, options: NetOptions) -> str:
    """deploy.prototxt of template `name`."""
    return _render("deploy", name, data, options, shape=input_shape(data, options))


def _transform(data: Data, options: NetOptions) -> list[str]:
    """The lines of transform_param that both phases share. Caffe computes (x - mean_value) * scale."""
    crop = [f"crop_size: {options.crop}"] if options.crop else []
    means = [f"mean_value: {plain(value)}" for value in data.mean_values]
    scale = [f"scale: {plain(data.scale)}"] if data.scale != 1 else []
    return crop + means + scale


def _render(frame: str, name: str, data: Data, options: NetOptions, **more: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(shipped_folder("prototxt_templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = TEMPLATES[name]
    activation = ACTIVATIONS[options.activation]
    net = {
        "activation": activation,
        "filler": activation.filler,
        "classes": data.classes,
        "dropout": plain(options.dropout) if options.dropout else "",
        "entry": STD_LAYER if data.factors else "data",
    }
    body = environment.get_template(f"{name}.prototxt").render(net=net)
    _, channels, height, width = input_shape(data, options)
    comment = f"{template.title}: {data.classes} classes of {channels}x{height}x{width} images"
    return environment.get_template(f"parts/{frame}.prototxt").render(
        name=template.title,
        comment=comment,
        body=body,
        classifier=template.classifier,
        std_layer=STD_LAYER,
        factors=[plain(value) for value in data.factors],
        **more,
    )
