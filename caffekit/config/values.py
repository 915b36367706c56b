"""The small value types of pipeline.yaml: "32x32", "33%", "1 epoch"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Size:
    """Width and height in pixels; written "WxH"."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Percent:
    """A share in per cent, of what the key's documentation says; written "33%"."""

    value: float

    def of(self, total: int) -> int:
        """The rounded share of `total`, at least 1."""
        return max(1, round(total * self.value / 100))

    def __str__(self) -> str:
        return f"{self.value:g}%"


@dataclass(frozen=True)
class Epochs:
    """A number of passes over the training set; written "1 epoch" or "2.5 epochs"."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g} epoch{'' if self.value == 1 else 's'}"


def cross_problem(key: str, text: str) -> PydanticCustomError:
    """The error of a rule across keys: it is reported at `key`."""
    return PydanticCustomError("cross", "{text}", {"key": key, "text": text})


def _size(value: Any) -> Any:
    if isinstance(value, Size):
        return value
    match = re.fullmatch(r"(\d+)x(\d+)", str(value))
    if not match or not all(int(side) for side in match.groups()):
        raise ValueError("expected WIDTHxHEIGHT in pixels, such as 32x32")
    return Size(*map(int, match.groups()))


def _percent(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value) if isinstance(value, str) else None
    if not match:
        return value
    share = float(match[1])
    if not 0 < share <= 100:
        raise ValueError("expected a percentage above 0 and up to 100")
    return Percent(share)


def _epochs(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*epochs?", value) if isinstance(value, str) else None
    return Epochs(float(match[1])) if match else _percent(value)


_text = PlainSerializer(str, return_type=str)
_text_or_number = PlainSerializer(lambda v: v if isinstance(v, (int, float)) else str(v))

SizeValue = Annotated[Size, BeforeValidator(_size), _text]
# An integer count, or a percentage of what the key's documentation says.
CountOrPercent = Annotated[int | Percent, BeforeValidator(_percent), _text_or_number]
# Iterations, a percentage of max_iter, or epochs.
IterationsValue = Annotated[int | Percent | Epochs, BeforeValidator(_epochs), _text_or_number]
