"""Every setting of pipeline.yaml: one class a section, one field a key, a docstring under each.

A section has the name of its command and a key the name of that command's option with `_` for `-`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from caffekit.config.net_schema import FinetuneSettings, NetSettings
from caffekit.config.section import Section
from caffekit.config.solver_schema import SolverSettings
from caffekit.config.values import CountOrPercent, IterationsValue, SizeValue, cross_problem

LimitName = Literal["too-dark", "too-bright", "blurry", "low-information", "odd-aspect", "suspect-label"]


class DataSettings(Section):
    root: Path | None = None
    """A folder with one subfolder per class; or, with `list`, what the list's paths are relative to."""
    image_list: Path | None = Field(default=None, alias="list")
    """An image list (`path label` a line) instead of class folders; the key is `list`."""
    benchmark: list[Path] = []
    """Sets whose images must not stand in the training set."""
    work: Path = Path("build")
    """Where `run` keeps what its stages make: WORK/NAME/clean, split, …"""


class CleanSettings(Section):
    benchmark: list[Path] = []
    """As data.benchmark; both are used."""
    near_distance: int = Field(default=8, ge=0, le=16)
    """Hamming distance of 64-bit perceptual hashes up to which images are compared by pixels."""
    min_size: int = Field(default=32, ge=1)
    """Images whose shorter side has fewer pixels are too small."""
    checks: list[str] | None = None
    """Only these checks (reason names)."""
    skip: list[str] = []
    """All checks but these."""
    limits: dict[LimitName, float] = {}
    """Thresholds of quality checks (in the units of their scores) instead of those that adapt to the set."""
    labels: bool = True
    """Look for wrong labels."""
    labels_by: Literal["auto", "edges", "net"] = "auto"
    """What to judge labels by: edges of thumbnails, or small nets trained on them; auto: as the set needs."""
    features: Path | None = None
    """Judge labels by these features instead: .npz of `extract`, .npy, HDF5 or LMDB, a row per image."""
    max_rejected: CountOrPercent | None = None
    """More rejected images than this (a count, or a percentage of all) end in exit 4."""
    mode: Literal["list", "copy", "link"] = "list"
    """Only write lists, or also copy or hard-link the kept images."""


class SplitSettings(Section):
    val: float = Field(default=0.1, ge=0, lt=1)
    """Share of the validation list."""
    test: float = Field(default=0.0, ge=0, lt=1)
    """Share of the test list."""
    group_by: str | list[str] | None = None
    """What must stay on one side: duplicates, folder, regex:PATTERN, csv:FILE, column:NAME, or several."""
    folds: int | None = Field(default=None, ge=2)
    """K folds instead of a validation list; `test` is set aside first."""


class BalanceSettings(Section):
    method: Literal["oversample", "jitter", "undersample", "hybrid"] | None = None
    """None: the classes stay as they are."""
    target: Literal["max", "min", "median", "mean"] | int = "max"
    """Images per class afterwards."""
    max_repeat: int | None = Field(default=None, ge=1)
    """No image is used more often than this."""
    features: Path | None = None
    """An .npz of `extract`: undersample and hybrid then keep hard and varied images, not random ones."""
    held_out: list[Path] = []
    """Validation and test lists, besides those beside the list, that may share no image with it."""


class AugmentSettings(Section):
    copies: int = Field(default=0, ge=0)
    """Changed copies per image; 0 leaves the set as it is."""
    crop: tuple[float, float] | None = None
    """Side of a random crop as a share of the image, from … to."""
    scale: tuple[float, float] | None = None
    """Random zoom, from … to."""
    rotate: float | None = Field(default=None, ge=0, le=180)
    """Random rotation up to this many degrees either way."""
    shear: float | None = Field(default=None, ge=0, le=60)
    """Random slant up to this many degrees either way."""
    border: Literal["edge", "reflect", "mean"] = "edge"
    """What fills what comes in from outside: the edge repeated, the image mirrored (shows things twice), or
    its mean colour."""
    flip: bool = False
    """Mirror every second image."""
    color: float | None = Field(default=None, ge=0, le=1)
    """Random brightness, contrast and saturation up to this share."""
    noise: float | None = Field(default=None, ge=0)
    """Standard deviation of Gaussian noise, in grey levels."""
    blur: float | None = Field(default=None, ge=0)
    """Largest sigma of a Gaussian blur, in pixels."""
    erase: float | None = Field(default=None, ge=0, le=1)
    """Probability of a random erased rectangle."""
    jpeg: tuple[float, float] | None = None
    """Artefacts of a JPEG file of random quality, from … to."""
    encode: Literal["png", "jpg"] = "png"
    """Format of the copies: png keeps every pixel; jpg (quality 95) is written several times as fast."""

    @model_validator(mode="after")
    def _ranges(self) -> AugmentSettings:
        for key, most in (("crop", 1.0), ("scale", 10.0), ("jpeg", 100.0)):
            span = getattr(self, key)
            if span is not None and not 0 < span[0] <= span[1] <= most:
                got = f"{span[0]:g},{span[1]:g}"
                raise cross_problem(key, f"expected FROM,TO with 0 < FROM <= TO <= {most:g}, got {got}")
        return self


