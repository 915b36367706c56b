"""Blobs: writable views, sharing, and the host side of a GPU blob."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffekit.pycaffe.blob import Blob


def test_what_is_written_through_data_is_computed_with() -> None:
    blob = Blob((2, 3))
    blob.data[...] = 5
    blob.data[0, 1] += 1
    assert blob.value.tolist() == [[5, 6, 5], [5, 5, 5]]


def test_a_view_stays_live_when_the_net_computes_anew() -> None:
    blob = Blob((3,))
    view = blob.data
    blob.value = torch.tensor([1.0, 2, 3])
    assert view.tolist() == [1, 2, 3]


def test_reshape_keeps_what_the_memory_holds() -> None:
    """As in Caffe: the first values in a smaller shape, all of them again in the old one, zeros beyond."""
    blob = Blob((2, 3))
    view = blob.data
    view[...] = np.arange(6).reshape(2, 3)
    blob.diff[...] = 9
    blob.reshape(3, 2)
    assert blob.data.tolist() == [[0, 1], [2, 3], [4, 5]]
    blob.reshape(4)
    assert blob.data.tolist() == [0, 1, 2, 3]
    assert blob.diff.tolist() == [9, 9, 9, 9]
    blob.data[1] = 7
    blob.reshape(2, 3)
    assert blob.data.ravel().tolist() == view.ravel().tolist() == [0, 7, 2, 3, 4, 5]
    blob.reshape(7)
    assert blob.data.tolist() == blob.diff.tolist() == [0] * 7
    assert view.ravel().tolist() == [0, 7, 2, 3, 4, 5]


def test_reshape_of_values_that_are_computed_or_cleared() -> None:
    blob = Blob((2, 2))
    blob.value = torch.arange(4.0).reshape(1, 2, 2, 1).to(memory_format=torch.channels_last)
    blob.grad = torch.ones(1, 2, 2, 1)
    blob.clear_grad()
    blob.reshape(3)
    assert blob.data.tolist() == [0, 1, 2]
    assert blob.diff.tolist() == [0, 0, 0]
    blob.value = torch.tensor([5.0, 6])
    blob.reshape(4)
    assert blob.data.tolist() == [0, 0, 0, 0]  # it was two values' memory


def test_shared_data_has_a_gradient_of_its_own() -> None:
    owner, other = Blob((2,)), Blob((2,))
    other.share_data(owner)
    owner.data[0] = 7
    owner.diff[0] = 3
    assert other.data[0] == 7
    assert other.diff[0] == 0


def test_shared_parameters_of_other_shapes_are_one_memory() -> None:
    owner, other = Blob((2, 3)), Blob((3, 2))
    other.share(owner)
    other.data[2, 1] = 9
    other.diff[0, 0] = 4
    assert owner.data[1, 2] == 9
    assert owner.diff[0, 0] == 4


def test_legacy_axes_are_one_where_there_are_none() -> None:
    blob = Blob((4, 3))
    assert (blob.num, blob.channels, blob.height, blob.width) == (4, 3, 1, 1)


def test_the_mirror_of_device_memory() -> None:
    """Whoever was asked for last holds the newer values (the device is played by another tensor)."""
    blob = Blob((2,))
    memory = blob._data
    memory.get()
    memory.mirror = torch.tensor([1.0, 2.0])
    memory.mirror_is_newer = True
    assert blob.value.tolist() == [1, 2]
    memory.mirror[0] = 8
    assert blob.value.tolist() == [1, 2], "the user's view counts only after it was asked for again"


@pytest.mark.parametrize("shape", [(-1, 3), (1,) * 33, (2**16, 2**15)])
def test_shapes_that_bvlc_aborts_on(shape: tuple[int, ...]) -> None:
    blob = Blob((2, 3))
    with pytest.raises(ValueError, match="no side may be below 0, at most 32 sides and 2147483647 values"):
        blob.reshape(*shape)
    assert blob.shape == (2, 3)


def test_a_cleared_gradient_is_zero_whoever_looks_first() -> None:
    blob = Blob((2,))
    blob.add_grad(torch.tensor([1.0, 2]))
    blob.clear_grad()
    assert blob.diff.tolist() == [0, 0]
    blob.clear_grad()
    blob.add_grad(torch.tensor([3.0, 4]))
    blob.add_grad(torch.tensor([1.0, 1]))
    assert blob.diff.tolist() == [4, 5]


def test_a_cleared_gradient_takes_the_first_one_without_a_pass() -> None:
    blob = Blob((2,))
    blob.add_grad(torch.tensor([float("nan"), 2]))
    blob.clear_grad()
    total, beta = blob.grad_and_beta()
    assert beta == 0
    torch.addmm(total.view(1, 2), torch.ones(1, 1), torch.ones(1, 2), beta=beta, out=total.view(1, 2))
    assert blob.diff.tolist() == [1, 1]
    assert blob.grad_and_beta()[1] == 1


def test_a_gradient_that_two_blobs_hold_is_copied_before_it_is_shown() -> None:
    gradient = torch.tensor([1.0, 2])
    one, other = Blob((2,)), Blob((2,))
    one.set_grad(gradient, borrowed=False)
    other.set_grad(gradient, borrowed=True)
    other.diff[0] = 9
    assert one.diff.tolist() == [1, 2]
    assert other.grad.tolist() == [9, 2]


def test_a_gradient_is_not_dropped_while_somebody_may_look() -> None:
    blob = Blob((2,))
    blob.set_grad(torch.tensor([1.0, 2]), borrowed=False)
    view = blob.diff
    blob.drop_grad()
    view[0] = 5
    assert blob.grad.tolist() == [5, 2]


def test_values_that_lie_channels_last_look_as_usual_and_stay_live() -> None:
    blob = Blob((1, 2, 2, 2))
    blob.value = torch.arange(8.0).reshape(1, 2, 2, 2).contiguous(memory_format=torch.channels_last)
    assert blob.data.ravel().tolist() == list(range(8))
    blob.data[0, 1, 0, 0] = 9
    assert blob.value[0, 1, 0, 0] == 9
