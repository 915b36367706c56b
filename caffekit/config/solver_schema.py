"""The `solver:` section: Caffe's SolverParameter by its own names, and what makes it comfortable."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from caffekit.config.values import IterationsValue, cross_problem

SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
LR_POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")


class SolverSettings(BaseModel):
    """`epochs` or `max_iter`, not both; percentages are of max_iter."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    type: Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"] = "SGD"
    """The update rule."""
    base_lr: float | None = Field(default=None, ge=0)
    """Default: 0.01; 0.001 with Adam and RMSProp, 1 with AdaDelta."""
    lr_policy: Literal["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"] = "step"
    """How the learning rate changes; sigmoid rises, as a warm-up."""
    gamma: float | None = None
    """Default: 0.1 (step, multistep), 0.0001 (inv), a thousandfold fall in all (exp)."""
    power: float | None = None
    """Default: 0.75 (inv), 1 (poly)."""
    stepsize: IterationsValue | None = None
    """Default: 33% (step), 5% (sigmoid)."""
    stepvalue: list[IterationsValue] = []
    """The steps of lr_policy multistep, such as [50%, 75%]."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the training set; becomes max_iter. Default without max_iter: 30."""
    max_iter: int | None = Field(default=None, ge=0)
    """Iterations in all."""
    batch_size: int = Field(default=64, ge=1)
    """Of the training data layer."""
    test_batch_size: int | None = Field(default=None, ge=1)
    """Of the test data layer. Default: one that divides the validation set well."""
    iter_size: int = Field(default=1, ge=1)
    """Batches whose gradients are added up for one update."""
    momentum: float | None = Field(default=None, ge=0, lt=1)
    """Default: 0.9; 0.95 with AdaDelta, 0 with AdaGrad and RMSProp, which take no other."""
    momentum2: float = Field(default=0.999, ge=0, lt=1)
    """Adam's second momentum."""
    rms_decay: float | None = Field(default=None, ge=0, lt=1)
    """Of RMSProp. Default: 0.99."""
    delta: float = Field(default=1e-8, gt=0)
    """Keeps AdaGrad, RMSProp, AdaDelta and Adam from dividing by zero."""
    weight_decay: float = Field(default=0.0005, ge=0)
    """Strength of the regularization."""
    regularization_type: Literal["L1", "L2"] = "L2"
    """Of weight_decay."""
    clip_gradients: float | None = Field(default=None, gt=0)
    """Largest L2 norm of all gradients together. Default: no limit."""
    display: int | None = Field(default=None, ge=0)
    """Iterations between log lines. Default: about 100 lines a training, at most every 100 iterations."""
    average_loss: int = Field(default=1, ge=1)
    """Iterations over which the displayed loss is averaged."""
    test_interval: IterationsValue | None = None
    """Default: one epoch."""
    test_iter: int | None = Field(default=None, ge=1)
    """Default: the batches that cover the validation set once."""
    test_initialization: bool = True
    """Test before the first iteration."""
    test_compute_loss: bool = False
    """Print the total test loss too."""
    snapshot: IterationsValue | None = None
    """Default: one epoch."""
    snapshot_format: Literal["BINARYPROTO", "HDF5"] = "BINARYPROTO"
    """HDF5 writes .h5 files."""
    snapshot_diff: bool = False
    """Keep gradients in snapshots."""
    snapshot_after_train: bool = True
    """Snapshot at the end, too."""
    debug_info: bool = False
    """Print the mean size of every blob and gradient."""
    random_seed: int | None = Field(default=None, ge=0)
    """Default: the pipeline's seed."""

    @model_validator(mode="after")
    def _together(self) -> SolverSettings:
        """What Caffe finds out late, at the first update, or never."""
        if self.epochs is not None and self.max_iter is not None:
            raise cross_problem("max_iter", "solver.epochs is given too; give one of the two")
        if self.lr_policy == "multistep" and not self.stepvalue:
            raise cross_problem("lr_policy", "multistep needs stepvalue, such as stepvalue: [50%, 75%]")
        if self.type in ("AdaGrad", "RMSProp") and self.momentum:
            raise cross_problem("momentum", f"{self.type} takes no momentum; leave it out")
        if self.lr_policy == "sigmoid" and (self.gamma or 0) < 0:
            raise cross_problem("gamma", "expected a number of at least 0 with lr_policy sigmoid")
        return self
