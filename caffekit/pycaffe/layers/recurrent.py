"""What RNN and LSTM share: time steps, hidden states that live on, and the parameters' random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.fillers import fill
from caffekit.pycaffe.layer import Layer, Shape


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
    step_params = 0
    """How many of the last parameters belong to the single steps."""

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.steps = bottom[0].shape[0]
        self.last: list[torch.Tensor] = []

    def has_static(self) -> bool:
        """Whether there is a bottom x_static."""
        exposed = self.states if self.layer_param.recurrent_param.expose_hidden else 0
        return len(self.layer_param.bottom) - exposed == 3

    def make_params(self, shapes: list[Shape]) -> None:
        """As in Caffe, where every time step is a layer that fills its copy before it shares the first's."""
        super().make_params(shapes)
        for _ in range(self.steps - 1):
            for filler, shape in list(zip(self.fillers(), shapes, strict=True))[-self.step_params :]:
                fill(Blob(shape), filler)

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
