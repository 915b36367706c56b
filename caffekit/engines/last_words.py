"""What a process that died said last, in plain words."""

from __future__ import annotations

import re
import signal
from pathlib import Path

TAIL_BYTES = 64 * 1024
_FATAL = re.compile(r"^F\d{4,8} \S+ +\d+ (?P<place>[^\]\s]+)\] (?P<text>.*)", re.MULTILINE)
_BEFORE = re.compile(r"^\[libprotobuf (?:ERROR|FATAL) [^\]]*\] (?P<text>.*)", re.MULTILINE)
_OTHER = re.compile(
    r"^(?:\[rank\d+\]: )?"  # PyTorch's mark in a process that trains with others
    r"(?P<text>(?:\w+\.)*\w*(?:Error|Exception): .*|.*(?:command not found|cannot open shared object).*)",
    re.MULTILINE,
)
_MEANING = {
    signal.SIGKILL: "killed by signal 9 (by hand, or because the machine ran out of memory)",
    signal.SIGSEGV: "crashed with a memory fault (signal 11)",
    signal.SIGBUS: "crashed with a bus error (signal 7; is the disk or /dev/shm full?)",
    signal.SIGILL: "crashed with an illegal instruction (signal 4; built for another processor?)",
}


def last_words(exit_code: int, log_path: Path, start: int = 0) -> str:
    """Caffe's F line since byte `start` of the log, else an exception's last line, else the signal."""
    with open(log_path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(start, size - TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    return readable(exit_code, text)


def readable(exit_code: int, text: str) -> str:
    """The one sentence in `text`, a process's standard error, that says why it ended with `exit_code`."""
    if fatal := _FATAL.search(text):
        before = _BEFORE.search(text)
        reason = f" ({before['text']})" if before else ""
        return f"{fatal['text'].strip()}{reason} [{fatal['place']}]"
    if exit_code < 0 and exit_code != -signal.SIGABRT:
        return _MEANING.get(signal.Signals(-exit_code), f"killed by signal {-exit_code}")
    others = list(_OTHER.finditer(text))
    if others:
        return others[-1]["text"].strip()
    return f"ended with exit code {exit_code} and no word why"
