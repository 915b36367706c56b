"""Findings of `lint` as people read them: in 80 columns, errors first."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from caffekit.netgen.lint import SEVERITIES

WIDTH = 80
INDENT = "    "


def lines_of(findings: list[dict[str, Any]], files: Sequence[Path]) -> list[str]:
    """`FILE:LINE: SEVERITY: layer: message [rule]` and its fix, by severity; and how many in all."""
    out: list[str] = []
    for alike in _alike(findings):
        out += _entry(alike[0])
        if alike[1:]:
            lines = [str(one["line"]) for one in alike[1:6]] + ["…"] * (len(alike) > 6)
            out.append(f"    the same in {len(alike) - 1} more layers: lines {', '.join(lines)}")
    out.append(_total(findings, files))
    if findings:
        out.append(f"caffekit explain {findings[0]['rule']} says why, and where the rule comes from")
    return out


def _alike(findings: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Findings that say the same of one file together, the worst first."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in sorted(findings, key=lambda one: SEVERITIES.index(one["severity"])):
        groups.setdefault((one["file"], one["rule"], one["message"]), []).append(one)
    return list(groups.values())


def _entry(one: dict[str, Any]) -> Iterator[str]:
    """As compilers print it, in one line where the path alone takes most of the width; and the fix."""
    layer = f"{one['layer']}: " if one["layer"] else ""
    head = f"{one['file']}:{one['line']}: {one['severity']}: "
    text = f"{head}{layer}{one['message']} [{one['rule']}]"
    yield from [text] if len(head) > WIDTH // 2 else _wrapped(text, "", INDENT)
    yield from _wrapped(f"fix: {one['fix']}", INDENT, INDENT * 2)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _total(findings: list[dict[str, Any]], files: Sequence[Path]) -> str:
    counts = Counter(one["severity"] for one in findings)
    parts = [
        f"{counts[each]} {each}{'' if counts[each] == 1 else 's'}" for each in SEVERITIES if counts[each]
    ]
    what = ", ".join(path.name for path in files[:4]) + (
        f" and {len(files) - 4} more" if len(files) > 4 else ""
    )
    return f"{', '.join(parts) or 'no findings'} in {what}"
