"""Line charts as SVG text: no script, no font, colours from the page's CSS variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 70, 14, 14, 34
MOST_POINTS = 800


@dataclass
class Series:
    """A line: its name, its (x, y) points, and `style`, a class of the page's style sheet."""

    name: str
    points: list[tuple[float, float]]
    style: str = "s1"

    @property
    def finite(self) -> list[tuple[float, float]]:
        """The points that can be drawn, thinned out to MOST_POINTS."""
        points = [point for point in self.points if math.isfinite(point[1])]
        every = math.ceil(len(points) / MOST_POINTS) or 1
        return [*points[::every], *points[-1:]] if every > 1 else points


@dataclass
class Mark:
    """A vertical line at `x`, with its text as a tooltip."""

    x: float
    text: str


@dataclass
class _Axis:
    low: float
    high: float
    start: float
    end: float
    log: bool = False
    ticks: list[float] = field(default_factory=list)

    def place(self, value: float) -> float:
        """The coordinate of `value`."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return self.start + (value - low) / (high - low or 1) * (self.end - self.start)


def line_chart(series: Sequence[Series], marks: Sequence[Mark] = (), what: str = "") -> str:
    """One chart as an <svg>; "" when there is nothing to draw. A nan or infinity is a cross at the top.

    The y axis is logarithmic where values are positive and span more than 50 to 1.
    """
    ys = [y for one in series for _, y in one.finite]
    xs = [x for one in series for x, _ in one.points] + [mark.x for mark in marks]
    if not ys:
        return ""
    x_axis = _axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, log=False)
    log = min(ys) > 0 and max(ys) > 50 * min(ys)
    y_axis = _axis(min(ys), max(ys), HEIGHT - BOTTOM, TOP, log)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(what)}">']
    parts += _grid(x_axis, y_axis)
    for mark in marks:
        x = x_axis.place(mark.x)
        line = f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        parts.append(f"<g><title>{escape(mark.text)}</title>{line}</g>")
    for one in series:
        parts += _line(one, x_axis, y_axis)
    return "".join([*parts, "</svg>"])


def _line(series: Series, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    dots = [(x_axis.place(x), y_axis.place(y)) for x, y in series.finite]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    name = escape(series.name)
    out = [f'<polyline class="line {series.style}" points="{path}"><title>{name}</title></polyline>']
    if len(dots) <= 60:
        for (x, y), (left, top) in zip(series.finite, dots, strict=True):
            circle = f'<circle class="dot {series.style}" cx="{left:.1f}" cy="{top:.1f}" r="2.5">'
            out.append(f"{circle}<title>{name}: {y:g} at iteration {x:g}</title></circle>")
    for x, y in series.points:
        if not math.isfinite(y):
            left, top = x_axis.place(x), TOP + 6
            cross = f"M{left - 4:.1f} {top - 4}l8 8m0 -8l-8 8"
            title = f"<title>{name}: {y:g} at iteration {x:g}</title>"
            out.append(f'<path class="bad" d="{cross}">{title}</path>')
    return out


def _grid(x_axis: _Axis, y_axis: _Axis) -> list[str]:
    out = []
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        out.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>'
        )
    out.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">iteration</text>')
    return out


def _axis(low: float, high: float, start: float, end: float, log: bool) -> _Axis:
    if log:
        lowest, highest = math.floor(math.log10(low)), math.ceil(math.log10(high))
        step = max(1, round((highest - lowest) / 5))
        powers = [10.0**power for power in range(lowest, highest + 1, step)]
        return _Axis(10.0**lowest, 10.0**highest, start, end, True, powers)
    if low == high:
        low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
    gap = _nice((high - low) / 5)
    first, last = math.ceil(low / gap - 1e-9), math.floor(high / gap + 1e-9)
    ticks = [round(n * gap, 12) for n in range(first, last + 1)]
    return _Axis(low, high, start, end, False, ticks)


def _nice(value: float) -> float:
    """1, 2 or 5 times a power of ten, at least `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * 0.999999)