class GenLmdbSettings(Section):
    resize: SizeValue | None = None
    """WxH in pixels; None keeps the sizes, which must then be equal."""
    resize_short: int | None = Field(default=None, ge=1)
    """Scale the shorter side to this many pixels instead."""
    fit: Literal["squash", "crop", "pad"] = "squash"
    """How an image of another aspect becomes WxH."""
    encode: Literal["raw", "jpg", "png"] = "raw"
    """Raw pixels, or compressed records."""
    quality: int = Field(default=95, ge=1, le=100)
    """JPEG quality."""
    gray: bool = False
    """One channel instead of three."""
    shuffle: bool = True
    """Write in an order shuffled by the seed: Caffe's Data layer reads in key order."""
    mean: bool = True
    """Compute mean and standard deviation and write the preprocessing contract."""
    preprocess: Path | None = None
    """The training set's contract: its size and colour rules are followed and no mean is computed."""
    pairs: Path | None = None
    """Pairs or triplets of images, one record each. In a pipeline each list takes those of its own images."""
    label_store: Literal["lmdb", "hdf5"] = "lmdb"
    """Where a CSV's several or float labels go: a second LMDB, DB.labels.lmdb, or DB.labels.h5."""
    verify: bool = True
    """Look through files whose own bytes become records; false where `clean` has done so."""
    max_rejected: CountOrPercent | None = None
    """Unreadable images allowed before exit 4. Default: none."""

    @model_validator(mode="after")
    def _together(self) -> GenLmdbSettings:
        if self.resize is not None and self.resize_short is not None:
            raise cross_problem("resize_short", "gen_lmdb.resize is given too; give one of the two")
        if self.pairs is not None and self.encode != "raw":
            raise cross_problem("encode", "gen_lmdb.pairs is given too: two images make no file; give raw")
        return self


class SnapshotSettings(Section):
    every: IterationsValue | None = None
    """Iterations, a percentage of max_iter or epochs between snapshots; None: solver.snapshot."""
    keep_last: int = Field(default=3, ge=1)
    """Newest snapshots that stay."""
    keep_best: int = Field(default=1, ge=0)
    """Best snapshots (by the early-stop metric) that stay."""


class EarlyStopSettings(Section):
    metric: str = "accuracy"
    """A test output's name."""
    patience: int | None = Field(default=None, ge=1)
    """Tests without improvement until training stops; None: never."""


class TrainSettings(Section):
    engine: Literal["embedded", "bvlc"] = "embedded"
    """Our own pycaffe on PyTorch, or real BVLC Caffe."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of the embedded engine's products; bf16 is quicker where the hardware has instructions for it."""
    compile: bool = False
    """Convolve by kernels that the embedded engine compiles for this CPU on first use, with g++ or clang:
    quicker, and within some 1e-5 of Caffe's numbers."""
    gpu: int | list[int] | Literal["auto", "all", "none"] = "auto"
    """auto: the first GPU where there is one, else the CPU; none: the CPU; several train together."""
    weights: list[Path] = []
    """Models to start from."""
    augment: bool = False
    """Change the training images anew each time they are read, as the section augment says."""
    snapshots: SnapshotSettings = SnapshotSettings()
    early_stop: EarlyStopSettings = EarlyStopSettings()
    max_hours: float | None = Field(default=None, gt=0)
    """Pause (exit 9) after this time, resumable."""
    runs: Path = Path("runs")
    """Where run directories stand: RUNS/NAME."""


class GuardSettings(Section):
    on_divergence: Literal["auto", "lower_lr", "clip", "stop", "ignore"] = "auto"
    """auto: the remedy that fits the cause."""
    max_attempts: int = Field(default=5, ge=1)
    """Attempts in all, the first included."""
    min_lr: float = Field(default=1.0e-6, gt=0)
    """Never lower base_lr below this."""


class EvaluateSettings(Section):
    source: Path | None = None
    """The set to evaluate on. Default: the test split, else the validation split."""
    top: list[int] = [1, 5]
    """Top-k accuracies to report."""


class PromoteSettings(Section):
    to: Path | None = None
    """Folder of the model in production."""
    min: dict[str, float] = {}
    """Least values of metrics."""
    margin: float = Field(default=0.0, ge=0)
    """How much worse than the present model is still allowed."""


class Settings(Section):
    version: Literal[1] = 1
    """Version of this file's format."""
    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run: runs/NAME/."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything random."""
    extends: Path | None = None
    """A file that this one is merged over."""
    data: DataSettings = DataSettings()
    clean: CleanSettings = CleanSettings()
    split: SplitSettings = SplitSettings()
    balance: BalanceSettings = BalanceSettings()
    augment: AugmentSettings = AugmentSettings()
    gen_lmdb: GenLmdbSettings = GenLmdbSettings()
    net: NetSettings = NetSettings()
    solver: SolverSettings = SolverSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    train: TrainSettings = TrainSettings()
    guard: GuardSettings = GuardSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    promote: PromoteSettings = PromoteSettings()
