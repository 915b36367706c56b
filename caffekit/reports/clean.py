"""clean's report.html: what was rejected, with pictures, on one page that needs nothing else."""

from __future__ import annotations

import base64
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from caffekit import __version__
from caffekit.checks import CHECKS
from caffekit.checks.links import components
from caffekit.checks.subject import Finding, Subject
from caffekit.formats.atomic import write_text
from caffekit.formats.images import BadImage, decode, encode, resize_short, silent_decoders

PER_PAGE = 60
MOST = 5 * PER_PAGE  # cards per reason: a page of all would be as large as the set
GROUP = 12
SIDE = 96
GROUPED = ("conflicting-label", "near-duplicate", "exact-duplicate")

Card = dict[str, Any]
Reasons = dict[int, tuple[str, Finding]]


def write_clean_report(
    path: Path, root: Path, subject: Subject, reasons: Reasons, summary: dict[str, Any]
) -> None:
    """Write the page, atomically. Of each reason the first MOST cards by score are shown, PER_PAGE a page."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for i, (reason, _) in reasons.items():
        by_reason[reason].append(i)
    sections = []
    for name in CHECKS:
        found = sorted(by_reason[name], key=lambda i: (reasons[i][1].score, subject.path(i)))
        if found:
            cards = _cards(root, subject, reasons, name, found)
            what = (CHECKS[name].__doc__ or "").split("\n")[0]
            pages = [cards[at : at + PER_PAGE] for at in range(0, len(cards), PER_PAGE)]
            cut = len(cards) == MOST < len(found)
            sections.append(
                {
                    "name": name,
                    "what": what,
                    "count": len(found),
                    "pages": pages,
                    "cut": cut,
                    "file": "rejected.csv",
                }
            )
    sections += _doubtful(root, subject, reasons)
    odd = [
        (subject.path(i), "; ".join(subject.rows.flaws(i)))
        for i in np.flatnonzero(subject.rows.columns["flaws"][: subject.count]).tolist()
        if i not in reasons
    ]
    environment = Environment(
        loader=PackageLoader("caffekit", "reports"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("clean.html.j2").render(
        sections=sections,
        summary=summary,
        odd=odd[:MOST],
        odd_count=len(odd),
        version=__version__,
        root=root,
    )
    write_text(path, page)


def _cards(root: Path, subject: Subject, reasons: Reasons, name: str, found: list[int]) -> list[Card]:
    """A card per image; of copies one per group, all of it side by side."""
    if name not in GROUPED:
        return [_card(root, subject, reasons, [i, *_benchmark(subject, i, name)]) for i in found[:MOST]]
    group_of = {i: n for n, group in enumerate(components(subject.links)) for i in group}
    groups: dict[int, list[int]] = {}
    for i in found:
        groups.setdefault(group_of[i], []).append(i)
    cards = []
    for rejected in list(groups.values())[:MOST]:
        others = sorted({j for i in rejected[:GROUP] for j in subject.links.of(i)} - {*rejected})
        kept_first = sorted(others, key=lambda j: (j in reasons, j))
        cards.append(_card(root, subject, reasons, [*rejected, *kept_first]))
    return cards


def _doubtful(root: Path, subject: Subject, reasons: Reasons) -> list[Card]:
    """A section of the labels that are kept although something speaks against them, worst first."""
    judged = subject.judged
    if judged is None:
        return []
    which = [n for n in np.flatnonzero(judged.doubtful).tolist() if int(judged.indices[n]) not in reasons]
    which.sort(key=lambda n: (float(judged.score[n]), n))
    cards = []
    for n in which[:MOST]:
        detail = f"looks like {subject.class_name(int(judged.likely[n]))}"
        finding = Finding(float(judged.score[n]), detail)
        cards.append(_card(root, subject, reasons, [int(judged.indices[n])], finding))
    if not cards:
        return []
    return [
        {
            "name": "doubtful-label",
            "what": "Kept: labels to look at. Correct them in review.csv, then clean --apply review.csv.",
            "count": len(which),
            "pages": [cards[at : at + PER_PAGE] for at in range(0, len(cards), PER_PAGE)],
            "cut": len(cards) < len(which),
            "file": "review.csv",
        }
    ]


def _benchmark(subject: Subject, index: int, name: str) -> list[int]:
    others = subject.links.of(index) if name == "benchmark-duplicate" else {}
    alike = {j: others[j] for j in others if j >= subject.count}
    return [max(alike, key=lambda j: (alike[j], -j))] if alike else []


def _card(
    root: Path, subject: Subject, reasons: Reasons, members: list[int], finding: Finding | None = None
) -> Card:
    """An image, what was found of it, and what it is a copy of: `members`, of which GROUP are shown."""
    finding = finding or reasons[members[0]][1]
    return {
        "score": f"{finding.score:.0f}" if abs(finding.score) >= 100 else f"{finding.score:.4g}",
        "detail": finding.detail,
        "figures": [_figure(root, subject, reasons, i) for i in members[:GROUP]],
        "more": max(0, len(members) - GROUP),
    }


def _figure(root: Path, subject: Subject, reasons: Reasons, index: int) -> Card:
    path = subject.path(index)
    in_set = index < subject.count
    readable = not in_set or not subject.rows.columns["reason"][index]
    label = f"class {subject.class_name(int(subject.labels[index]))}" if in_set else "benchmark"
    return {
        "picture": _picture(root / path if in_set else Path(path)) if readable else "",
        "path": path,
        "label": label + (", kept" if in_set and index not in reasons else ""),
    }


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
