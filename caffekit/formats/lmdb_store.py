"""LMDB databases as Caffe's Data layer reads them: values in key order."""

from __future__ import annotations

import errno
import os
import struct
import threading
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb

from caffekit.errors import DataError, EnvironmentProblem, FormatError

Record = tuple[bytes, bytes]

MAGIC = struct.pack("<I", 0xBEEFC0DE)
FIRST_MAP = 64 << 20  # the map doubles when it is nearly full
BATCH_BYTES = 4 << 20  # a transaction's pages wait in memory: few enough for the processor's cache
BATCH_RECORDS = 1000
SYNC_BYTES = 64 << 20
SPARE_PAGES = 64  # what a transaction needs besides its records: changed pages of the tree are new ones
_SPACE = "free some space, or choose another place"

# A process may open one database only once: train and test nets share the environment.
_open: weakref.WeakValueDictionary[tuple[int, int], _Shared] = weakref.WeakValueDictionary()
_lock = threading.Lock()


class _Shared:
    """An environment that closes when its last reader is gone."""

    def __init__(self, path: Path) -> None:
        self.env: Any = lmdb.open(str(path), readonly=True, lock=False, subdir=path.is_dir(), max_readers=512)

    def __del__(self) -> None:
        if hasattr(self, "env"):
            self.env.close()


