"""DummyData: tops that fillers fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffekit.formats.caffe_pb2 import FillerParameter
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.fillers import FILLERS, fill
from caffekit.pycaffe.layer import Layer, Shape


class DummyData(Layer):
    """Tops of given shapes: constant ones are filled once, the others anew in every forward.

    dummy_data_param: shape, or the legacy num, channels, height and width, once or per top; data_filler
    (constant 0) once or per top.
    """

    type = "DummyData"

    def setup(self, bottom: Sequence[Blob]) -> None:
        param = self.layer_param.dummy_data_param
        tops, given = len(self.layer_param.top), list(param.data_filler)
        if len(given) not in (0, 1, tops):
            raise ValueError(
                f"layer '{self.layer_param.name}': Number of data fillers must be 0, 1 or equal to the number"
                f" of tops: {tops}; you specified {len(given)} data fillers."
            )
        if param.shape and (param.num or param.channels or param.height or param.width):
            raise ValueError(
                f"layer '{self.layer_param.name}': Both shape and legacy fields were specified; keep shape"
            )
        for filler in given:
            if filler.type not in FILLERS:
                raise ValueError(f"layer '{self.layer_param.name}': Unknown filler name: {filler.type}")
        one = given or [FillerParameter(type="constant")]
        self.data_fillers: list[Any] = one if len(one) == tops else one * tops

    def make_top(self, index: int, shape: Shape) -> Blob:
        blob, filler = Blob(shape), self.data_fillers[index]
        if filler.type == "constant":
            fill(blob, filler)
        return blob

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        for blob, filler in zip(top, self.data_fillers, strict=True):
            if filler.type != "constant":
                fill(blob, filler)
