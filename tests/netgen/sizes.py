"""Data that fits a template, small, so that tests are quick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from caffekit.netgen import TEMPLATES, Data


def fitting(name: str, depth: int | None = None, **changes: Any) -> Data:
    """The smallest images that `name` takes: 5 classes, a test set, records of as many images as it wants."""
    template = TEMPLATES[name]
    side = template.smallest(depth or 0)
    return replace(
        Data("train", 100, 3 * template.images, side, side, 5, "test", 20, images=template.images), **changes
    )
