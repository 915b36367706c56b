"""Where images and labels come from: Caffe's image lists, and folders with one subfolder per class.

A list has a `path LABEL` per line; the last blank separates the label, so paths may hold spaces.
Class ids of folders follow the byte-sorted folder names.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from caffekit.errors import DataError, FormatError, os_errors
from caffekit.formats.atomic import atomic_file, write_text
from caffekit.formats.csv_list import Table, class_ids, is_finite, is_number, read_table

LABELS = "labels.txt"
SUMMARY = "summary.json"
LISTS = (".txt", ".csv")
MAX_LABEL = 2**31 - 1  # Datum.label is an int32
_PLAIN = re.compile(r"^([^\t\r\n]*[^\s]) ([0-9]{1,9})\r?$", re.MULTILINE)  # a line without a problem
MAX_PROBLEMS = 20  # shown; the rest is counted
# What operating systems and we leave in folders; all other files stay, so that `clean` reports them.
IGNORED = {"Thumbs.db", "desktop.ini", "__MACOSX", LABELS, SUMMARY}


class Item(NamedTuple):
    """One image: its path relative to the list's root, and its class id. (A tuple: lists have millions.)"""

    path: str
    label: int


@dataclass
class ImageList:
    """Images and labels; `root / item.path` is the file, `classes[label]` the class name (if known).

    copies: images stand in it more than once, as they are or changed (balance and augment say so).
    table: the CSV that it was read from, row i for items[i]; every label is 0 if that has no class column.
    """

    root: Path
    items: list[Item]
    classes: list[str] | None = None
    copies: bool = False
    table: Table | None = None

    def file(self, item: Item) -> Path:
        """The file of `item`; an absolute path may also mean below the root, as convert_imageset takes it."""
        below = Path(f"{self.root}/{item.path}")
        return self.root / item.path if item.path.startswith("/") and not below.exists() else below

    def read(self, item: Item) -> bytes:
        """The bytes of the file of `item`. OSError."""
        place = f"{self.root}/{item.path}" if not item.path.startswith("/") else self.file(item)
        with open(place, "rb", buffering=0) as file:
            return file.read()

    def bare(self) -> ImageList:
        """What another process needs to find the files: the root alone, from wherever it runs."""
        return ImageList(Path(os.path.abspath(self.root)), [])

    def class_name(self, label: int) -> str:
        """What to call class `label` in a message."""
        return self.classes[label] if self.classes else str(label)


