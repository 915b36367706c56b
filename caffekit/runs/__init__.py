"""Run directories: their files, their snapshots, their books."""

from caffekit.runs.best import Best
from caffekit.runs.books import EventLog, read_events, write_metrics
from caffekit.runs.layout import MARK, RunDir, read_json, write_json
from caffekit.runs.snapshots import discard_after, find_snapshots, newest_valid, prune, snapshot_of

__all__ = [
    "MARK",
    "Best",
    "EventLog",
    "RunDir",
    "discard_after",
    "find_snapshots",
    "newest_valid",
    "prune",
    "read_events",
    "read_json",
    "snapshot_of",
    "write_json",
    "write_metrics",
]
