"""The page about templates, docs/templates.md, made from the tables that the code reads; see scripts/docs."""

from __future__ import annotations

import inspect
from typing import Any

from caffekit.config.block_schema import KEYS, BlockSettings
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.graph import layer_costs
from caffekit.netgen import ACTIVATIONS, TEMPLATES, Data, NetOptions, generate
from caffekit.netgen.catalogue import Template
from caffekit.netgen.losses import LOSSES

HEAD = """# Nets

Written by `scripts/docs` from the tables that the code reads; do not edit.

```yaml
net: {template: resnet, depth: 20, width: 0.5, activation: prelu, drop_path: 0.2}   # a template with options
net: {blocks: [{type: conv, width: 32, norm: true}, {type: pool}, {type: fc, width: 64}]}   # spelled out
net: {prototxt: my/train_val.prototxt}   # your own: data, batch sizes and classes are filled in, comments stay
```

`caffekit gen-prototxt` writes train_val, deploy and solver prototxt; `configs/templates/` has a pipeline for each
template. What is out of its range is refused with the range and the reason.

## Templates

Weights are those of the published classes (1000 for photographs, 10 for small images, 10,572 faces), biases and
BatchNorm's factors and terms included, its running statistics not; multiply-adds are of one image. The small nets
follow Caffe's own examples; the others their publications, with the names of layers that the nets of the model zoo
have, so that published weights load. Three differences: squeezenet and nin have no activation behind the scores;
resnet 50 has no bias in conv1, which BatchNorm takes away (with `finetune: {weights: …}` it gets one where He's
weights have it); mobilenet_v2 halves the size at conv4_3, as published, where the model zoo's does at conv4_7.
"""
OPTIONS = """
## Options

| key | what it does |
|---|---|
| `depth` | one of the numbers above |
| `width` | 0.125 to 4 times the maps of every layer, rounded to multiples of 8 and never more than a tenth below |
| `crop` | the size that enters the net; without, that of the LMDB's images |
| `activation` | below; of the whole net |
| `dropout` | where the template has dropout |
| `drop_path` | resnet, preact_resnet, mobilenet_v2, fractalnet: the probability that a path is left out for an image, by stock layers: DummyData of as many ones as the batch has images, Dropout, Scale on axis 0; in training only |
| `loss`, `loss_options` | below |
| `layers` | lr_mult, decay_mult and filler of single layers, by name or pattern, also of your own net: `{"fc*": {decay_mult: 2}, conv1: {lr_mult: 0}}` |

BatchNorm is BatchNorm and Scale, with lr_mult 0 for the three blobs of statistics, in train_val and deploy alike.
Weights learn at lr_mult 1, biases at 2 and without decay. In a block, `decay_mult` and `lr_mult` say otherwise
(`solver: {regularization_type: L1}` makes the decay L1).
"""
TUNING = """
## Fine-tuning

```yaml
finetune: {weights: bvlc_reference_caffenet.caffemodel, replace: fc8, lr_mult: 10, freeze: [conv1, conv2]}
```

`gen-prototxt` holds the shapes of this net against those in the weights and says which layers load, which stand
still (`freeze`: names or patterns, lr_mult 0; BatchNorm keeps its statistics) and which start afresh: those that are
not in the weights, those of `replace`, and a classifier of other classes. What starts afresh learns `lr_mult` times
as fast; where the weights have a layer of its name, it is called LAYER_NAME (of the run), so that Caffe does not
look for it there. Weights are worth nothing to a net that sees other numbers: `scale: 1` if they were trained on
pixels less their mean, as most published ones; without it the LMDB's contract stands. Any other difference of shapes is an error before training begins. `train` loads the weights.
"""


def page() -> str:
    """docs/templates.md."""
    out = [
        HEAD,
        "| template | good for | image side | weights | multiply-adds | from |\n|---|---|---|---|---|---|",
    ]
    out += [_row(name, template) for name, template in TEMPLATES.items()]
    out.append(OPTIONS)
    out.append("## Activations\n\n| activation | layer | weight_filler |\n|---|---|---|")
    for name, one in ACTIVATIONS.items():
        layer = "Slice, Eltwise MAX (twice the maps before it)" if one.type == "Maxout" else one.type
        more = f" {one.lines[0]}" if one.lines else ""
        out.append(f"| `{name}` | {layer}{f' `{more.strip()}`' if more else ''} | {one.filler} |")
    out.append(
        "\nNot in residual and depthwise nets: maxout, which halves a width that something else must fit."
    )
    out.append("\n## Losses\n\n| loss | options | |\n|---|---|---|")
    for name, make in LOSSES.items():
        about = " ".join((inspect.getdoc(make) or "").split("\n\n")[0].split())
        out.append(f"| `{name}` | {_options(make)} | {about} |")
    out.append("\n## Blocks\n\n| type | keys |\n|---|---|")
    out += [f"| `{kind}` | {', '.join(sorted(keys)) or 'none'} |" for kind, keys in KEYS.items()]
    out.append("\n| key | default | |\n|---|---|---|")
    for key, field in BlockSettings.model_fields.items():
        default = "" if field.is_required() or field.default is None else f"`{str(field.default).lower()}`"
        out.append(f"| `{key}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(out) + "\n" + TUNING


def _row(name: str, one: Template) -> str:
    low, high = one.sides[1:]
    large = (
        f" ({one.smallest(one.photos[0])} from depth {min(one.photos)} on)" if one.photos == (121,) else ""
    )
    large = large or (f" ({', '.join(map(str, one.photos))}: from 32)" if one.photos else "")
    figures = [(depth, *_figures(name, one, depth)) for depth in one.depths or (0,)]
    weights, macs = (
        "<br>".join(f"{f'{row[0]}: ' if row[0] else ''}{row[at]}" for row in figures) for at in (1, 2)
    )
    title = f"`{name}`" + (f" {one.title}" if not one.depths else "")
    return f"| {title} | {one.good_for} | {low} … {high}{large} | {weights} | {macs} | {one.source} |"


def _figures(name: str, one: Template, depth: int) -> tuple[str, str]:
    """Weights and multiply-adds at the published size."""
    photo = depth in one.photos or one.sides[0] > 100
    side = 224 if depth in one.photos else one.sides[0]
    classes = 10572 if one.features == "fc5" else 1000 if photo else 10
    height = 112 if one.features == "fc5" else side
    channels = one.images * (1 if one.sides[0] == 28 else 3)
    options = NetOptions(depth=depth or None, loss="softmax" if one.classifier else None)
    made = generate(name, Data("t", 999, channels, height, side, classes), options)
    costs = layer_costs(parse(made.deploy, NetParameter(), name))
    weights = sum(cost.parameters for cost in costs if cost.type != "BatchNorm")
    macs = sum(cost.macs for cost in costs) / 1e6
    return f"{weights:,}", f"{macs:,.0f} M" if macs >= 10 else f"{macs:.1f} M"


def _options(make: Any) -> str:
    given = list(inspect.signature(make).parameters.values())[1:]
    return ", ".join(f"{one.name} {one.default}".strip() for one in given)
