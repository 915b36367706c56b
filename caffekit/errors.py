"""Every error a user can cause, as one tree. No other class ends a command.

CaffekitError                 exit  kind
├── UsageError                   2  usage
│   └── ConfigError              2  config        all mistakes of one file at once
├── DataError                    4  data
│   └── FormatError              4  format        a file that is not what it should be
├── DivergedError                5  diverged
├── EnvironmentProblem           7  environment
├── EngineDied                   8  engine-died
├── Paused                       9  paused
├── Locked                      75  locked
├── Interrupted                130  interrupted
└── Terminated                 143  terminated

Anything else that reaches the top is our bug: exit 1, and the traceback is saved. A checker that found
something has not failed: its Report has the exit code FINDINGS.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FINDINGS = 3


class CaffekitError(Exception):
    """One line of what went wrong (with its place), and one line of what to do about it."""

    exit_code = 1
    kind = "internal"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message  # which whoever passes the error on may have made clearer


class UsageError(CaffekitError):
    """Options that cannot be combined, an output that exists already, a value out of range."""

    exit_code = 2
    kind = "usage"


class ConfigError(UsageError):
    """One or more mistakes in a YAML file or in --set; every one is a line of `problems`."""

    kind = "config"

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        super().__init__("\n".join(problems), hint)
        self.problems = list(problems)


class DataError(CaffekitError):
    """Input data that is missing or unusable."""

    exit_code = 4
    kind = "data"


class FormatError(DataError):
    """A file that is not in the format it should be in: a list, an LMDB, a prototxt, a model."""

    kind = "format"


class DivergedError(CaffekitError):
    """Training diverged and the recovery budget is spent."""

    exit_code = 5
    kind = "diverged"


class EnvironmentProblem(CaffekitError):
    """An engine or device that is not there, a full disk, a missing permission."""

    exit_code = 7
    kind = "environment"


class EngineDied(CaffekitError):
    """The training process aborted or was killed and could not be restarted."""

    exit_code = 8
    kind = "engine-died"


class Paused(CaffekitError):
    """--max-hours is used up; the same command goes on where this one stopped."""

    exit_code = 9
    kind = "paused"


class Locked(CaffekitError):
    """Another run holds the lock."""

    exit_code = 75
    kind = "locked"


class Interrupted(CaffekitError):
    """SIGINT; the state is saved."""

    exit_code = 130
    kind = "interrupted"


class Terminated(CaffekitError):
    """SIGTERM; the state is saved."""

    exit_code = 143
    kind = "terminated"


_OS_HINTS = {
    errno.ENOSPC: "free some space, or choose another output folder",
    errno.EDQUOT: "your disk quota is used up: free some space, or choose another output folder",
    errno.EACCES: "check the permissions of the folder",
    errno.EPERM: "check the permissions of the folder",
    errno.EROFS: "that file system is read-only: choose another output folder",
}


def from_os_error(error: OSError, what: str) -> CaffekitError:
    """The error to raise for `error`, met while doing `what` ("writing DIR/x")."""
    hint = _OS_HINTS.get(error.errno or 0)
    reason = error.strerror or str(error)
    if hint:
        return EnvironmentProblem(f"{what}: {reason}", hint)
    return DataError(f"{what}: {reason}", "check the path")


@contextmanager
def os_errors(what: str, path: Path | str) -> Iterator[None]:
    """Turn an OSError inside the block into one line that names what was done to which path."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, f"{what} {path}") from error
