"""Parameter: a learned blob as a top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.fillers import constant
from caffekit.pycaffe.layer import Layer


class Parameter(Layer):
    """No bottom → top, which is the parameter itself: same memory, same gradient. It starts at 0.

    parameter_param: shape.
    """

    type = "Parameter"

    def fillers(self) -> list[Any]:
        return [constant(0)]

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        top[0].share(self.blobs[0])

    def run_backward(self, top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        """The layers above have written the gradient where the solver reads it."""
