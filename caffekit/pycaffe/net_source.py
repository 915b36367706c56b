"""What a net is built from: its file or message, in the state that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from caffekit.errors import FormatError
from caffekit.formats.prototxt import read_net
from caffekit.formats.prototxt_scan import layer_lines
from caffekit.pycaffe.log import log


def warn_of_old_form(network_file: Any, phase: int, weights: str) -> None:
    """Say in the log how Net(network_file, weights, phase) should be written."""
    for source, text in (
        ("139", "DEPRECATION WARNING - deprecated use of Python interface"),
        ("140", 'Use this instead (with the named "weights" parameter):'),
        ("142", f"Net('{network_file}', {phase}, weights='{weights}')"),
    ):
        log(f"_caffe.cpp:{source}", text, "W")


def in_state(net: Any, phase: int, level: int, stages: Sequence[str]) -> Any:
    """A copy of `net` in this state; stages add up."""
    out = type(net)()
    out.CopyFrom(net)
    out.state.phase, out.state.level = phase, level
    out.state.stage.extend(stages)
    return out


def read_network(network_file: Any) -> Any:
    """A NetParameter, read from a file or as it is; RuntimeError, as pycaffe's, if there is no such file."""
    if isinstance(network_file, Message):
        return network_file
    if not Path(network_file).is_file():
        raise RuntimeError(f"Could not open file {network_file}")
    return read_net(Path(network_file), log)


@contextmanager
def saying_where(network_file: Any) -> Iterator[None]:
    """Put FILE:LINE before the message of an error that names a layer of that file."""
    try:
        yield
    except (ValueError, FormatError) as error:
        named = re.search(r"layer '([^']*)'", str(error))
        if named and not isinstance(network_file, Message):
            lines = layer_lines(Path(network_file).read_text(encoding="utf-8", errors="replace"))
            line = lines.get(named[1])
            message = f"{network_file}{f':{line}' if line else ''}: {error}"
            if isinstance(error, FormatError):
                error.message = message
            else:
                error.args = (message,)
        raise
