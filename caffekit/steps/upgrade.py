"""`upgrade`: files of 2013 and 2014 as today's, as Caffe's three upgrade tools do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffekit.errors import FormatError, UsageError, os_errors
from caffekit.formats.atomic import refuse_existing, write_bytes
from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter
from caffekit.formats.prototxt import parse, read_text, write_prototxt
from caffekit.formats.upgrade import upgrade_net, upgrade_solver
from caffekit.formats.weights import read_caffemodel, write_caffemodel
from caffekit.formats.weights_h5 import is_hdf5
from caffekit.options import Options
from caffekit.report import Report

DEFAULT_OPTIONS = Options()


def upgrade(source: Path, out: Path, options: Options = DEFAULT_OPTIONS) -> Report:
    """Write `source`, a net or solver as text or a .caffemodel, to `out` in today's form.

    A file that is current is copied, comments and all. FormatError for what is neither, UsageError for HDF5.
    """
    refuse_existing(out, options.overwrite)
    if is_hdf5(source):
        raise UsageError(f"{source}: HDF5 weights have no older form", "nothing to upgrade")
    said: list[str] = []
    kind, message = _read(source, lambda _, text, __: said.append(text))
    changed = any(text.startswith("Attempting") for text in said)
    if not options.dry_run:
        if not changed:
            with os_errors("reading", source):
                write_bytes(out, source.read_bytes())
        elif kind == "caffemodel":
            write_caffemodel(out, message)
        else:
            write_prototxt(out, message)
    problems = [text for text in said if not text.startswith(("Attempting", "Successfully", "Note that"))]
    did = "upgraded" if changed else "already current, copied"
    lines = [f"{source}: {kind}, {did} → {out}"]
    return Report("upgrade", {"kind": kind, "upgraded": changed, "out": str(out)}, lines, warnings=problems)


def _read(source: Path, say: Any) -> tuple[str, Any]:
    """What `source` is, and its message in today's form."""
    with os_errors("reading", source), source.open("rb") as file:
        binary = b"\0" in file.read(1 << 16)
    if binary:
        return "caffemodel", read_caffemodel(source, say)
    text = read_text(source)
    try:
        return "net", upgrade_net(parse(text, NetParameter(), str(source)), str(source), say)
    except FormatError as error:
        try:
            solver = parse(text, SolverParameter(), str(source))
        except FormatError:
            raise error from None
    return "solver", upgrade_solver(solver, str(source), say)
