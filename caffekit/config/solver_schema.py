"""The `solver:` section: Caffe's SolverParameter by its own names, and what makes it comfortable."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from caffekit.config.values import IterationsValue

SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
LR_POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")


class SolverSettings(BaseModel):
    """`epochs` or `max_iter`, not both; percentages are of max_iter."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    type: Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"] = "SGD"
    base_lr: float = Field(0.01, ge=0)
    lr_policy: Literal["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"] = "step"
    gamma: float = 0.1
    power: float = 0.75
    stepsize: IterationsValue | None = None
    """Default with lr_policy step: 33%."""
    stepvalue: list[IterationsValue] = []
    epochs: float | None = Field(None, gt=0)
    """Passes over the training set; becomes max_iter."""
    max_iter: int | None = Field(None, ge=0)
    batch_size: int = Field(64, ge=1)
    """Of the training data layer."""
    test_batch_size: int | None = Field(None, ge=1)
    """Of the test data layer. Default: one that divides the validation set well."""
    iter_size: int = Field(1, ge=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    momentum2: float = Field(0.999, ge=0, lt=1)
    rms_decay: float | None = Field(None, ge=0, lt=1)
    delta: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0005, ge=0)
    regularization_type: Literal["L1", "L2"] = "L2"
    clip_gradients: float | None = Field(None, gt=0)
    display: int | None = Field(None, ge=0)
    """Iterations between log lines. Default: about 100 lines a training, at most every 100 iterations."""
    average_loss: int = Field(1, ge=1)
    test_interval: IterationsValue | None = None
    """Default: one epoch."""
    test_iter: int | None = Field(None, ge=1)
    """Default: the batches that cover the validation set once."""
    test_initialization: bool = True
    test_compute_loss: bool = False
    snapshot: IterationsValue | None = None
    """Default: one epoch."""
    snapshot_format: Literal["BINARYPROTO", "HDF5"] = "BINARYPROTO"
    snapshot_diff: bool = False
    snapshot_after_train: bool = True
    debug_info: bool = False
    random_seed: int | None = Field(None, ge=0)
    """Default: the pipeline's seed."""
