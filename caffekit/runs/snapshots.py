"""Snapshots on disk: which there are, which can be gone on from, which may go."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from caffekit.errors import CaffekitError
from caffekit.formats.weights import non_finite

_STATE = re.compile(r"(?P<stem>.+_iter_(?P<iter>\d+))\.solverstate(?P<h5>\.h5)?")


@dataclass(frozen=True, order=True)
class Snapshot:
    """One snapshot: iteration, .caffemodel and .solverstate."""

    iter: int
    model: Path
    state: Path

    def problem(self) -> str:
        """Why training cannot go on from it ("" if it can): missing, cut short, or not finite."""
        for path in (self.model, self.state):
            if not path.is_file():
                return f"{path.name} is missing"
            try:
                bad = non_finite(path)
            except (CaffekitError, OSError) as error:
                return str(error)
            if bad:
                return f"{path.name} is not finite in {bad[0]}"
        return ""


def snapshot_of(state: Path) -> Snapshot | None:
    """The snapshot that a .solverstate belongs to; None if its name is not PREFIX_iter_N.solverstate."""
    match = _STATE.fullmatch(state.name)
    if not match:
        return None
    model = state.with_name(f"{match['stem']}.caffemodel{match['h5'] or ''}")
    return Snapshot(int(match["iter"]), model, state)


def find_snapshots(folder: Path) -> list[Snapshot]:
    """All snapshots in `folder`, oldest first; whether they are whole is not looked at."""
    found = (snapshot_of(path) for path in folder.glob("*.solverstate*"))
    return sorted(snapshot for snapshot in found if snapshot)


def newest_valid(folder: Path) -> tuple[Snapshot | None, list[str]]:
    """The newest snapshot that training can go on from, and why newer ones were passed over."""
    passed_over: list[str] = []
    for snapshot in reversed(find_snapshots(folder)):
        problem = snapshot.problem()
        if not problem:
            return snapshot, passed_over
        passed_over.append(f"snapshot at iteration {snapshot.iter}: {problem}")
    return None, passed_over


def prune(folder: Path, keep_last: int, keep: Iterable[int], last_healthy: int | None) -> list[int]:
    """Delete all but the `keep_last` newest, those at the iterations `keep`, and the newest one at or before
    `last_healthy`; the iterations deleted.

    Nothing is deleted while the newest one is not whole: an older one may be all that is left.
    """
    found = find_snapshots(folder)
    if len(found) <= keep_last or found[-1].problem():
        return []
    stays = {snapshot.iter for snapshot in found[-keep_last:]} | set(keep)
    healthy = [s.iter for s in found if last_healthy is not None and s.iter <= last_healthy]
    stays |= {healthy[-1]} if healthy else {s.iter for s in found}
    gone = [snapshot for snapshot in found if snapshot.iter not in stays]
    _delete(gone)
    return [snapshot.iter for snapshot in gone]


def discard_after(folder: Path, iteration: int) -> None:
    """Delete the snapshots taken after `iteration`: training starts again from there."""
    _delete(snapshot for snapshot in find_snapshots(folder) if snapshot.iter > iteration)


def _delete(snapshots: Iterable[Snapshot]) -> None:
    for snapshot in snapshots:
        snapshot.state.unlink(missing_ok=True)  # first: a model alone is no snapshot
        snapshot.model.unlink(missing_ok=True)
