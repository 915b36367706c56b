"""Input: blobs that the user sets."""

from __future__ import annotations

from collections.abc import Sequence

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer, Shape


class Input(Layer):
    """Tops hold what the user assigns to net.blobs[…].data.

    input_param: shape, once for all tops or one per top.
    """

    type = "Input"

    def top_shapes(self, bottom: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        shapes = [tuple(shape.dim) for shape in self.layer_param.input_param.shape]
        tops = len(self.layer_param.top)
        if len(shapes) not in (1, tops):
            raise ValueError(
                f"layer '{self.layer_param.name}': expected 1 or {tops} shapes, got {len(shapes)}"
            )
        return (shapes * tops if len(shapes) == 1 else shapes), []

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        """The tops already hold the user's data."""