def read_source(path: Path, root: Path | None = None, *, several: bool = False) -> ImageList:
    """Read `path`: a folder of class folders, or an image or CSV list whose paths are relative to `root`.

    `root` defaults to the one that a command of ours wrote into summary.json beside the list, else to the
    list's folder. several: a CSV may hold several or float labels, which are then in `table`.
    DataError when something is missing, FormatError naming FILE:LINE for what is malformed.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist", _near_names(path))
    if path.is_dir():
        return _read_folder(path)
    summary = _summary_beside(path)
    root = root or Path(os.path.normpath(path.parent / str(summary.get("root", "."))))
    if not root.is_dir():
        raise DataError(f"{path}: its images' folder {root} does not exist", "say where with --root DIR")
    names = path.parent / LABELS
    classes = read_labels(names) if names.is_file() else None
    repeats, copies = bool(summary.get("repeats")), bool(summary.get("repeats") or summary.get("copies"))
    if path.suffix.lower() == ".csv":
        return _read_csv(path, root, classes, repeats, several, copies)
    return ImageList(root, _read_list(path, classes, repeats), classes, copies)


def write_list(path: Path, items: Iterable[Item]) -> None:
    """Write an image list, atomically."""
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{item.path} {item.label}\n" for item in items)


def write_labels(path: Path, classes: Iterable[str]) -> None:
    """Write labels.txt: line i names class i."""
    write_text(path, "".join(f"{name}\n" for name in classes))


def relative_root(root: Path, folder: Path) -> str:
    """`root` as summary.json in `folder` records it: relative, so that both can move together."""
    return os.path.relpath(root.resolve(), folder.resolve())


def _near_names(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f"{parent} does not exist either"
    near = difflib.get_close_matches(path.name, os.listdir(parent), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(str(parent / name) for name in near)}?" if near else "check the path"


def _summary_beside(path: Path) -> dict[str, Any]:
    summary = path.parent / SUMMARY
    try:
        value = json.loads(summary.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        hint = "remove it, or run the command that wrote it again"
        raise FormatError(f"{summary}: not JSON ({error})", hint) from error
    return value if isinstance(value, dict) else {}


def read_labels(path: Path) -> list[str]:
    """The class names of a labels.txt: line i names class i. FormatError naming FILE:LINE."""
    lines = _text(path).splitlines()
    if not all(line.strip() for line in lines):
        number = next(i for i, line in enumerate(lines, 1) if not line.strip())
        raise FormatError(f"{path}:{number}: empty line, expected the name of class {number - 1}")
    return lines


def _text(path: Path) -> str:
    with os_errors("reading", path):
        data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FormatError(f"{path}:{line}: not UTF-8 text", "save the list as UTF-8") from error


def _read_list(path: Path, classes: list[str] | None, repeats: bool) -> list[Item]:
    text = _text(path).rstrip("\r\n")
    if not text:
        raise DataError(f"{path}: no images in it")
    return _plain_items(text, classes) or _checked_items(path, text.split("\n"), classes, repeats)


def _plain_items(text: str, classes: list[str] | None) -> list[Item]:
    """All lines at once if none has a problem: a million take a second; else nothing."""
    ids: dict[str, int] = {}  # equal labels are one object: a million more would take 30 MB
    items = [
        Item(match[1], ids.setdefault(match[2], int(match[2])))
        for match in _PLAIN.finditer(text)  # not findall, whose list would be as large again
    ]
    if len(items) != text.count("\n") + 1:
        return []
    labels_fit = classes is None or max(label for _, label in items) < len(classes)
    return items if labels_fit and len({name for name, _ in items}) == len(items) else []


def _checked_items(path: Path, lines: list[str], classes: list[str] | None, repeats: bool) -> list[Item]:
    """Line by line; FormatError with all problems."""
    items: list[Item] = []
    problems: list[str] = []
    first: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        name, _, label = line.rpartition(" ")
        problem = _problem(line, name, label, classes)
        if not problem:
            item = Item(name, int(label))
            items.append(item)
            before = first.setdefault(name, (number, item.label))
            if before[0] != number and not (repeats and before[1] == item.label):
                problem = f"duplicate path {name} (first in line {before[0]}, label {before[1]})"
        if problem:
            problems.append(f"{path}:{number}: {problem}")
    if problems:
        raise _list_error(problems, len(lines))
    return items


def _read_csv(
    path: Path, root: Path, classes: list[str] | None, repeats: bool, several: bool, copies: bool
) -> ImageList:
    table = read_table(path, _text(path), repeats)
    if len(table.labels) > 1 and not several:
        hint = "this command needs one class per image: leave the other label columns out"
        raise DataError(f"{path}: several labels per image ({', '.join(table.labels)})", hint)
    cells = table.column(table.labels[0])
    if several and (
        len(table.labels) > 1 or not all(cell.isdecimal() for cell in set(cells) if is_finite(cell))
    ):
        labels, table.one_class = [0] * len(cells), False
    else:
        labels, classes = class_ids(path, cells, classes)
    items = [Item(name, label) for name, label in zip(table.column("path"), labels, strict=True)]
    return ImageList(root, items, classes, copies, table)


def _problem(line: str, name: str, label: str, classes: list[str] | None) -> str:
    """What is wrong with one line of a list, or "" ."""
    if not line.strip():
        return "empty line, expected `path LABEL`"
    if "\t" in line:
        return "a tab; expected one blank between path and label"
    if line != line.rstrip():
        return "trailing space: Caffe would read label 0 here"
    if "\r" in line:
        return "a carriage return inside the line; expected lines that end in LF or CRLF"
    if not name or not is_number(label):
        return f"missing label: expected `path LABEL`, got {line!r}"
    if name != name.rstrip():
        return "more than one blank between path and label"
    if not (label.isascii() and label.isdecimal()):
        return f"expected an integer label of 0 or more, got {label}"
    if int(label) > MAX_LABEL:
        return f"label {label} is larger than {MAX_LABEL}"
    if classes is not None and int(label) >= len(classes):
        return f"label {label}, but {LABELS} beside the list names classes 0 to {len(classes) - 1} only"
    return ""


def _list_error(problems: list[str], lines: int) -> FormatError:
    more = len(problems) - MAX_PROBLEMS
    shown = problems[:MAX_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])
    hint = f"{len(problems)} of {lines} lines to correct; each must be `relative/path LABEL`"
    return FormatError("\n".join(shown), hint)


def _read_folder(root: Path) -> ImageList:
    if (root / SUMMARY).is_file():
        lists = sorted(str(p) for p in root.glob("*.*") if p.suffix in LISTS and p.name != LABELS)
        if lists:
            raise DataError(
                f"{root} is the output of a caffekit command, not class folders", f"give {' or '.join(lists)}"
            )
    with os_errors("reading", root):
        folders = [entry.name for entry in os.scandir(root) if entry.is_dir() and _counts(entry.name)]
    classes = sorted(folders, key=os.fsencode)
    if not classes:
        hint = "expected one subfolder of images per class"
        if (root / "data.mdb").exists():
            hint = "this is an LMDB; give the folder or list that it was made from"
        raise DataError(f"{root}: no class folders in it", hint)
    items = [Item(f"{name}/{file}", i) for i, name in enumerate(classes) for file in _files(root / name)]
    present = {item.label for item in items}
    empty = [str(root / name) for label, name in enumerate(classes) if label not in present]
    if empty:
        raise DataError(f"empty class folder: {', '.join(empty)}", "put images into it, or remove the folder")
    for item in items:
        _check_writable(root, item.path)
    return ImageList(root, items, classes)


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in IGNORED


def _files(folder: Path) -> list[str]:
    """All files below `folder`, byte-sorted, relative to it."""
    with os_errors("reading", folder):
        return sorted(_walk(folder, "", frozenset()), key=os.fsencode)


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder above
        return
    for entry in os.scandir(folder):
        if not _counts(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, f"{prefix}{entry.name}/", above | {here})
        else:
            yield prefix + entry.name


def _check_writable(root: Path, path: str) -> None:
    """A list is lines of UTF-8 text: names that do not fit cannot be used."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{str(root / path)!r}: the file name is not UTF-8", "rename the file") from error
    if any(c in path for c in "\t\r\n"):
        raise DataError(f"{str(root / path)!r}: a tab or line end in the file name", "rename the file")
