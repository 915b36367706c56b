"""clean's report.html: what was rejected, with pictures, on one page that needs nothing else."""

from __future__ import annotations

import base64
from collections import defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from caffekit import __version__
from caffekit.checks import CHECKS
from caffekit.checks.subject import Finding, Subject
from caffekit.formats.atomic import write_text
from caffekit.formats.images import BadImage, decode, encode, resize_short, silent_decoders

PER_REASON = 60
SIDE = 96
PAIRED = ("conflicting-label", "near-duplicate", "exact-duplicate", "benchmark-duplicate")

Card = dict[str, Any]


def write_clean_report(
    path: Path, root: Path, subject: Subject, reasons: dict[int, tuple[str, Finding]], summary: dict[str, Any]
) -> None:
    """Write the page, atomically. Of each reason the first PER_REASON images by score are shown."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for i, (reason, _) in reasons.items():
        by_reason[reason].append(i)
    sections = []
    for name in CHECKS:
        found = sorted(by_reason[name], key=lambda i: (reasons[i][1].score, subject.path(i)))
        cards = [_card(root, subject, i, name, reasons[i][1]) for i in found[:PER_REASON]]
        if found:
            what = (CHECKS[name].__doc__ or "").split("\n")[0]
            sections.append({"name": name, "what": what, "count": len(found), "cards": cards})
    odd = [
        (subject.path(i), "; ".join(row.flaws))
        for i, row in enumerate(subject.rows)
        if row.flaws and i not in reasons
    ]
    environment = Environment(
        loader=PackageLoader("caffekit", "reports"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("clean.html.j2").render(
        sections=sections,
        summary=summary,
        odd=odd[:PER_REASON],
        odd_count=len(odd),
        version=__version__,
        root=root,
    )
    write_text(path, page)


def _card(root: Path, subject: Subject, index: int, reason: str, finding: Finding) -> Card:
    """One rejected image; beside a copy, what it is a copy of."""
    pictures = [] if subject.rows[index].reason else [_picture(root / subject.path(index))]
    other = _partner(subject, index) if reason in PAIRED else None
    if other is not None:
        in_set = other < len(subject.rows)
        pictures.append(_picture(root / subject.path(other) if in_set else Path(subject.path(other))))
    return {
        "path": subject.path(index),
        "label": subject.class_name(int(subject.labels[index])),
        "score": f"{finding.score:.0f}" if abs(finding.score) >= 100 else f"{finding.score:.4g}",
        "detail": finding.detail,
        "pictures": [picture for picture in pictures if picture],
    }


def _partner(subject: Subject, index: int) -> int | None:
    """The image most like this one: what the finding speaks of, or as good as it."""
    others = subject.links.of(index)
    return max(others, key=lambda j: (others[j], -j)) if others else None


def _picture(path: Path) -> str:
    """A small JPEG as a data URI; "" if the file has gone or changed since it was measured."""
    try:
        with silent_decoders():
            image = decode(path.read_bytes())
    except (OSError, BadImage):
        return ""
    height, width = image.shape[:2]
    small = resize_short(image, max(1, round(SIDE * min(height, width) / max(height, width))))
    return "data:image/jpeg;base64," + base64.b64encode(encode(small, "jpg", 85)).decode()
