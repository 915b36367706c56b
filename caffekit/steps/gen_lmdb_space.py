"""How large a database will be: asked before hours of work, not found out by a full disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from caffekit.errors import EnvironmentProblem
from caffekit.formats.image_header import sniff, stated_size
from caffekit.formats.image_list import ImageList
from caffekit.formats.preprocess import Preprocess

SAMPLE = 64  # files looked at, spread over the set
HEADER = 65536  # bytes of a file that say its size
PAGE = 4096
ENTRY = 24  # what LMDB keeps beside a key in its leaf page
FIELDS = 20  # the Datum's other fields
# Least bytes per value of an encoded record: photos at quality 95 take twice that and more.
ENCODED = {"jpg": 0.05, "png": 0.1}


def needed_bytes(
    images: ImageList, records: int, contract: Preprocess, encode: str, per_record: int = 1
) -> int:
    """Bytes of an LMDB of `records` records of `per_record` images each; at least, where it is encoded."""
    step = max(1, len(images.items) // SAMPLE)
    files = [images.file(item) for item in images.items[::step]]
    sizes = [size for size in map(_size, files) if size]
    key = 9 + sum(len(item.path) for item in images.items[::step]) // len(files)
    if not sizes:
        return 0
    values = sum(_values(width, height, contract) for _, width, height in sizes) / len(sizes)
    kept = encode == "jpg" and not (contract.width or contract.short)
    payload = values * ENCODED.get(encode, 1.0) * per_record
    if kept:
        payload = sum(size for size, _, _ in sizes) / len(sizes)
    value = int(payload) + FIELDS
    pages = -(-(value + 16) // PAGE) if value > PAGE // 2 else value / PAGE
    return int(records * (pages * PAGE + key + ENTRY))


def refuse_full_disk(out: Path, needed: int) -> None:
    """EnvironmentProblem (exit 7) if the disk of `out` has less than `needed` bytes left."""
    place = next(folder for folder in out.absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise EnvironmentProblem(
            f"{out}: needs about {readable(needed)}, but {place} has {readable(free)} left",
            "free some space, choose another place, or make smaller records: --resize, --encode jpg",
        )


def readable(count: int) -> str:
    """Bytes for people: 1.5 GB."""
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _size(path: Path) -> tuple[int, int, int] | None:
    """(bytes, width, height) of an image file; None for what is none: it will be named later."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEADER)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    kind = sniff(head)
    width, height = stated_size(head, kind) if kind else (0, 0)
    return (size, width, height) if width and height else None


def _values(width: int, height: int, contract: Preprocess) -> float:
    """Numbers in a record of an image of that size."""
    if contract.width and contract.height:
        width, height = contract.width, contract.height
    elif contract.short:
        factor = contract.short / min(width, height)
        width, height = round(width * factor), round(height * factor)
    return contract.channels * width * height
