"""WindowData's window file: images and their windows with class and overlap, as R-CNN writes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from caffekit.errors import os_errors
from caffekit.pycaffe.log import log

T = TypeVar("T")


class Window(NamedTuple):
    """One window of image number `image`: corners x1, y1, x2, y2 (inclusive) and its line in the file."""

    image: int
    label: int
    box: tuple[int, int, int, int]
    line: int


class Windows(NamedTuple):
    """The images' paths and the foreground's and background's windows."""

    images: list[str]
    foreground: list[Window]
    background: list[Window]


def read_windows(source: str, root: str, foreground: float, background: float) -> Windows:
    """Read a window file; a window is foreground from overlap `foreground` on, background below `background`.

    Of each image: `# INDEX`, path, channels, height, width, number of windows, and a line
    `CLASS OVERLAP X1 Y1 X2 Y2` per window. ValueError naming FILE:LINE for anything else.
    """
    with os_errors("Failed to open window file", source):
        words = _Words(source, os.fsdecode(Path(source).read_bytes()))
    windows = Windows([], [], [])
    counts = {0: 0}
    if words.ended():
        raise ValueError(f"{source}: Window file is empty")
    while not words.ended():
        _read_image(words, windows, root, np.float32(foreground), np.float32(background), counts)
    log("window_data_layer.cpp:157", f"Number of images: {len(windows.images)}")
    for label in sorted(counts):
        log("window_data_layer.cpp:161", f"class {label} has {counts[label]} samples")
    for what, found in (("foreground", windows.foreground), ("background", windows.background)):
        if not found:
            raise ValueError(f"{source}: no {what} windows in it; see fg_threshold and bg_threshold")
    return windows


def _read_image(
    words: _Words,
    windows: Windows,
    root: str,
    fg_threshold: np.float32,
    bg_threshold: np.float32,
    counts: dict[int, int],
) -> None:
    index = len(windows.images)
    if words.next(str, "#") != "#" or words.next(int, "the image's number") != index:
        raise words.error(f"`# {index}`")
    path = root + words.next(str, "the image's path")
    if words.next(int, "channels") != 3:
        raise words.error("3 channels (images are read in colour)")
    height, width = words.next(int, "height"), words.next(int, "width")
    windows.images.append(path)
    number = words.next(int, "the number of windows")
    for _ in range(number):
        label, overlap = words.next(int, "a class"), np.float32(words.next(float, "an overlap"))
        x1, y1, x2, y2 = (words.next(int, what) for what in ("x1", "y1", "x2", "y2"))
        box, line = (x1, y1, x2, y2), words.line
        if overlap >= fg_threshold:
            if label <= 0:
                raise words.error("a class above 0 for a foreground window", str(label))
            windows.foreground.append(Window(index, label, box, line))
            counts[label] = counts.get(label, 0) + 1
        elif overlap < bg_threshold:
            windows.background.append(Window(index, 0, box, line))
            counts[0] += 1
    if index % 100 == 0:
        size = f"3 {height} {width}"
        log("window_data_layer.cpp:148", f"num: {index} {path} {size} windows to process: {number}")


class _Words:
    """The words of a text, with the line of the last one taken."""

    def __init__(self, source: str, text: str) -> None:
        self.source, self.line, self.word = source, 1, ""
        self._words = self._split(text)
        self._peeked: list[tuple[int, str]] = []

    @staticmethod
    def _split(text: str) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(text.split("\n"), 1):
            for word in line.split():
                yield number, word

    def ended(self) -> bool:
        if not self._peeked:
            self._peeked += [pair for pair in [next(self._words, None)] if pair]
        return not self._peeked

    def next(self, kind: Callable[[str], T], what: str) -> T:
        """The next word as a `kind`; ValueError saying that `what` was expected."""
        if self.ended():
            raise ValueError(f"{self.source}:{self.line}: the file ends where {what} was expected")
        self.line, self.word = self._peeked.pop()
        try:
            return kind(self.word)
        except ValueError:
            raise self.error(what) from None

    def error(self, expected: str, got: str | None = None) -> ValueError:
        return ValueError(f"{self.source}:{self.line}: expected {expected}, got {got or self.word!r}")
