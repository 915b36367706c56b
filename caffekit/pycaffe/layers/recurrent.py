"""What RNN and LSTM share: time steps, hidden states that live on, and the parameters' random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer, Shape
from caffekit.pycaffe.layers.unrolled import Unrolled
from caffekit.pycaffe.log import log


class Recurrent(Layer):
    """The base of layers over sequences.

    Bottoms: x (T, N, …), cont (T, N), 0 where a sequence begins and 1 where it goes on; perhaps x_static
    (N, …); with expose_hidden the states before the first step, (1, N, H) each.
    Tops: outputs (T, N, H); with expose_hidden the states after the last step.
    Without expose_hidden the states after the last step are the next forward's first ones, and no gradient
    goes back to the batch before. cont has no gradient, and as in Caffe none comes back through the states
    after the last step.
    """

    no_gradient = (1,)
    states = 0
    """How many hidden states the layer has."""

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.steps = bottom[0].shape[0]
        self.last: list[torch.Tensor] = []
        self._inputs = [blob.shape for blob in bottom[: 2 + self.has_static()]]

    def has_static(self) -> bool:
        """Whether there is a bottom x_static."""
        exposed = self.states if self.layer_param.recurrent_param.expose_hidden else 0
        return len(self.layer_param.bottom) - exposed == 3

    def make_params(self, shapes: list[Shape]) -> None:
        """As in Caffe, those of the unrolled net, where every time step fills its copy before it shares.

        That net is built for its parameters, its random numbers and its log lines, never run; values in the
        prototxt (`blobs`) count for nothing, in Caffe too.
        """
        from caffekit.pycaffe.build import build  # which knows this layer

        name = self.layer_param.name
        steps, streams = self._inputs[0][:2]
        log(
            "recurrent_layer.cpp:20",
            f"Initializing recurrent layer: assuming input batch contains {steps} timesteps of {streams}"
            " independent streams.",
        )
        if self.layer_param.recurrent_param.debug_info:
            log("recurrent_layer.cpp:107", f"layer '{name}': debug_info of its steps is not supported", "W")
        net = self.unrolled(Unrolled(self.layer_param, self._inputs, self.has_static()))
        try:
            self.blobs += [blob for blob, *_ in build(net).learnable]
        except ValueError as error:
            raise ValueError(f"layer '{name}': {error}") from error
        names = dict.fromkeys(param.name for layer in net.layer for param in layer.param)
        for i, param in enumerate(names):
            log("recurrent_layer.cpp:150", f"Adding parameter {i}: {param}")

    def unrolled(self, steps: Unrolled) -> Any:
        """The NetParameter of all time steps."""
        raise NotImplementedError(f"{self.type} has no unrolled net")

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, (x, cont) = self.layer_param.recurrent_param, bottom[:2]
        if x.shape[0] != self.steps:
            raise ValueError(
                f"layer '{self.layer_param.name}': its first bottom has {x.shape[0]} time steps, but it was"
                f" set up with {self.steps}; the number of steps cannot change"
            )
        rest = bottom[2:]
        exposed = self.states if param.expose_hidden else 0
        static, given = rest[: len(rest) - exposed], rest[len(rest) - exposed :]
        start = [state[0] for state in given] or self._carried(x)
        inputs = torch.nn.functional.linear(x.flatten(2), params[0], params[1])
        if static:
            inputs = inputs + torch.nn.functional.linear(static[0].flatten(1), params[2])
        outputs, end = self.unroll(inputs, cont.unsqueeze(-1), start, params[2 + len(static) :])
        self.last = [state.detach() for state in end]
        return [torch.stack(outputs), *(state.unsqueeze(0) for state in self.last[:exposed])]

    def _carried(self, x: torch.Tensor) -> list[torch.Tensor]:
        shape = (x.shape[1], self.layer_param.recurrent_param.num_output)
        if self.last and tuple(self.last[0].shape) == shape:
            return self.last
        return [torch.zeros(shape, device=x.device) for _ in range(self.states)]

    def unroll(
        self,
        inputs: torch.Tensor,
        cont: torch.Tensor,
        states: list[torch.Tensor],
        params: list[torch.Tensor],
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Outputs of every step, and the states after the last one."""
        raise NotImplementedError(f"{self.type} has no unroll")
