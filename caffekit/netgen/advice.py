"""Which net, loss, input and schedule suit a set of images: each choice with its reason.

The figures are where published work on sets of such sizes stands: LeNet and cifar10_quick of Caffe's
examples, ResNet-20 … 56 on 50,000 images of 32 pixels, ResNet-18 … 50 on a million of 224 (He et al. 2015),
SqueezeNet (Iandola et al. 2016), batch and learning rate in proportion (Goyal et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

SIDES = (32, 64, 96, 224)
FEW = 5_000
ITERATIONS = 20_000  # updates that the small nets' published schedules take, roughly
BATCHES = (256, 128, 64, 32, 16, 8, 4, 2, 1)
NORMALISED = {"resnet", "vgg_narrow", "squeezenet"}


@dataclass(frozen=True)
class Facts:
    """What is known of a set: `smallest` and `largest` count the images of a class, `side` is in pixels."""

    images: int
    classes: int
    smallest: int
    largest: int
    side: int
    gray: bool
    task: str = "classify"


class Choice(NamedTuple):
    """`value` for the setting at `path` of pipeline.yaml, and why."""

    path: str
    value: Any
    why: str


class Net(NamedTuple):
    """A template with its depth (0: it has one), why, and the base_lr published for a batch."""

    template: str
    depth: int
    why: str
    base_lr: float = 0.01
    batch: int = 64


def net_for(facts: Facts, side: int) -> Net:
    """The template for images of `side` pixels."""
    many = facts.images
    if facts.task == "verify":
        return _face_net(facts)
    if side == 32 and facts.gray and many < 4 * FEW:
        return Net("lenet", 0, f"{many} small grey images: simple and shallow, trained in minutes")
    if many < FEW:
        if side == 32:
            return Net(
                "cifar10_quick", 0, f"{many} small images are few: three convolutions, no more", 0.001, 100
            )
        return Net("vgg_narrow", 0, f"{many} images are few: a narrow net has less to learn by heart", 0.01)
    if side <= 96 and many < 100_000:
        depth = 20 if many < 30_000 else 32
        return Net(
            "resnet", depth, f"{many} images carry {depth} layers with 0.3 to 0.5 million weights", 0.1, 128
        )
    if side <= 96:
        return Net("resnet", 56 if side == 32 else 18, f"{many} images carry a deep residual net", 0.1, 128)
    if many < 4 * FEW:
        return Net(
            "squeezenet",
            0,
            f"{many} photographs are few for a large net; this one has 1.2 million weights",
            0.01,
            128,
        )
    depth = 18 if many < 200_000 else 34 if many < 1_000_000 else 50
    return Net("resnet", depth, f"{many} photographs carry a residual net of {depth} layers", 0.1, 256)


def _face_net(facts: Facts) -> Net:
    if facts.images < 40 * FEW:
        why = (
            "center loss brings a person's features together directly, and is cheaper than triplets, of which"
        )
        return Net("center_face", 0, f"{why} {facts.images} images make far too many to try", 0.1, 256)
    why = "A-Softmax separates persons by angles; it needs many of them, as there are here"
    return Net("sphereface", 0, why, 0.1, 256)


def side_for(facts: Facts) -> Choice:
    """The side that images are brought to: one that halves cleanly, none larger than the images are."""
    side = max(side for side in SIDES if side <= max(1.1 * facts.side, SIDES[0]))
    why = f"half of the images have {facts.side} pixels or more; {side} halves cleanly"
    if facts.task == "verify":
        return Choice("gen_lmdb.resize", "96x112", "the size that aligned faces are published at")
    if side > 96 and facts.images < FEW:
        side, why = 96, f"of {facts.images} images, finer details would be learned by heart"
    return Choice("gen_lmdb.resize", f"{side}x{side}", why)


def batch_for(facts: Facts, net: Net, fits: int) -> tuple[int, int, str]:
    """batch_size, iter_size and why; `fits` is how many images the memory has room for."""
    wanted = next(size for size in BATCHES if size <= max(1, min(net.batch, facts.images // 20)))
    batch = next((size for size in BATCHES if size <= min(wanted, fits)), 1)
    many = -(-wanted // batch)
    if many > 1:
        return (
            batch,
            many,
            f"{wanted} images an update as published, {batch} at a time: more does not fit the memory",
        )
    why = "as published" if wanted == net.batch else "at least 20 updates for a pass over the images"
    return batch, 1, why


def schedule_for(facts: Facts, net: Net, batch: int) -> list[Choice]:
    """Learning rate and length of the training, for `batch` images an update."""
    rate = float(f"{net.base_lr * min(1, batch / net.batch):.2g}")
    why = f"published {net.base_lr:g} for {net.batch} images an update"
    epochs = min(100, max(10, round(ITERATIONS * batch / facts.images)))
    out = [Choice("solver.base_lr", rate, why + ("" if batch == net.batch else ", in proportion"))]
    out.append(Choice("solver.epochs", epochs, f"about {epochs * facts.images // batch} updates"))
    if net.template in NORMALISED:
        out.append(Choice("solver.lr_policy", "multistep", "large steps for long, then two times finer"))
        out.append(Choice("solver.stepvalue", ["50%", "75%"], "as residual nets are trained"))
    else:
        out.append(Choice("solver.lr_policy", "step", "a tenth of the rate after each third"))
        out.append(Choice("solver.stepsize", "33%", "three stages"))
    return out


def data_for(facts: Facts) -> list[Choice]:
    """Balance, augmentation, the validation share, and when to stop."""
    out = [
        Choice("split.val", 0.1, "enough to tell when to stop"),
        Choice("split.group_by", "duplicates", "no copy on both sides"),
    ]
    ratio = facts.largest / max(1, facts.smallest)
    if ratio > 2:
        method, why = ("hybrid", "repeats and drops") if ratio > 10 else ("jitter", "changed copies")
        target = "median" if ratio > 10 else "max"
        out.append(
            Choice(
                "balance.method",
                method,
                f"the largest class has {ratio:.1f} times the smallest's images: {why}",
            )
        )
        out.append(Choice("balance.target", target, "images per class afterwards"))
    few = facts.images < 10 * FEW
    if few:
        out.append(
            Choice(
                "train.augment",
                True,
                f"{facts.images} images: changed ones at every pass are the cheapest data",
            )
        )
        out.append(Choice("augment.crop", [0.85, 1.0], "things stand elsewhere and larger"))
        out.append(Choice("augment.rotate", 10, "nobody holds the camera straight"))
    if not facts.gray:
        out.append(
            Choice(
                "augment.flip" if few else "net.mirror",
                True,
                "photographs may be mirrored; take it out for text and signs",
            )
        )
        if few:
            out.append(Choice("augment.color", 0.2, "light changes"))
    out.append(
        Choice("train.early_stop.patience", 10, "tests without improvement: then it only learns by heart")
    )
    return out


def loss_for(facts: Facts, net: Net) -> list[Choice]:
    """Activation and loss."""
    relu = Choice("net.activation", "relu", "the quickest that does not saturate; leaky_relu where units die")
    if facts.task == "verify":
        return [relu._replace(value="prelu", why="as the face nets are published")]
    softmax = (
        "softmax gives probabilities of the classes directly; losses on distances are for unseen classes"
    )
    return [relu, Choice("net.loss", "softmax", softmax)]
