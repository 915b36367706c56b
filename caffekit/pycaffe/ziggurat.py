"""Normally distributed numbers as boost::normal_distribution<float> draws them from an mt19937.

The method is the ziggurat of Marsaglia and Tsang (2000) with 128 strips, as Boost has used it since 1.62; the
tail beyond the last strip is drawn by a second one, of 256 strips, for the exponential distribution. All
arithmetic is float32, as in Caffe.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
BLOCK = 1 << 18
"""Words drawn at a time."""


def _strips(start: float, area: float, count: int, normal: bool) -> tuple[Doubles, Doubles]:
    """Right ends x and heights y of the strips, the lowest one first; each has the same area.

    x[0] is the width that the lowest strip, tail included, would have as a rectangle.
    """
    x, y = np.zeros(count + 1), np.ones(count + 1)
    x[1], y[0] = start, 0
    y[1] = np.exp(-start * start / 2 if normal else -start)
    x[0] = area / y[1]
    for i in range(2, count):
        y[i] = y[i - 1] + area / x[i - 1]
        x[i] = np.sqrt(-2 * np.log(y[i])) if normal else -np.log(y[i])
    return x, y


# Where the tail starts, and the area, for which the last strip ends at height 1.
X, Y = _strips(3.442619855896652121, 0.009912563035336461, 128, normal=True)
EXP_X, EXP_Y = _strips(7.697117470131049715, 0.003949659822581557, 256, normal=False)


def normals(state: RandomState, n: int) -> Floats:
    """`n` numbers of the standard normal distribution; `state` moves on by just the words that they take."""
    out = np.empty(n, np.float32)
    done = 0
    while done < n:
        before = state.get_state(legacy=False)
        values, used = _from_block(_draw(state, min(BLOCK, (n - done) * 17 // 16 + 64)), n - done)
        out[done : done + len(values)] = values
        done += len(values)
        state.set_state(before)
        _draw(state, used)
    return out


def _draw(state: RandomState, n: int) -> Words:
    return state.randint(0, 2**32, size=n, dtype=np.uint32)


def _from_block(words: Words, n: int) -> tuple[Floats, int]:
    """At most `n` numbers from `words`, and how many words they took.

    Most numbers take one word. One between a strip's rectangle and the curve takes a second word, which
    decides whether it counts; one in the tail takes as many as it needs.
    """
    strip = ((words & 255) >> 1).astype(np.intp)
    x = (words >> 8).astype(np.float32) * np.float32(2**-24) * X.astype(np.float32)[strip]
    unclear = np.flatnonzero(x >= X[strip + 1])
    unclear = unclear[unclear + 1 < len(words)]
    under_curve = _under_curve(x[unclear], strip[unclear], _unit(words[unclear + 1]))
    counts = np.ones(len(words), bool)
    ends: dict[int, int] = {}  # of the numbers that took more than one word
    end = 0
    for at, is_under, is_tail in zip(unclear.tolist(), under_curve, strip[unclear] == 0, strict=True):
        if at < end:
            continue  # a word that the number before took
        end = at + 2
        if is_tail and not (end := _tail(words, at, x)):
            counts[at:] = False
            break
        counts[at] = is_tail or is_under
        counts[at + 1 : end] = False
        ends[at] = end
    # The block may end within a number: leave its words for the next one.
    counts[-1] &= x[-1] < X[strip[-1] + 1]
    taken = np.flatnonzero(counts)[:n]
    if not taken.size:
        return np.empty(0, np.float32), 0
    last = int(taken[-1])
    return np.where(words[taken] & 1, x[taken], -x[taken]), ends.get(last, last + 1)


def _unit(words: Words) -> Floats:
    """Each word as a number in [0, 1]."""
    return words.astype(np.float32) * np.float32(2**-32)


def _under_curve(x: Floats, strip: NDArray[np.intp], height: Floats) -> NDArray[np.bool_]:
    """Whether the points at `x`, as high within their strips as `height` says, are under exp(−x²/2).

    As Boost decides it: by the chord and the tangent, then by the curve, all in float32.
    """
    left, right = X[strip], X[strip + 1]
    bottom = Y[strip].astype(np.float32)
    y = bottom + height * (Y[strip + 1] - Y[strip]).astype(np.float32)
    behind = left.astype(np.float32) - x
    chord = (left - right).astype(np.float32) * height - behind
    tangent = y - (bottom + behind * bottom * left.astype(np.float32))
    convex = left >= 1
    upper, lower = np.where(convex, chord, tangent), np.where(convex, tangent, chord)
    out: NDArray[np.bool_] = (upper < 0) & ((lower < 0) | (y < _exp(-x * x / 2)))
    return out


def _exp(x: Any) -> Any:
    """exp to the last bit of float32, as the C library's; numpy's own float32 exp is a little off."""
    return np.exp(np.asarray(x, np.float64)).astype(np.float32)


def _tail(words: Words, at: int, x: Floats) -> int:
    """Draw a number beyond the last strip into x[at]; where its words end, or 0 if the block ends first."""
    start = np.float32(X[1])
    following = iter(range(at + 1, len(words)))
    try:
        while True:
            beyond = _exponential(words, following) / start
            if 2 * _exponential(words, following) > beyond * beyond:
                x[at] = beyond + start
                return next(following)
    except StopIteration:
        return 0


def _exponential(words: Words, following: Iterator[int]) -> np.float32:
    """One number of the exponential distribution, from the next words."""
    shift = np.float32(0)
    while True:
        word = words[next(following)]
        i = int(word & 255)
        x = np.float32(word >> 8) * np.float32(2**-24) * np.float32(EXP_X[i])
        if x < np.float32(EXP_X[i + 1]):
            return shift + x
        if i == 0:
            shift += np.float32(EXP_X[1])
            continue
        height = _unit(words[next(following)])
        bottom, top = np.float32(EXP_Y[i]), np.float32(EXP_Y[i + 1])
        y = bottom + height * np.float32(EXP_Y[i + 1] - EXP_Y[i])
        chord = np.float32(EXP_X[i] - EXP_X[i + 1]) * height - (np.float32(EXP_X[i]) - x)
        tangent = y - (top + (np.float32(EXP_X[i + 1]) - x) * top)
        if chord < 0 and (tangent < 0 or y < _exp(-x)):
            return shift + x
