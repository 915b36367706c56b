"""Whether what was chosen about a template's net is in its range; each refusal says the range and why."""

from __future__ import annotations

from caffekit.config.block_schema import NO_MAXOUT
from caffekit.config.problems import near
from caffekit.errors import UsageError
from caffekit.netgen.activations import ACTIVATIONS
from caffekit.netgen.catalogue import POOLED, TEMPLATES, Template
from caffekit.netgen.losses import LOSSES
from caffekit.netgen.scope import OUTPUTS
from caffekit.netgen.templates import Data, NetOptions, depth_of, template_of, title_of

LOSS_OF = {2: "contrastive", 3: "triplet"}
"""Of the templates whose records hold several images."""


def check_options(name: str, data: Data, options: NetOptions) -> list[str]:
    """A line for each choice. UsageError: an unknown name, or an option out of the template's range."""
    if name != "blocks":
        _known("net.template", name, list(TEMPLATES))
    template = template_of(name)
    activation = options.activation or template.activation
    _known("net.activation", activation, list(ACTIVATIONS))
    if activation == "maxout" and template.no_maxout:
        raise UsageError(
            f"net.activation: {name} cannot have maxout: {template.no_maxout}", "choose another one"
        )
    _check_depth(name, template, options)
    _check_width(name, template, options)
    _check_size(name, template, data, options)
    _check_records(name, template, data)
    _check_loss(name, template, options)
    _check_further(options.loss or template.loss, template, options)
    if name == "blocks":
        _check_blocks(activation, options)
    elif options.drop_path and not template.drops_paths:
        able = ", ".join(key for key, one in TEMPLATES.items() if one.drops_paths)
        raise UsageError(
            f"net.drop_path: {name} has a single path, and nothing is left without it", f"for: {able}"
        )
    dropout = f", dropout {options.dropout:g}" if options.dropout else ""
    dropout += f", drop-path {options.drop_path:g}" if options.drop_path else ""
    outputs = f"{data.classes} outputs" if template.classifier else "features to compare"
    return [f"{title_of(template, options)} with {activation}{dropout}, {outputs}"]


def _check_further(loss: str, template: Template, options: NetOptions) -> None:
    if not options.also:
        return
    if not template.classifier:
        raise UsageError("net.also: the net compares, and has no features of one image alone", "leave it out")
    if loss in options.also:
        raise UsageError(f"net.also: net.loss is {loss}, too", "name it once")
    if "hinge" in options.also and loss not in OUTPUTS:
        raise UsageError(f"net.also: hinge: {loss} has no scores to judge", "leave hinge out")


def _check_blocks(activation: str, options: NetOptions) -> None:
    if options.drop_path:
        raise UsageError("net.drop_path: blocks have their own", "give each block its drop_path")
    for number, block in enumerate(options.blocks):
        if activation == "maxout" and block["type"] in NO_MAXOUT and not block["activation"]:
            raise UsageError(
                f"net.activation: block {number + 1} ({block['type']}) cannot have maxout: it halves widths",
                "give it an activation of its own",
            )


def _known(what: str, word: str, words: list[str]) -> None:
    if word not in words:
        raise UsageError(f"{what}: no {word!r}{near(word, words)}", f"there are: {', '.join(words)}")


def _check_depth(name: str, template: Template, options: NetOptions) -> None:
    if options.depth is None or options.depth in template.depths:
        return
    if not template.depths:
        raise UsageError(
            f"net.depth: {name} has one depth", "leave net.depth out, or choose another template"
        )
    listed = ", ".join(map(str, sorted(template.depths)))
    raise UsageError(
        f"net.depth {options.depth}: {name} has {listed} layers, whose blocks fill its stages evenly",
        "choose one of them",
    )


def _check_width(name: str, template: Template, options: NetOptions) -> None:
    low, high = template.widths
    if not low <= options.width <= high:
        what = "a net of a few maps learns nothing" if options.width < low else "weights grow with its square"
        raise UsageError(
            f"net.width {options.width:g}: {name} takes {low:g} to {high:g}: {what}",
            f"give at least {low:g}, at most {high:g}",
        )


def _check_size(name: str, template: Template, data: Data, options: NetOptions) -> None:
    side = min(data.height, data.width)
    size = f"{data.width}x{data.height}"
    if options.crop and options.crop > side:
        raise UsageError(
            f"net.crop {options.crop} is larger than the images ({size})", "crop less, or resize more"
        )
    entering = options.crop or size
    low, high = template.smallest(depth_of(template, options)), template.sides[2]
    if (options.crop or side) < low:
        raise UsageError(
            f"{name} needs images of at least {low} pixels, got {entering}: of smaller ones {POOLED}",
            "choose another template, or a larger gen_lmdb.resize",
        )
    if (options.crop or max(data.height, data.width)) > high:
        why = template.too_large or "it was made for smaller ones, and would take hours for an image"
        raise UsageError(
            f"{name} takes images of at most {high} pixels, got {entering}: of larger ones {why}",
            "choose another template, or a smaller gen_lmdb.resize",
        )


def _check_loss(name: str, template: Template, options: NetOptions) -> None:
    loss = options.loss or template.loss
    _known("net.loss", loss, list(LOSSES))
    if not template.classifier and (
        options.loss not in (None, LOSS_OF[template.images]) or options.loss_options
    ):
        raise UsageError(
            f"net.loss: {name} has a loss of its own, {LOSS_OF[template.images]}", "leave net.loss out"
        )
    if options.loss_options.get("outputs", 1) != 1:
        raise UsageError(
            "net.loss_options.outputs: templates read one label an image",
            "use net.prototxt, whose second Data layer reads gen-lmdb's DB.labels.lmdb",
        )
    if template.convolves and (loss != "softmax" or options.loss_options or options.also):
        raise UsageError(
            f"net.loss: the scores of {name} come from a convolution, which only softmax takes as it is",
            "choose a template with an inner product at its end",
        )


def _check_records(name: str, template: Template, data: Data) -> None:
    held = data.images or template.images
    if held == template.images and data.channels % held == 0:
        return
    word = {1: "one image", 2: "pairs", 3: "triplets"}
    got = f"the LMDB's have {word[held]}" if data.images else f"{data.channels} channels cannot be shared out"
    raise UsageError(
        f"{name} takes records of {word[template.images]}; {got}",
        "give gen-lmdb a file of pairs or triplets (gen_lmdb.pairs), or choose another template",
    )
