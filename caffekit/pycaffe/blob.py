"""Blob: an array and its gradient, writable through numpy as in pycaffe."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from caffekit.memory import keep_pages
from caffekit.pycaffe.mode import device

keep_pages()

Array = NDArray[np.float32]

MAX_AXES, MAX_COUNT = 32, 2**31 - 1


class _Memory:
    """One float32 tensor where the net computes, and the numpy view that users write through.

    On the CPU both are the same memory. On a GPU it is Caffe's SyncedMemory: whoever was asked for last
    (`host` by the user, `get` by the net) is the newer side, and the other one is refreshed on demand.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.tensor: torch.Tensor | None = None
        self.shape = shape
        self.mirror: torch.Tensor | None = None  # the host's side, where it is not the same memory
        self.mirror_is_newer = False
        self.shown = False  # a numpy view of this memory is out: its address must stay
        self.shared = False  # another _Memory sees the same values in another shape
        self.borrowed = False  # the tensor is also another memory's: nobody may write into it
        self.due: Callable[[torch.Tensor], object] | None = None  # what get() must do first
        self.room: torch.Tensor | None = None  # all values of which `tensor` shows the first ones, if more

    def get(self) -> torch.Tensor:
        """The tensor to compute with; zeros at first, allocated when first needed."""
        if self.tensor is None:
            self.tensor = torch.zeros(self.shape, device=device())
        if self.due is not None:
            due, self.due = self.due, None
            due(self.tensor)
        if self.mirror_is_newer and self.mirror is not None:
            self.tensor.copy_(self.mirror)
            self.mirror_is_newer = False
        return self.tensor

    def later(self, fill: Callable[[torch.Tensor], object]) -> None:
        """Let `fill` overwrite the content, not before somebody asks for it."""
        if self.shown or self.shared or self.tensor is None:
            fill(self.get())
        else:
            self.mirror_is_newer, self.due = False, fill

    def set(self, value: torch.Tensor, borrowed: bool = False) -> None:
        """Take `value` as the content; views that users hold see it too."""
        self.mirror_is_newer, self.due = False, None
        if value is self.tensor:
            return
        if self.shown and self.tensor is not None and self.tensor.shape == value.shape:
            self.tensor.copy_(value)
        else:
            self.tensor, self.shape, self.shown = value, tuple(value.shape), False
            self.borrowed, self.room = borrowed, None

    def reshape(self, shape: tuple[int, ...]) -> None:
        """Show as many of the values as `shape` takes; zeros in new memory where it takes more.

        Like Caffe's, the memory does not shrink: what a smaller shape hides comes back with a larger one.
        """
        if self.tensor is not None:
            tensor = self.get()
            flat = tensor.reshape(-1) if self.room is None else self.room
            count = math.prod(shape)
            if count <= len(flat):
                self.tensor, self.room, self.shape = flat[:count].view(shape), flat, shape
                return
        self.tensor, self.room, self.shape = None, None, shape
        self.shown = self.shared = self.borrowed = False

    def seen_as(self, shape: tuple[int, ...]) -> _Memory:
        """The same memory in another shape of as many values."""
        if shape == self.shape:
            return self
        view = _Memory(shape)
        view.tensor = self.get().view(shape)
        view.shared = self.shared = True
        return view

    def host(self) -> Array:
        """A writable view of the content."""
        tensor = self.get()
        if tensor.device.type == "cpu":
            if self.borrowed or not tensor.is_contiguous():
                self.tensor = tensor = tensor.clone(memory_format=torch.contiguous_format)
                self.borrowed, self.room = False, None
            self.shown = True
            return tensor.numpy()
        if self.mirror is None or self.mirror.shape != tensor.shape:
            self.mirror = torch.empty_like(tensor, device="cpu")
        self.mirror.copy_(tensor)
        self.mirror_is_newer = True
        return self.mirror.numpy()


class Blob:
    """`data` and `diff`, two float32 arrays of one shape."""

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self._data, self._diff = _Memory(shape), _Memory(shape)
        self.kept = True  # a recorded graph may need the values as they are: not to be overwritten in place

    @property
    def data(self) -> Array:
        """The values, as a writable view: what is assigned here is what the net computes with."""
        return self._data.host()

    @property
    def diff(self) -> Array:
        """The gradient of the loss with respect to `data`, as a writable view."""
        return self._diff.host()

    @property
    def value(self) -> torch.Tensor:
        """`data` as the tensor that layers compute with."""
        return self._data.get()

    @value.setter
    def value(self, tensor: torch.Tensor) -> None:
        if tuple(tensor.shape) != self._diff.shape:
            self._diff.reshape(tuple(tensor.shape))
        self._data.set(tensor)
        self.kept = True

    @property
    def grad(self) -> torch.Tensor:
        """`diff` as a tensor."""
        return self._diff.get()

    @grad.setter
    def grad(self, tensor: torch.Tensor) -> None:
        self._diff.set(tensor)

    def set_grad(self, tensor: torch.Tensor, borrowed: bool) -> None:
        """Take `tensor` as the gradient; a `borrowed` one is another blob's too: copied when shown."""
        self._diff.set(tensor, borrowed)

    def drop_grad(self) -> None:
        """Free a gradient that the next backward pass will overwrite, unless somebody looks at it."""
        if not self._diff.shown:
            self._diff = _Memory(self.shape)

    def clear_grad(self) -> None:
        """Zero the gradient; the first one added is stored instead, if nobody looks in between."""
        self._diff.later(torch.Tensor.zero_)

    def grad_and_beta(self) -> tuple[torch.Tensor, int]:
        """The gradient to add to, and the beta of BLAS: 0 where it is to be overwritten instead."""
        if self._diff.due is torch.Tensor.zero_ and self._diff.tensor is not None:
            self._diff.due = None
            return self._diff.tensor, 0
        return self._diff.get(), 1

    def add_grad(self, grad: torch.Tensor) -> None:
        """Add to the gradient."""
        tensor, beta = self.grad_and_beta()
        if beta:
            tensor.add_(grad)
        else:
            tensor.copy_(grad)

    @property
    def shown(self) -> bool:
        """Whether a user may hold a view of the values, so that new ones are written into the same memory."""
        return self._data.shown

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    def reshape(self, *shape: int) -> None:
        """Change the shape; values and gradient stay as far as the memory held them before, as in Caffe.

        ValueError for what BVLC aborts on: a side below 0, more than 32 axes or 2^31 - 1 values.
        """
        if shape == self.shape:
            return
        if len(shape) > MAX_AXES or any(side < 0 for side in shape) or math.prod(shape) > MAX_COUNT:
            raise ValueError(
                f"blob shape {shape}: no side may be below 0, at most {MAX_AXES} sides and {MAX_COUNT} values"
            )
        self._data.reshape(shape)
        self._diff.reshape(shape)

    def share_data(self, other: Blob) -> None:
        """Hold the same values in the same memory as `other`, with a gradient of one's own."""
        self._data = other._data

    def share(self, other: Blob) -> None:
        """Hold the same values and the same gradient as `other` (a shared parameter), in one's own shape."""
        self._data, self._diff = other._data.seen_as(self.shape), other._diff.seen_as(self.shape)

    def _legacy(self, axis: int) -> int:
        return self.shape[axis] if axis < len(self.shape) else 1

    num = property(lambda self: self._legacy(0))
    channels = property(lambda self: self._legacy(1))
    height = property(lambda self: self._legacy(2))
    width = property(lambda self: self._legacy(3))

    def __repr__(self) -> str:
        return f"Blob{self.shape}"
