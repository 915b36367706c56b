"""The snapshots of a run, and the newest one that training may go on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from caffekit.errors import CaffekitError

NonFinite = Callable[[Path], list[str]]


class Snapshots:
    """Snapshots seen in events, by iteration: {iteration: (model, state)}."""

    def __init__(self, non_finite: NonFinite) -> None:
        self.non_finite = non_finite
        self.known: dict[int, tuple[Path, Path]] = {}
        self.passed_over: list[str] = []
        """Which ones the last `newest` did not take, and why."""

    def observe(self, event: Mapping[str, Any]) -> None:
        """Remember the snapshot in a `snapshot` event, unless the worker says that it is not finite."""
        if event.get("event") == "snapshot" and event.get("state"):
            it = int(event["iter"])
            if event.get("finite", True):
                self.known[it] = (Path(event["model"]), Path(event["state"]))
            else:
                self.known.pop(it, None)

    def newest(self, limit: int) -> Path | None:
        """The state of the newest snapshot at or before iteration `limit`, finite in weights and history.

        All later ones, and those that are not finite, are forgotten (not deleted).
        """
        self.passed_over = []
        for it in sorted(self.known, reverse=True):
            model, state = self.known[it]
            if it > limit:
                self.passed_over.append(f"{state.name}: after iteration {limit}, up to which all was well")
            elif why := self._unusable(model) or self._unusable(state):
                self.passed_over.append(why)
            else:
                return state
            del self.known[it]
        return None

    def iteration(self, state: Path | None) -> int | None:
        """The iteration of a known snapshot's state."""
        return next((it for it, (_, known) in self.known.items() if known == state), None)

    def usable(self, state: Path) -> bool:
        """The state's history is finite."""
        return not self._unusable(state)

    def _unusable(self, path: Path) -> str:
        try:
            blobs = self.non_finite(path)
        except (CaffekitError, OSError) as error:
            return f"{path.name}: {error}"
        return f"{path.name}: not finite in {', '.join(blobs[:3])}" if blobs else ""
