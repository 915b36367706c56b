"""A BatchNorm and the Scale in place behind it, computed as one: half the passes over memory.

What BatchNorm writes is overwritten by the Scale at once, so that nobody can see the difference.
"""

from __future__ import annotations

from typing import Any

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.mode import spares_memory


class Joined:
    """Layers `index` (a BatchNorm) and `index` + 1 (a Scale) of a net; `active` while they run as one."""

    def __init__(self, index: int, norm: Any, scale: Any, in_place: bool) -> None:
        self.index, self.norm, self.scale, self.in_place = index, norm, scale, in_place
        self.active = False

    def decide(self, start: int, end: int, watched: bool) -> None:
        """Run as one in a forward pass over layers start … end, unless somebody watches every layer.

        Where the norm is not in place, its top's gradient would show; not where gradients are not kept.
        """
        inside = start <= self.index and self.index + 1 <= end
        self.active = inside and not watched and (self.in_place or spares_memory())

    def ready(self, start: int, end: int, watched: bool) -> None:
        """Before a backward pass over layers start … end: part, if it needs the two apart."""
        apart = watched or not end <= self.index < start
        if self.active and (apart or self.norm._held is None):
            self._part()

    def forward(self, bottom: Blob, top: Blob, keep: bool) -> None:
        """The Scale's top from the norm's bottom."""
        x = bottom.value
        with torch.no_grad():
            y = self.norm.normalise(x, *(blob.value for blob in self.scale.blobs))
        if bottom is not top:
            bottom.kept = True
        elif keep and bottom.shown:
            x = x.clone()  # the result is about to be written into this memory
        top.value = y
        top.kept = False
        self.norm._held = ([x], [y]) if keep else None

    def backward(self, bottom: Blob, top: Blob) -> None:
        """The gradients of the norm's bottom and of the Scale's parameters."""
        ((x,), _), norm = self.norm._held, self.norm
        down = norm.propagate_down[0]
        grad, *of_params = torch.ops.aten.native_batch_norm_backward(
            *(top.grad, x, self.scale.blobs[0].value, *norm.statistics, not norm.use_global_stats, norm.eps),
            [down, True, True],
        )
        for i, wanted in enumerate(self.scale.param_propagate_down):
            if wanted:
                self.scale.accumulate(i, of_params[i])
        if down:
            bottom.set_grad(grad, borrowed=False)

    def _part(self) -> None:
        """What the two would have kept for their backward passes, had they run one after the other."""
        self.active = False
        if self.norm._held is None:
            return
        (x,), (y,) = self.norm._held
        sums = [blob.value.clone() for blob in self.norm.blobs]
        (normalised,) = self.norm.forward([x], [])
        for blob, before in zip(self.norm.blobs, sums, strict=True):
            blob.value.copy_(before)
        self.norm._held = [x], [normalised]
        self.scale._held = [normalised], [y]


def join(built: Any) -> list[Joined]:
    """The pairs of a net (build.Built) that can run as one; tells their layers so."""
    pairs = []
    for i, (norm, scale) in enumerate(zip(built.layers, built.layers[1:], strict=False)):
        if norm.type != "BatchNorm" or scale.type != "Scale":
            continue
        (bottom,), (top,) = built.bottoms[i], built.tops[i]
        behind = built.bottoms[i + 1] == built.tops[i + 1] == [top]
        alike = built.need_backward[i] == built.need_backward[i + 1] and scale.propagate_down == [True]
        if behind and alike and len(scale.blobs) == 2 and scale.formula([built.blobs[top].value]):
            pairs.append(Joined(i, norm, scale, bottom == top))
            norm.joined = scale.joined = pairs[-1]
    return pairs