class LmdbReader:
    """The records of the LMDB at `path` (its folder, or the data.mdb itself), read-only.

    DataError when there is none, FormatError when it is no LMDB that this machine can read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._shared: _Shared | None = _environment(self.path)

    def __len__(self) -> int:
        count: int = self._env.stat()["entries"]
        return count

    def first(self) -> Record:
        """The first record in key order. DataError when the database is empty."""
        for record in self.records():
            return record
        raise DataError(f"{self.path}: the database is empty")

    def records(self, start: int = 0, step: int = 1) -> Iterator[Record]:
        """Every `step`-th (key, value) in key order, from the `start`-th on."""
        with _lmdb_errors(self.path, "reading"), self._env.begin() as txn, txn.cursor() as cursor:
            found = cursor.first()
            for _ in range(start):
                found = found and cursor.next()
            if step == 1 and found:
                yield from cursor.iternext()
            while step > 1 and found:
                yield cursor.item()
                found = all(cursor.next() for _ in range(step))

    @contextmanager
    def views(self) -> Iterator[Iterator[tuple[memoryview, memoryview]]]:
        """All (key, value) in key order, not copied: they may be looked at within the context only."""
        with _lmdb_errors(self.path, "reading"), self._env.begin(buffers=True) as txn, txn.cursor() as cursor:
            yield cursor.iternext() if cursor.first() else iter(())

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        with _lmdb_errors(self.path, "reading"), self._env.begin() as txn:
            value: bytes | None = txn.get(key)
            return value

    def close(self) -> None:
        """Let the database go."""
        self._shared = None

    @property
    def _env(self) -> Any:
        if self._shared is None:
            raise ValueError(f"{self.path} is closed")
        return self._shared.env

    def __enter__(self) -> LmdbReader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class LmdbWriter:
    """A new LMDB in the folder `path`. Keys must come in ascending byte order. Synced to disk at the end.

    The disk writes in the background what is there already, so that the end does not wait for all of it.
    EnvironmentProblem (exit 7) when the disk is full; messages call the database `name` (default: `path`).
    """

    def __init__(self, path: Path, name: Path | None = None) -> None:
        self.path, self.name = Path(path), name or Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self._pending = 0  # records in the open transaction
        self._bytes = 0
        self._txn: Any = None
        self._room = 0  # bytes that surely fit into the map, within the open transaction
        self._unsynced = 0
        self._syncing: Future[None] | None = None
        self._background = ThreadPoolExecutor(1, "lmdb-sync")
        with self._errors():
            self._env: Any = lmdb.open(str(self.path), map_size=FIRST_MAP, sync=False, metasync=False)
            self._page: int = self._env.stat()["psize"]

    def put(self, key: bytes, value: bytes | memoryview) -> None:
        """Add a record."""
        needed = len(value) + 3 * self._page  # its pages, the last one half empty, and their place
        with self._errors():
            if self._txn is None or needed > self._room:
                self._flush()
                self._begin(needed)
            if not self._txn.put(key, value, append=True):
                raise ValueError(f"{self.path}: keys must ascend; got {key!r}")
        self._pending += 1
        self._bytes += len(value)
        self._room -= needed
        if self._bytes >= BATCH_BYTES or self._pending >= BATCH_RECORDS:
            self._flush()

    def _begin(self, needed: int) -> None:
        """Open a transaction for at least `needed` bytes; where they do not fit, the map grows first."""
        info = self._env.info()
        size, used = info["map_size"], self._page * (info["last_pgno"] + 1 + SPARE_PAGES)
        while size - used < max(needed, 2 * BATCH_BYTES):
            size *= 2
        if size != info["map_size"]:
            self._env.set_mapsize(size)
        self._room = size - used
        self._txn = self._env.begin(write=True)

    def _flush(self) -> None:
        """Commit what was put, and let the disk begin with it."""
        if self._txn is None:
            return
        with self._errors():
            txn, self._txn = self._txn, None
            txn.commit()
            self._unsynced += self._bytes
            if self._unsynced >= SYNC_BYTES and (self._syncing is None or self._syncing.done()):
                self._wait()
                self._unsynced = 0
                self._syncing = self._background.submit(self._env.sync, True)
        self.count += self._pending
        self._pending = self._bytes = 0

    def _wait(self) -> None:
        """Wait for the disk; what went wrong there is raised here."""
        if self._syncing is not None:
            self._syncing.result()

    def close(self) -> None:
        """Write what is left and sync."""
        try:
            self._flush()
            with self._errors():
                self._wait()
                self._env.sync(True)
        finally:
            self._abandon()
        # Caffe opens read-only and without it; a left-over lock file names readers of another place.
        (self.path / "lock.mdb").unlink(missing_ok=True)

    def _abandon(self) -> None:
        if self._txn is not None:
            self._txn.abort()
            self._txn = None
        self._background.shutdown()
        self._env.close()

    def _errors(self) -> AbstractContextManager[None]:
        return _lmdb_errors(self.path, "writing", self.name)

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()


def write_lmdb(path: Path, records: Iterable[Record]) -> int:
    """Write `records` (keys ascending) as a new LMDB; their number."""
    with LmdbWriter(path) as writer:
        for key, value in records:
            writer.put(key, value)
    return writer.count


def _environment(path: Path) -> _Shared:
    data = path / "data.mdb" if path.is_dir() else path
    if not data.is_file():
        missing = f"{data.name} is missing" if path.is_dir() else "no such folder"
        raise DataError(f"{path}: no LMDB there ({missing})", "caffekit gen-lmdb makes one")
    if not data.stat().st_size:
        raise FormatError(
            f"{path}: not an LMDB ({data.name} is an empty file)", "make it again: caffekit gen-lmdb"
        )
    with _lock:
        status = data.stat()
        key = (status.st_dev, status.st_ino)
        shared = _open.get(key)
        if shared is None:
            with _lmdb_errors(path, "opening"):
                shared = _Shared(path)
            _refuse_truncated(shared.env, data, path)
            _open[key] = shared
    return shared


def _refuse_truncated(env: Any, data: Path, path: Path) -> None:
    """Reading a page that the file has lost would kill the process."""
    size, needed = data.stat().st_size, (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if size < needed:
        raise FormatError(f"{path}: truncated: {size} of {needed} bytes", "copy it again, or make it again")


@contextmanager
def _lmdb_errors(path: Path, doing: str, name: Path | None = None) -> Iterator[None]:
    try:
        yield
    except lmdb.Error as error:
        raise _as_ours(error, path, f"{doing} {name or path}") from error


def _as_ours(error: Exception, path: Path, what: str) -> Exception:
    text = str(error)
    if os.strerror(errno.ENOSPC) in text or (os.strerror(errno.EIO) in text and _is_full(path)):
        return EnvironmentProblem(f"{what}: {os.strerror(errno.ENOSPC)}", _SPACE)
    if os.strerror(errno.EACCES) in text:
        return EnvironmentProblem(f"{what}: permission denied", "check the permissions of the folder")
    if what.startswith("writing"):
        return EnvironmentProblem(f"{what}: {text}", "check the disk, its quota and its permissions")
    if what.startswith("opening") and _is_32bit(path):
        return FormatError(
            f"{path}: an LMDB written on a 32-bit machine; 64-bit programs (real Caffe too) cannot read it",
            "make it again here with `caffekit gen-lmdb` from the images",
        )
    return FormatError(f"{what}: not a readable LMDB ({text})", "make it again: caffekit gen-lmdb")


def _is_full(path: Path) -> bool:
    """LMDB calls it an input/output error when only a part of its pages fitted on the disk."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize < 2 * BATCH_BYTES


def _is_32bit(path: Path) -> bool:
    """Whether the page header is that of a 32-bit liblmdb: its magic stands at byte 12, not 16."""
    with open(path / "data.mdb" if path.is_dir() else path, "rb") as file:
        head = file.read(16)
    return head[12:16] == MAGIC
