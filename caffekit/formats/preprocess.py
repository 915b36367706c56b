"""DB.preprocess.yaml: the contract by which training, testing and deployment see a file as one tensor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from caffekit.errors import DataError, FormatError, os_errors
from caffekit.formats.atomic import write_text
from caffekit.formats.image_list import LABELS, read_labels
from caffekit.formats.images import Image, decode, resize, resize_short

HEADER = """\
# How a file becomes what the net is given: decode, resize, then (x - mean) * scale. With std_layer the net
# itself then divides by std, in a fixed Scale layer at its head.
# Training, testing, prediction and deployment all read this file. Written by caffekit gen-lmdb.
"""


ALIKE = 1e-4  # standard deviations that differ by less than this share are one (a grey set stored as BGR)


class Preprocess(BaseModel):
    """Decode (colour, EXIF), resize (size or short side, fit), then (x − mean_values) · scale."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    version: Literal[1] = 1
    channels: Literal[1, 3] = 3
    color: Literal["bgr", "gray"] = "bgr"
    images: Literal[1, 2, 3] = 1
    """Images in a record of the training set, one behind the other along the channels: pairs, triplets."""
    width: int | None = Field(default=None, ge=1)
    """Pixels; None with height None: sizes stay as they are (or follow `short`)."""
    height: int | None = Field(default=None, ge=1)
    short: int | None = Field(default=None, ge=1)
    """The shorter side is scaled to this many pixels; then width and height are None."""
    fit: Literal["squash", "crop", "pad"] = "squash"
    interpolation: Literal["linear"] = "linear"
    exif: Literal["applied"] = "applied"
    """Images are turned as their EXIF orientation says."""
    mean_values: list[float] = []
    """Mean per channel over the training set, in grey levels; [] means no mean is subtracted."""
    mean_file: str | None = None
    """The mean image, relative to this file; its per-channel means are mean_values."""
    std: list[float] = []
    """Standard deviation per channel over the training set, in grey levels."""
    scale: float = 1.0
    """The factor for all channels of a net's transform_param: 1 / std; 1 with std_layer."""
    std_layer: bool = False
    """Whether the net divides by std itself, in a Scale layer at its head that never learns."""

    @property
    def gray(self) -> bool:
        """Whether images are read with one channel."""
        return self.color == "gray"

    def read_image(self, data: bytes, on_flaw: Callable[[str], object] = lambda flaw: None) -> Image:
        """Decode an image file and resize it: uint8 HWC, what a record of the LMDB holds. BadImage."""
        return self.resize(decode(data, self.gray, on_flaw=on_flaw))

    def resize(self, image: Image) -> Image:
        """The resize rule alone."""
        if self.width and self.height:
            return resize(image, self.width, self.height, self.fit)
        return resize_short(image, self.short) if self.short else image

    def apply(self, image: Image) -> NDArray[np.float32]:
        """What the net is given of a decoded image (uint8 HWC): resized, (x − mean) · scale, float32 CHW."""
        pixels = self.resize(image).transpose(2, 0, 1).astype(np.float32)
        if self.mean_values:
            pixels -= np.array(self.mean_values, np.float32).reshape(-1, 1, 1)
        return np.ascontiguousarray(pixels * np.float32(self.scale))

    def write(self, path: Path) -> None:
        """Write the YAML file, atomically."""
        write_text(path, HEADER + yaml.safe_dump(self.model_dump(), sort_keys=False))

    @classmethod
    def read(cls, path: Path) -> Preprocess:
        """Read the YAML file. DataError when there is none, FormatError naming the first wrong key."""
        if not path.is_file():
            raise DataError(f"{path} does not exist", "gen-lmdb writes it beside the training LMDB")
        with os_errors("reading", path):
            text = path.read_text(encoding="utf-8", errors="replace")
        try:
            value = yaml.safe_load(text)
            if not isinstance(value, dict):
                raise FormatError(f"{path}: expected `key: value` lines, got {type(value).__name__}", _AGAIN)
            return cls.model_validate(value)
        except yaml.YAMLError as error:
            raise FormatError(f"{path}: not YAML: {str(error).splitlines()[0]}", _AGAIN) from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "the file"
            raise FormatError(f"{path}: {key}: {first['msg']}", _AGAIN) from error


_AGAIN = "it is written by `caffekit gen-lmdb`; make the training LMDB again"


def preprocess_path(database: Path) -> Path:
    """DB.preprocess.yaml beside the LMDB `database`."""
    return database.with_name(f"{database.name}.preprocess.yaml")


def mean_path(database: Path) -> Path:
    """DB.mean.binaryproto beside the LMDB `database`."""
    return database.with_name(f"{database.name}.mean.binaryproto")


def labels_path(database: Path) -> Path:
    """DB.labels.txt beside the LMDB `database`: line i names class i."""
    return database.with_name(f"{database.name}.labels.txt")


def class_names(database: Path) -> list[str]:
    """The classes of `database`: DB.labels.txt, else a labels.txt in its folder, else []. FormatError."""
    for path in (labels_path(database), database.with_name(LABELS)):
        if path.is_file():
            return read_labels(path)
    return []


def division_by(std: list[float]) -> dict[str, object]:
    """The contract's scale and std_layer: one factor where the channels vary alike, else a layer's task."""
    if not std or max(std) == 0:
        return {"scale": 1.0, "std_layer": False}
    if max(std) - min(std) <= ALIKE * max(std):
        return {"scale": len(std) / sum(std), "std_layer": False}
    return {"scale": 1.0, "std_layer": True}


def std_factors(std: list[float]) -> list[float]:
    """What the layer multiplies each channel by: 1 / std; 1 where nothing varies."""
    return [1.0 / value if value > 0 else 1.0 for value in std]
