"""Crashes whose last words name them: memory, the database, the device."""

from __future__ import annotations

import re

from caffekit.diagnosis.evidence import Cause, Evidence

OUT_OF_MEMORY = re.compile(
    r"out of memory|\(2 vs\. 0\).*cuda|cuda.*\(2 vs\. 0\)|bad_alloc|MemoryError|^Killed", re.I
)
DATABASE = re.compile(
    r"mdb_status|leveldb|lmdb|data_reader|datum|db\.cpp|hdf5_data|File not found|Could not (?:open|decode)"
    r"|Failed to open|no such file",
    re.I,
)
DEVICE = re.compile(r"cuda|cublas|cudnn|nccl|curand|device", re.I)


def out_of_memory(e: Evidence) -> Cause | None:
    """The GPU or the machine has no memory left."""
    found = _last_words(e, OUT_OF_MEMORY)
    do = "halve batch_size and double iter_size: the same gradient from half the memory"
    return Cause("out-of-memory", 0.95, found, {"do": do}) if found else None


def database(e: Evidence) -> Cause | None:
    """A file or database that cannot be read."""
    found = [text for text in _last_words(e, DATABASE) if "cuda" not in text.lower()]
    do = "check that the file exists where the prototxt says (`caffekit db check DB` reads every record)"
    return Cause("database", 0.85, found, {"do": do}) if found else None


def device(e: Evidence) -> Cause | None:
    """The GPU or its libraries failed."""
    found = [text for text in _last_words(e, DEVICE) if not OUT_OF_MEMORY.search(text)]
    do = "run `caffekit doctor`; with --cpu the same training shows whether the GPU is to blame"
    return Cause("device", 0.8, found, {"do": do}) if found else None


def _last_words(e: Evidence, pattern: re.Pattern[str]) -> list[str]:
    return [text for text in e.fatals if pattern.search(text)][:2]
