"""Pairs and triplets of images for siamese nets: a line names two or three images of a set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caffekit.errors import DataError, FormatError, os_errors
from caffekit.formats.image_list import ImageList, Item

MAX_PROBLEMS = 20  # shown; the rest is counted
_FORM = "expected `pathA pathB [0|1]`, or `anchor positive negative`; put tabs between paths with blanks"


@dataclass(frozen=True)
class Group:
    """Images that make one record, and its label.

    Of a pair 1 (the same class) or 0, as ContrastiveLoss takes it; of a triplet the anchor's class.
    """

    items: tuple[Item, ...]
    label: int

    @property
    def name(self) -> str:
        """What its key says of it."""
        return "|".join(item.path for item in self.items)


class Stranger(str):
    """Says that a line names an image which is not of the set."""


def read_groups(path: Path, images: ImageList, *, own: bool = False) -> tuple[list[Group], int]:
    """The pairs (or triplets) in `path`, and how many lines name an image that is none of `images`.

    Those are left out with `own`, else refused. Without a label, a pair is 1 where both classes are the same.
    FormatError naming FILE:LINE; DataError when there are no pairs.
    """
    with os_errors("reading", path):
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    known = {item.path: item for item in images.items}
    groups: list[Group] = []
    problems = []
    left_out = 0
    for number, line in enumerate(text.splitlines(), 1):
        group = _group(line.split("\t") if "\t" in line else line.split(), known)
        if isinstance(group, Stranger) and own:
            left_out += 1
        elif isinstance(group, str):
            problems.append(f"{path}:{number}: {group}")
        elif groups and len(group.items) != len(groups[0].items):
            problems.append(
                f"{path}:{number}: {len(group.items)} images, the first line names {len(groups[0].items)}"
            )
        else:
            groups.append(group)
    if problems:
        more = [f"… and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
        raise FormatError("\n".join(problems[:MAX_PROBLEMS] + more), _FORM)
    if not groups and left_out:
        raise DataError(
            f"{path}: each of its {left_out} lines names an image that this list lacks",
            "name pairs within the training list and within the validation list",
        )
    if not groups:
        raise DataError(f"{path}: no pairs in it", _FORM)
    return groups, left_out


def _group(fields: list[str], known: dict[str, Item]) -> Group | str:
    """The group that a line names, or what is wrong with it."""
    if len(fields) == 3 and fields[2] in ("0", "1") and fields[2] not in known:
        *names, label = fields[0], fields[1], int(fields[2])
    else:
        names, label = fields, -1
    if len(names) not in (2, 3):
        return f"{len(names)} fields; {_FORM}"
    unknown = [name for name in names if name not in known]
    if unknown:
        return Stranger(f"no image {unknown[0]!r} in the set")
    items = tuple(known[name] for name in names)
    if len(items) == 2:
        return Group(items, label if label >= 0 else int(items[0].label == items[1].label))
    if items[0].label != items[1].label or items[0].label == items[2].label:
        classes = ", ".join(str(item.label) for item in items)
        return f"classes {classes}: the positive has the anchor's class, the negative has not"
    return Group(items, items[0].label)
