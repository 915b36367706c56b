"""How the process asks the operating system for memory."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of the GNU C library


def keep_pages() -> None:
    """Let malloc keep what it has, where blobs or images are freed and made anew all the time.

    By default glibc maps each large block afresh, and the kernel's zeroing of its pages takes longer than
    many a layer, and as long as decoding a JPEG. Other C libraries (macOS, musl) are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)
