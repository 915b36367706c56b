"""The network templates: prototxt_templates/NAME.prototxt, made of the layers and blocks in parts/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from caffekit.config.shipped import shipped_folder
from caffekit.netgen.activations import ACTIVATIONS
from caffekit.netgen.catalogue import BLOCKS, TEMPLATES, Template
from caffekit.netgen.losses import Head, further_text, loss_text
from caffekit.netgen.numbers import plain, quoted
from caffekit.netgen.scope import OUTPUTS, Scope

RECORDS = {1: "data", 2: "pair_data", 3: "triplet_data"}
"""The data layer's top, by how many images a record holds."""


@dataclass(frozen=True)
class Data:
    """What a net must know of its data: LMDB paths, shape, counts, and (x - mean) * scale * factors.

    `mean_values` and `factors` have one number per channel, or none; without `test` there is no test net.
    Caffe's transform_param has one scale for all channels: `factors` become a layer of the net. `images`: how
    many a record holds, channel behind channel; 0 where nothing says so.
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
    images: int = 0


@dataclass(frozen=True)
class NetOptions:
    """What can be chosen about a template's net; None: as the template has it.

    `width` multiplies the numbers of maps; `blocks` are those of a net that is spelled out.
    """

    activation: str | None = None
    dropout: float | None = None
    crop: int | None = None
    mirror: bool = False
    depth: int | None = None
    width: float = 1.0
    drop_path: float | None = None
    loss: str | None = None
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)
    blocks: tuple[Mapping[str, Any], ...] = ()


def template_of(name: str) -> Template:
    """The row of TEMPLATES, or that of a net spelled out."""
    return BLOCKS if name == "blocks" else TEMPLATES[name]


def input_shape(data: Data, options: NetOptions, images: int = 1) -> tuple[int, int, int, int]:
    """N, C, H, W of one image as it enters the net, where a record holds `images`."""
    height, width = (options.crop, options.crop) if options.crop else (data.height, data.width)
    return 1, data.channels // images, height, width


def depth_of(template: Template, options: NetOptions) -> int:
    """The number of layers asked for, else the template's first; 0 where there is no choice."""
    return options.depth or (template.depths[0] if template.depths else 0)


def title_of(template: Template, options: NetOptions) -> str:
    """The net's name: VGG-16."""
    depth = depth_of(template, options)
    return f"{template.title}-{depth}" if depth else template.title


def train_val_text(name: str, data: Data, options: NetOptions, batch_size: int, test_batch_size: int) -> str:
    """train_val.prototxt of template `name`."""
    layers = [("TRAIN", quoted(data.train), batch_size)]
    if data.test:
        layers.append(("TEST", quoted(data.test), test_batch_size))
    return _render(
        "train_val", name, data, options, batch_size,
        data_layers=layers, transform=_transform(data, options), mirror=options.mirror,
    )  # fmt: skip


def deploy_text(name: str, data: Data, options: NetOptions) -> str:
    """deploy.prototxt of template `name`."""
    shape = input_shape(data, options, template_of(name).images)
    return _render("deploy", name, data, options, 0, shape=shape)


def _transform(data: Data, options: NetOptions) -> list[str]:
    """The lines of transform_param that both phases share. Caffe computes (x - mean_value) * scale."""
    crop = [f"crop_size: {options.crop}"] if options.crop else []
    means = [f"mean_value: {plain(value)}" for value in data.mean_values]
    scale = [f"scale: {plain(data.scale)}"] if data.scale != 1 else []
    return crop + means + scale


def _render(frame: str, name: str, data: Data, options: NetOptions, batch_size: int, **more: Any) -> str:
    environment = _environment(shipped_folder("prototxt_templates"))
    template = template_of(name)
    top = RECORDS[template.images if frame == "train_val" else 1]
    net = _scope(template, data, options, batch_size, f"{top}_std" if data.factors else top)
    file = "parts/spelled_out.prototxt" if name == "blocks" else f"{name}.prototxt"
    body = environment.get_template(file).render(net=net, blocks=options.blocks)
    ending = ""
    if net.train and template.classifier and not net.makes_scores:
        head = Head(net.last[1], data.classes, net.last[0], accuracy=data.test is not None)
        ending = loss_text(net.loss, head, **net.loss_options)
        ending += "".join(further_text(loss, head, weight) for loss, weight in net.also.items())
    factors = data.factors if batch_size else data.factors[: data.channels // template.images]
    text = environment.get_template(f"parts/{frame}.prototxt").render(
        name=title_of(template, options),
        comment=_comment(template, data, options, net),
        body=body,
        classifier=template.classifier.format(classes=data.classes),
        data_top=top,
        ending=ending,
        output=OUTPUTS.get(net.loss, "") if template.classifier else "",
        factors=[plain(value) for value in factors],
        **more,
    )
    return "".join(f"{line}\n" for line in text.splitlines() if line.strip())


@cache
def _environment(folder: Path) -> Environment:
    """Jinja's environment, which keeps what it has compiled."""
    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _scope(template: Template, data: Data, options: NetOptions, batch_size: int, entry: str) -> Scope:
    shape = input_shape(data, options, template.images)
    return Scope(
        classes=data.classes,
        activation=ACTIVATIONS[options.activation or template.activation],
        train=batch_size > 0,
        batch_size=batch_size,
        channels=shape[1],
        height=shape[2],
        width=shape[3],
        depth=depth_of(template, options),
        by=options.width,
        dropout=template.dropout if options.dropout is None else options.dropout,
        drop_path=template.drop_path if options.drop_path is None else options.drop_path,
        entry=entry,
        loss=options.loss or template.loss,
        loss_options=options.loss_options,
        also=options.also,
    )


def _comment(template: Template, data: Data, options: NetOptions, net: Scope) -> list[str]:
    """The first lines of a file: what this net is, and why its weights begin as they do."""
    images = f"{net.channels}x{net.height}x{net.width} images"
    what = f"{data.classes} classes of {images}" if template.classifier else images
    width = f", {options.width:g} times as wide" if options.width != 1 else ""
    source = f" ({template.source})" if template.source else ""
    activation = options.activation or template.activation
    return [
        f"{title_of(template, options)}{width}: {what}{source}",
        f"weight_filler {net.filler} where {activation} follows: it keeps the variance from layer to layer",
    ]
