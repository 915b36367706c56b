"""A net drawn as SVG: one box for a layer and what follows it in place, arrows from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from caffekit.reports.net_boxes import Box
from caffekit.reports.net_layout import Layout, lay_out

LINE = 16  # height of a line of text
PAD = 8
BETWEEN = 38  # between ranks; the shape of what flows stands there
MARGIN = 24
HEAD = 52
CHARACTER = 6.5  # width, of the text in a box
LEAST = 120

COLOURS = {  # kind: its own, for light and for dark pages
    "data": ("#dbe2ea", "#3a4652"),
    "convolution": ("#cfe3fb", "#1f4469"),
    "inner-product": ("#e3d6f7", "#4a3570"),
    "pooling": ("#fde2c4", "#6b4720"),
    "norm": ("#d3efe9", "#1f5a50"),
    "activation": ("#dcf2d0", "#33592a"),
    "join": ("#fbf1b5", "#5e5418"),
    "loss": ("#f9d3d3", "#6e2b2b"),
    "other": ("#e8e8e8", "#444444"),
}

STYLE = """
svg {{ background: #fff }}
text {{ font: 12px system-ui, "DejaVu Sans", "Liberation Sans", Arial, sans-serif; fill: #1c2228 }}
.name {{ font-weight: 600 }} .head {{ font-size: 17px; font-weight: 600 }}
.shape, .note {{ font-size: 11px; fill: #5b6670 }}
.shape {{ paint-order: stroke; stroke: #fff; stroke-width: 3px }}
.box {{ stroke: #7a8691; stroke-width: 1 }} .way {{ fill: none; stroke: #7a8691; stroke-width: 1.4 }}
#tip {{ fill: #7a8691 }}
{light}
@media (prefers-color-scheme: dark) {{
svg {{ background: #15191d }} text {{ fill: #e6eaee }} .shape, .note {{ fill: #a3adb6 }}
.shape {{ stroke: #15191d }}
{dark}
}}
"""


def net_svg(title: str, note: str, boxes: Sequence[Box], edges: Sequence[tuple[int, int]]) -> str:
    """The drawing; `title` and `note` stand above it, each box shows its layers' prototxt when pointed at."""
    widths = [_width(box) for box in boxes]
    at = lay_out(widths, edges)
    heights = [_height(box) for box in boxes]
    tops = _tops(at, heights)
    left = min((at.x[n] - widths[n] / 2 for n in range(at.boxes)), default=0)
    left = min(left, *at.x) if at.x else left
    right = max([at.x[n] + (widths[n] / 2 if n < at.boxes else 0) for n in range(len(at.x))], default=0)
    head = 9 * max(len(title), 0.8 * len(note))
    across, down = max(right - left, head) + 2 * MARGIN, _bottom(at, tops, heights) + MARGIN
    shift = MARGIN - left + max(0, head - (right - left)) / 2
    at.x = [x + shift for x in at.x]
    parts = [_way(way, at, tops, heights) for way in at.ways]
    parts += [_box(box, at.x[n], tops[n], widths[n], heights[n]) for n, box in enumerate(boxes)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:.0f} {down:.0f}"'
            f' width="{across:.0f}" height="{down:.0f}" role="img">',
            f"<title>{escape(title)}</title><style>{_style()}</style>",
            '<defs><marker id="tip-of-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path id="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<text class="head" x="{MARGIN}" y="{MARGIN + 6}">{escape(title)}</text>',
            f'<text class="note" x="{MARGIN}" y="{MARGIN + 24}">{escape(note)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _style() -> str:
    light = "\n".join(f".{kind} {{ fill: {colour} }}" for kind, (colour, _) in COLOURS.items())
    dark = "\n".join(f".{kind} {{ fill: {colour} }}" for kind, (_, colour) in COLOURS.items())
    return STYLE.format(light=light, dark=dark)


def _lines(box: Box) -> list[str]:
    end = f"reads {box.label}" if box.label else ""
    return [box.name, box.what, *([" · ".join(box.more)] if box.more else []), *([end] if end else [])]


def _width(box: Box) -> float:
    return max(LEAST, CHARACTER * max(len(line) for line in _lines(box)) + 2 * PAD + 8)


def _height(box: Box) -> float:
    return LINE * len(_lines(box)) + PAD


def _tops(at: Layout, heights: list[float]) -> list[float]:
    """The upper edge of every node; points in between stand at their rank's."""
    tops = [0.0] * len(at.x)
    y = float(HEAD + MARGIN)
    for rank in at.ranks:
        for node in rank:
            tops[node] = y
        y += max((heights[node] for node in rank if node < at.boxes), default=0) + BETWEEN
    return tops


def _bottom(at: Layout, tops: list[float], heights: list[float]) -> float:
    return max((tops[n] + heights[n] for n in range(at.boxes)), default=0) + LINE


def _way(way: list[int], at: Layout, tops: list[float], heights: list[float]) -> str:
    """A smooth line; through a rank that it only passes it runs straight down."""
    tall = {n: max(heights[m] for m in rank if m < at.boxes) for rank in at.ranks for n in rank}
    x, y = at.x[way[0]], tops[way[0]] + heights[way[0]]
    path = f"M{x:.1f} {y:.1f}"
    for node in way[1:]:
        middle = (y + tops[node]) / 2
        path += f" C{x:.1f} {middle:.1f} {at.x[node]:.1f} {middle:.1f} {at.x[node]:.1f} {tops[node]:.1f}"
        x, y = at.x[node], tops[node]
        if node >= at.boxes:
            y += tall[node]
            path += f" L{x:.1f} {y:.1f}"
    return f'<path class="way" d="{path}" marker-end="url(#tip-of-arrow)"/>'


def _box(box: Box, x: float, y: float, width: float, height: float) -> str:
    rows = "".join(
        f'<text class="{"name" if n == 0 else "row"}" x="{x:.1f}" y="{y + LINE * (n + 1) - 2:.1f}"'
        f' text-anchor="middle">{escape(line)}</text>'
        for n, line in enumerate(_lines(box))
    )
    shape = f'<text class="shape" x="{x + 6:.1f}" y="{y + height + 13:.1f}">{escape(box.shape)}</text>'
    return (
        f"<g><title>{escape(box.tip)}</title>"
        f'<rect class="box {box.kind}" x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}"'
        f' height="{height:.1f}" rx="5"/>{rows}{shape if box.shape else ""}</g>'
    )
