"""`net draw`: a net as a picture."""

from __future__ import annotations

from pathlib import Path

from caffekit.errors import EnvironmentProblem, UsageError
from caffekit.formats.atomic import refuse_existing, write_bytes
from caffekit.options import Options
from caffekit.report import Report
from caffekit.reports.net_boxes import boxes_of
from caffekit.reports.net_svg import net_svg
from caffekit.steps.net_summary import count
from caffekit.steps.net_view import Shape, view_net

DEFAULT_OPTIONS = Options()
ENDINGS = (".svg", ".png")


def net_draw(
    path: Path,
    out: Path,
    phase: str | None = None,
    image: Shape | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> Report:
    """Write the drawing of the net in `path`; arguments and errors as view_net.

    UsageError for another ending than .svg and .png; EnvironmentProblem where .png lacks its package.
    """
    if out.suffix not in ENDINGS:
        raise UsageError(f"{out}: the drawing is .svg or .png", "name the output so")
    refuse_existing(out, options.overwrite)
    view = view_net(path, phase, image)
    costs = [cost for cost, _ in view.layers]
    boxes, edges = boxes_of(view.net, costs)
    parameters = sum(cost.parameters for cost in costs)
    first = next((cost.tops[0] for cost in costs if cost.tops and cost.tops[0]), (1,))
    each = count(sum(cost.macs for cost in costs) // max(1, first[0]))
    known = f" · {parameters:,} parameters · {each} multiply-adds per image" if parameters else ""
    note = f"{view.phase} · {len(view.net.layer)} layers{known}"
    drawing = net_svg(view.net.name or path.stem, note, boxes, edges)
    if not options.dry_run:
        write_bytes(out, _png(drawing) if out.suffix == ".png" else drawing.encode())
    summary = {"out": str(out), "phase": view.phase, "boxes": len(boxes)}
    did = "would draw" if options.dry_run else "drew"
    lines = [f"{did} {view.net.name or path.name} at {view.phase}, {len(boxes)} boxes → {out}"]
    return Report("net draw", summary, lines, warnings=view.notes)


def _png(drawing: str) -> bytes:
    try:
        import resvg_py
    except ImportError as error:
        raise EnvironmentProblem(
            "drawing PNG needs the package resvg-py", "pip install 'caffekit[png]', or write .svg"
        ) from error
    return bytes(resvg_py.svg_to_bytes(svg_string=drawing))
