"""What all commands share: the common options, one line per error, exit codes."""

from __future__ import annotations

import functools
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import click

from caffekit.errors import CaffekitError, Interrupted, Terminated, UsageError, from_os_error
from caffekit.options import Options
from caffekit.report import Report, dumps

Body = Callable[..., Report]


@dataclass
class Call:
    """One call of a command: the common options, and the settings that its flags and its file give."""

    command: str
    as_json: bool
    verbose: bool
    quiet: bool
    dry_run: bool
    overwrite: bool
    workers: int
    scheduler: str
    seed: int | None
    config: Path | None
    overrides: tuple[str, ...]

    @cached_property
    def options(self) -> Options:
        """The common options as steps take them; the seed may come from the config file."""
        seed = self.seed
        if seed is None:
            seed = self.settings().seed if self.config or self.overrides else 0
        return Options(seed, self.workers, self.dry_run, self.overwrite, self.quiet, self.scheduler)

    def settings(self, section: str = "", **flags: Any) -> Any:
        """The checked settings (of one section): flag > --set > file > default. None means "not given"."""
        from caffekit.config import load_settings

        given = {k: v for k, v in flags.items() if v is not None}
        settings = load_settings(self.config, self.overrides, {section: given} if section else given)
        return getattr(settings, section) if section else settings


COMMON = [
    click.option("-c", "--config", type=click.Path(dir_okay=False, path_type=Path), help="YAML settings."),
    click.option("--set", "overrides", multiple=True, metavar="A.B=VALUE", help="One setting (repeatable)."),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random.  [default: 0]"),
    click.option("--workers", type=click.IntRange(min=0), default=0, help="Workers.  [default: all cores]"),
    click.option("--scheduler", default="", metavar="HOST:PORT", help="Dask cluster for image work."),
    click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing."),
    click.option("--overwrite", is_flag=True, help="Replace outputs that exist."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no notes."),
    click.option("-v", "--verbose", is_flag=True, help="Show tracebacks."),
]
_COMMON_NAMES = [f.name for f in Call.__dataclass_fields__.values() if f.name != "command"]


def command(body: Body) -> click.Command:
    """A click command named after `body` (gen_lmdb → gen-lmdb), with the common options.

    `body(call, **own options)` returns a Report; printing it and the exit code are done here.
    """
    name = body.__name__.strip("_").replace("_", "-")

    @functools.wraps(body)
    def run(**kwargs: Any) -> None:
        call = Call(command=name, **{key: kwargs.pop(key) for key in _COMMON_NAMES})
        finish(call, guarded(call, lambda: body(call, **kwargs)))

    for option in reversed(COMMON):
        run = option(run)
    return click.command(name)(run)


def guarded(call: Call, work: Callable[[], Report]) -> Report:
    """Run `work`; any error becomes a failed Report with one line, a hint and the right exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return work()
    except click.ClickException:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if call.verbose:
            traceback.print_exc()
        return Report(call.command).fail(as_caffekit_error(error))


def as_caffekit_error(error: BaseException) -> CaffekitError:
    """The error of our tree that stands for `error`; what is not a user's doing is a bug of ours."""
    if isinstance(error, CaffekitError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted", "run the same command again to go on")
    if isinstance(error, OSError):
        return from_os_error(error, str(error.filename or "input or output"))
    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile("w", prefix="caffekit-bug-", suffix=".txt", delete=False) as file:
        file.write(f"caffekit {' '.join(sys.argv[1:])}\n{text}")
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return CaffekitError(f"bug in caffekit: {what}", f"please report it with the traceback in {file.name}")


def _terminate(*_: object) -> NoReturn:
    raise Terminated("terminated", "run the same command again to go on")


def finish(call: Call, report: Report) -> NoReturn:
    """Print the report (stdout: the result; stderr: warnings and the error) and exit with its code."""
    if not call.quiet:
        for warning in report.warnings:
            click.echo(click.style("warning: ", fg="yellow") + warning, err=True)
    if report.error:
        echo_error(report.error)
    if call.as_json:
        click.echo(dumps(report.as_json()))
    elif str(report):
        click.echo(str(report))
    sys.stdout.flush()
    sys.exit(report.exit_code)


def echo_error(error: CaffekitError) -> None:
    """`error: …` and `hint: …` on stderr."""
    click.echo(click.style("error: ", fg="red") + error.message, err=True)
    if error.hint:
        click.echo(click.style("hint: ", fg="cyan") + error.hint, err=True)


class Group(click.Group):
    """A group whose usage mistakes obey --json too."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command line in `sys.argv` (or `args`) and exit."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.ClickException as error:
            argv = kwargs.get("args") or (args[0] if args else None) or sys.argv[1:]
            code = _usage(error, "--json" in argv, argv)
        except click.Abort:
            code = 130
        sys.exit(code if isinstance(code, int) else 0)


def _usage(error: click.ClickException, as_json: bool, argv: list[str]) -> int:
    """Print a mistake in the options as click does, or as the JSON object that --json promises."""
    if as_json:
        name = next((word for word in argv if not word.startswith("-")), "caffekit")
        hint = f"see `caffekit {name} --help`"
        click.echo(dumps(Report(name).fail(UsageError(error.format_message(), hint)).as_json()))
    error.show()
    return UsageError.exit_code
