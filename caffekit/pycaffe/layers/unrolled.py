"""The net that RNN and LSTM are in BVLC Caffe: layers for each time step, which share their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffekit.formats.caffe_pb2 import FillerParameter, NetParameter

Shape = tuple[int, ...]


class Unrolled:
    """The NetParameter of one recurrent layer, `net`, which grows layer by layer.

    Inputs x (T, N, …) and cont (T, N), perhaps x_static (N, …), and the states (1, N, H). Every layer is
    called `prefix`_NAME. Source: src/caffe/layers/recurrent_layer.cpp, rnn_layer.cpp, lstm_layer.cpp.
    """

    def __init__(self, layer: Any, shapes: Sequence[Shape], has_static: bool) -> None:
        self.prefix, own = layer.name, layer.recurrent_param
        # A fork's message is of another class than the same one of BVLC.
        self.weight_filler, self.bias_filler = (
            FillerParameter.FromString(filler.SerializeToString())
            for filler in (own.weight_filler, own.bias_filler)
        )
        self.size, self.has_static = own.num_output, has_static
        self.steps, self.streams = shapes[0][:2]
        self.net = NetParameter()
        self.input(["x", "cont", *["x_static"] * has_static], shapes)

    def add(self, type: str, name: str, bottom: Sequence[str], top: Sequence[str], **settings: Any) -> None:
        """A layer of this type; `settings` are fields of LayerParameter."""
        name = f"{self.prefix}_{name}" if self.prefix else name
        self.net.layer.add(name=name, type=type, bottom=bottom, top=top, **settings)

    def input(self, names: Sequence[str], shapes: Sequence[Shape]) -> None:
        """An Input layer with a top of each name; it has no name of its own."""
        self.add("Input", "", [], names, input_param={"shape": [{"dim": shape} for shape in shapes]})

    def inner_product(
        self, name: str, bottom: str, top: str, params: Sequence[str], size: int, **more: Any
    ) -> None:
        """`size` sums over the axes from `axis` (2) on; a bias where a second parameter is named."""
        own = {"num_output": size, "bias_term": len(params) > 1, "axis": more.pop("axis", 2)}
        own["weight_filler"] = self.weight_filler
        if len(params) > 1:
            own["bias_filler"] = self.bias_filler
        self.add(
            "InnerProduct", name, [bottom], [top],
            param=[{"name": param} for param in params], inner_product_param=own, **more,
        )  # fmt: skip

    def begin(self, gate: str, states: Sequence[str], size: int) -> None:
        """The states before the first step, cont by steps, and W_x`gate` x + b_`gate` by steps."""
        self.input(states, [(1, self.streams, self.size)] * len(states))
        steps = range(1, self.steps + 1)
        self.add("Slice", "cont_slice", ["cont"], [f"cont_{t}" for t in steps], slice_param={"axis": 0})
        of_x = f"W_x{gate}"
        self.inner_product("x_transform", "x", f"{of_x}_x", [of_x, f"b_{gate}"], size, propagate_down=[True])
        if self.has_static:
            flat, shaped = f"{of_x}_x_static_preshape", f"{of_x}_x_static"
            self.inner_product(
                shaped, "x_static", flat, [f"{of_x}_static"], size, axis=1, propagate_down=[True]
            )
            shape = {"shape": {"dim": [1, -1, size]}}
            self.add("Reshape", f"{shaped}_reshape", [flat], [shaped], reshape_param=shape)
        parts = [f"{of_x}_x_{t}" for t in steps]
        self.add("Slice", f"{of_x}_x_slice", [f"{of_x}_x"], parts, slice_param={"axis": 0})

    def keep_state(self, step: int) -> None:
        """h before `step`, unless a sequence begins there."""
        before = f"h_conted_{step - 1}"
        self.add("Scale", before, [f"h_{step - 1}", f"cont_{step}"], [before], scale_param={"axis": 0})

    def sum(self, name: str, top: str, gate: str, step: int) -> None:
        """The parts of a step's input: from the state, from x, and from x_static."""
        parts = [f"W_h{gate}_h_{step - 1}", f"W_x{gate}_x_{step}", *[f"W_x{gate}_x_static"] * self.has_static]
        self.add("Eltwise", name, parts, [top], eltwise_param={"operation": "SUM"})

    def end(self, output: str) -> Any:
        """The outputs of all steps as one blob, and a loss that makes every layer learn; the net."""
        parts = [f"{output}_{t}" for t in range(1, self.steps + 1)]
        self.add("Concat", f"{output}_concat", parts, [output], concat_param={"axis": 0})
        loss = f"{output}_pseudoloss"
        self.net.layer.add(name=loss, type="Reduction", bottom=[output], top=[loss], loss_weight=[1])
        return self.net
