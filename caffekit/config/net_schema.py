"""The sections `net:` and `finetune:`: which net, how it is changed, and whose weights it begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from caffekit.config.block_schema import ActivationName, BlockSettings
from caffekit.config.section import Section
from caffekit.config.shipped import shipped_names
from caffekit.config.values import cross_problem


def _template(name: str) -> str:
    known = [file.removesuffix(".prototxt") for file in shipped_names("prototxt_templates")]
    if name not in known:
        raise PydanticCustomError("choice", "not a template", {"words": known})
    return name


TemplateName = Annotated[str, AfterValidator(_template)]
LossName = Literal[
    "softmax", "contrastive", "triplet", "center", "a_softmax", "am_softmax", "euclidean",
    "sigmoid_cross_entropy", "hinge",
]  # fmt: skip


class LayerSettings(Section):
    lr_mult: float | None = Field(default=None, ge=0)
    """Times the learning rates that the layer has; 0 freezes it."""
    decay_mult: float | None = Field(default=None, ge=0)
    """Times the decay that the layer has (L2, or L1 by solver.regularization_type)."""
    filler: Literal["xavier", "msra"] | None = None
    """weight_filler of the layer."""


class NetSettings(Section):
    template: TemplateName | None = None
    """A template's name. Default without `prototxt`: lenet for grey images, cifar10_quick for colour."""
    prototxt: Path | None = None
    """The user's own train_val.prototxt: data paths, batch sizes, num_output of the classifier, and mean
    and scale where it has none, are filled in."""
    blocks: list[BlockSettings] = []
    """A net spelled out, such as [{type: conv, width: 32}, {type: pool}, {type: fc, width: 64}]; the
    classifier follows by itself. Blocks, their keys and defaults: docs/templates.md."""
    activation: ActivationName | None = None
    """For the whole net, where it is made of a template or of blocks. None: as the template has it."""
    depth: int | None = Field(default=None, ge=1)
    """Number of layers, where a template has several depths: resnet has 20, 32, 44, 56, 110, 18, 34, 50."""
    width: float = Field(default=1.0, gt=0)
    """Multiplies the numbers of maps, rounded to multiples of 8."""
    loss: LossName | None = None
    """The loss. None: as the template has it, mostly softmax."""
    loss_options: dict[str, int | float | str] = {}
    """What the loss can be told, such as {margin: 0.35, scale: 30} for am_softmax; docs/templates.md."""
    also: dict[Literal["center", "hinge", "triplet"], float] = {}
    """Further losses beside `loss`, each with its loss_weight, such as {center: 0.003}."""
    class_weights: Literal["balanced"] | list[float] | None = None
    """How much the classes count in softmax's loss: a number each, or balanced: all the same in sum."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """This share of each label goes to all classes alike, so that scores stay modest; 0.1 is usual."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout ratio where the template has dropout, mostly before the classifier. None: as it has it."""
    drop_path: float | None = Field(default=None, ge=0, lt=1)
    """Probability that a path is left out for an image, in nets of several paths; in resnets that of the last
    block, the ones before it grow towards it. None: as the template has it."""
    layers: dict[str, LayerSettings] = {}
    """lr_mult, decay_mult and filler of layers by name or pattern, such as {"fc*": {decay_mult: 2}}."""
    crop: int | None = Field(default=None, ge=1)
    """crop_size of the data layers, in pixels."""
    mirror: bool = False
    """Mirror at random while training."""

    @model_validator(mode="after")
    def _together(self) -> NetSettings:
        if self.template is not None and self.prototxt is not None:
            raise cross_problem("prototxt", "net.template is given too; give one of the two")
        if self.blocks and (self.template is not None or self.prototxt is not None):
            other = "template" if self.template is not None else "prototxt"
            raise cross_problem("blocks", f"net.{other} is given too; give one of the two")
        return self


class FinetuneSettings(Section):
    weights: Path | None = None
    """A .caffemodel to begin with: layers of the same name and shape load."""
    replace: str | list[str] = []
    """Layers that start afresh, as LAYER_NAME (of the run); classifiers of another shape do so unasked."""
    lr_mult: float = Field(default=10.0, ge=0)
    """How much faster than the others the layers that start afresh learn."""
    scale: float | None = Field(default=None, gt=0)
    """What the weights were trained on: (pixels less the mean) times this; 1 for most published models.
    None: as the LMDB's contract has it, right for models that were trained on such an LMDB."""
    freeze: str | list[str] = []
    """Layers that stand still, by name or pattern such as conv*."""
