"""Layers of forks against their papers' formulae, written down again in numpy, and differences of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.errors import FormatError
from caffekit.formats.blobs import to_blob
from caffekit.formats.caffe_pb2 import LayerParameter, NetParameter
from caffekit.formats.proto import forks, message_class
from caffekit.formats.prototxt import parse
from caffekit.graph.rules_forks import OF_FORKS
from caffekit.pycaffe.layers import LAYERS

Arrays = list[np.ndarray]
LABELS = np.array([1.0, 0.0, 1.0, 3.0])


def make(layer: str, *shapes: tuple[int, ...], phase: int = caffe.TRAIN, weight: float = 0) -> caffe.Net:
    """A net of Input layers in0, in1, … and `layer` (its name is `it`), with gradients everywhere."""
    dims = [" ".join(f"dim: {side}" for side in shape) for shape in shapes]
    inputs = [
        f'layer {{ name: "i{i}" type: "Input" top: "in{i}" input_param {{ shape {{ {dim} }} }} }}'
        for i, dim in enumerate(dims)
    ]
    bottoms = " ".join(f'bottom: "in{i}"' for i in range(len(shapes)))
    loss = f"loss_weight: {weight}" if weight else ""
    text = f'force_backward: true {" ".join(inputs)} layer {{ name: "it" {bottoms} {loss} {layer} }}'
    return caffe.Net(parse(text, NetParameter(), "net"), phase)


def run(net: caffe.Net, inputs: Arrays, params: Arrays) -> tuple[Arrays, Arrays, Arrays, Arrays]:
    """(tops, their diffs, diffs of the inputs, diffs of the parameters) of one pass both ways."""
    for i, value in enumerate(inputs):
        net.blobs[f"in{i}"].data[...] = value
    blobs = net.params.get("it", [])
    for blob, value in zip(blobs, params, strict=True):
        blob.data[...] = value
    net._forward(0, len(net.layers) - 1)
    random = np.random.RandomState(3)
    tops = [net.blobs[name] for name in net.top_names["it"]]
    for name, top in zip(net.top_names["it"], tops, strict=True):
        if not net.blob_loss_weights[name]:
            top.diff[...] = random.uniform(-1, 1, top.shape)
    net._backward(len(net.layers) - 1, 0)
    return (
        [top.data.copy() for top in tops],
        [top.diff.copy() for top in tops],
        [net.blobs[f"in{i}"].diff.copy() for i in range(len(inputs))],
        [blob.diff.copy() for blob in blobs],
    )


def differences(f: Callable[[], float], x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """df/dx by central differences, in float64; `f` reads `x`."""
    out = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        kept = x[at]
        x[at] = kept + step
        above = f()
        x[at] = kept - step
        out[at] = (above - f()) / (2 * step)
        x[at] = kept
    return out


def relu6(slope: float) -> Callable[[Arrays, Arrays], Arrays]:
    return lambda x, _: [np.minimum(np.where(x[0] > 0, x[0], slope * x[0]), 6)]


def convolution(stride: int, pad: int, dilation: int) -> Callable[[Arrays, Arrays], Arrays]:
    """One kxk filter per channel, written as a sum over its taps."""

    def forward(x: Arrays, params: Arrays) -> Arrays:
        w, (n, c, height, width) = params[0], x[0].shape
        k = w.shape[-1]
        padded = np.pad(x[0], ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        rows = (height + 2 * pad - dilation * (k - 1) - 1) // stride + 1
        columns = (width + 2 * pad - dilation * (k - 1) - 1) // stride + 1
        y = np.zeros((n, c, rows, columns))
        for i, j in np.ndindex(k, k):
            top, left = i * dilation, j * dilation
            tap = padded[:, :, top : top + rows * stride : stride, left : left + columns * stride : stride]
            y += w[None, :, 0, i, j, None, None] * tap[:, :, :rows, :columns]
        return [y + params[1][None, :, None, None]] if len(params) > 1 else [y]

    return forward


def triplet(x: Arrays, _: Arrays) -> Arrays:
    total = 0.0
    for a, p, n in zip(*(each.reshape(len(each), -1) for each in x), strict=True):
        total += max(0.0, 0.5 + sum((a - p) ** 2) - sum((a - n) ** 2))
    return [np.array(total / (2 * len(x[0])))]


def l2(x: Arrays, _: Arrays) -> Arrays:
    norm = np.sqrt((x[0] ** 2).sum(1, keepdims=True) + 1e-6)
    return [x[0] / norm, norm]


def l1(x: Arrays, _: Arrays) -> Arrays:
    norm = np.abs(x[0]).sum(1, keepdims=True) + 1e-6
    return [x[0] / norm, norm]


DW = "num_output: 3 kernel_size: 3"
CASES: list[tuple[str, list[tuple[int, ...]], list[tuple[int, ...]], Any]] = [
    ('type: "ReLU6" top: "y" relu6_param { negative_slope: .25 }', [(3, 4, 5)], [], relu6(0.25)),
    ('type: "ReLU6" top: "y" relu6_param { negative_slope: -.5 }', [(3, 4, 5)], [], relu6(-0.5)),
    ('type: "ReLU6" top: "y"', [(3, 4)], [], lambda x, _: [np.clip(x[0], 0, 6)]),
    (
        f'type: "DepthwiseConvolution" top: "y" convolution_param {{ {DW} group: 3 pad: 1 stride: 2 }}',
        [(2, 3, 6, 5)],
        [(3, 1, 3, 3), (3,)],
        convolution(2, 1, 1),
    ),
    (
        f'type: "DepthwiseConvolution" top: "y" convolution_param {{ {DW} bias_term: false }}',
        [(2, 3, 6, 5)],
        [(3, 1, 3, 3)],
        convolution(1, 0, 1),
    ),
    (
        'type: "ConvolutionDepthwise" top: "y" convolution_param { kernel_size: 2 dilation: 2 num_output: 7'
        " }",
        [(2, 3, 6, 5)],
        [(3, 1, 2, 2), (3,)],
        convolution(1, 0, 2),
    ),
    ('type: "TripletLoss" top: "y" triplet_loss_param { margin: .5 }', [(5, 3)] * 3, [], triplet),
    ('type: "Normalize" top: "y" top: "norm" normalize_param { bp_norm: true }', [(2, 3, 2, 2)], [], l2),
    (
        'type: "Normalize" top: "y" top: "norm" normalize_param { bp_norm: true normalize_type: "L1" }',
        [(2, 3, 2, 2)],
        [],
        l1,
    ),
    ('type: "Flip" top: "y"', [(2, 2, 2, 3)], [], lambda x, _: [x[0][..., ::-1]]),
    (
        'type: "Flip" top: "y" flip_param { flip_width: false flip_height: true }',
        [(2, 2, 2, 3)],
        [],
        lambda x, _: [x[0][:, :, ::-1]],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0][6:60])
def test_layers_whose_gradient_is_their_formulas(case: Any) -> None:
    """Forward within 1e-5 of the formula, gradients within 1e-4 of its differences."""
    layer, shapes, param_shapes, formula = case
    random = np.random.RandomState(5)
    inputs = [random.uniform(-2, 2, shape) * 4 ** ("ReLU6" in layer) for shape in shapes]
    params = [random.uniform(-1, 1, shape) for shape in param_shapes]
    net = make(layer, *shapes, weight=0.5 * ("Loss" in layer))
    assert [blob.shape for blob in net.params.get("it", [])] == param_shapes
    tops, top_diffs, input_diffs, param_diffs = run(net, inputs, params)
    for got, wanted in zip(tops, formula(inputs, params), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)

    def value() -> float:
        return sum(float((y * dy).sum()) for y, dy in zip(formula(inputs, params), top_diffs, strict=True))

    for got, x in zip(input_diffs + param_diffs, inputs + params, strict=True):
        np.testing.assert_allclose(got, differences(value, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("slope", [0, 0.5])
def test_relu6_in_place(slope: float) -> None:
    """After a layer whose result it overwrites: the same values and gradient as beside it."""
    x = np.random.RandomState(8).uniform(-9, 9, (3, 4))
    results = []
    for top in ("c", "y"):
        text = (
            'type: "Power" top: "c" power_param { scale: 2 } } layer { name: "r" type: "ReLU6" bottom: "c"'
            f' top: "{top}" relu6_param {{ negative_slope: {slope} }}'
        )
        net = make(text, x.shape)
        net.blobs["in0"].data[...] = x
        net.forward()
        net.blobs[top].diff[...] = 1
        net._backward(len(net.layers) - 1, 0)
        results.append((net.blobs[top].data.copy(), net.blobs["in0"].diff.copy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    np.testing.assert_array_equal(results[0][1], np.where(2 * x >= 6, 0, np.where(x > 0, 2, 2 * slope)))


def test_relu6_at_its_corners() -> None:
    net = make('type: "ReLU6" top: "y"', (4,))
    _, dy, (dx,), _ = run(net, [np.array([0.0, 6.0, 3.0, 7.0])], [])
    np.testing.assert_array_equal(dx, dy[0] * [0, 0, 1, 0])


def test_the_norm_gives_no_gradient_back_unless_asked() -> None:
    x = np.random.RandomState(1).uniform(-2, 2, (2, 3))
    net = make('type: "Normalize" top: "y" top: "norm"', (2, 3))
    (y, norm), (dy, _), (dx,), _ = run(net, [x], [])
    assert y.shape == (2, 3, 1, 1) and norm.shape == (2, 1, 1, 1)
    y, dy, norm = y[..., 0, 0], dy[..., 0, 0], norm[..., 0, 0]
    np.testing.assert_allclose(dx, (dy - y * (y * dy).sum(1, keepdims=True)) / norm, rtol=1e-4, atol=1e-5)


def test_center_loss() -> None:
    """Loss and feature gradient are the paper's; the centers' step is the mean-like one, unweighted."""
    random = np.random.RandomState(2)
    x, centers = random.uniform(-2, 2, (4, 2, 3)), random.uniform(-1, 1, (5, 6))
    net = make('type: "CenterLoss" top: "y" center_loss_param { num_output: 5 }', x.shape, (4,), weight=0.25)
    net.params["it"][0].diff[...] = 1
    (loss,), _, (dx, _), (dc,) = run(net, [x, LABELS], [centers])
    away = x.reshape(4, 6) - centers[LABELS.astype(int)]
    np.testing.assert_allclose(loss, (away**2).sum() / 8, rtol=1e-6)
    np.testing.assert_allclose(dx.reshape(4, 6), 0.25 * away / 4, rtol=1e-5)
    steps = np.ones((5, 6))  # what was there stays: parameter diffs accumulate
    steps[0] -= away[1] / 2
    steps[1] -= (away[0] + away[2]) / 3
    steps[3] -= away[3] / 2
    np.testing.assert_allclose(dc, steps, rtol=1e-5, atol=1e-6)


def test_centers_move_to_their_classes() -> None:
    """With SGD, a center ends at the mean of its items; others stay."""
    net = make('type: "CenterLoss" top: "y" center_loss_param { num_output: 5 }', (4, 2), (4,), weight=0.01)
    x = np.array([[1.0, 2.0], [5.0, 5.0], [3.0, 4.0], [-1.0, 0.0]])
    centers = np.full((5, 2), 9.0)
    for _ in range(200):
        _, _, _, (step,) = run(net, [x, LABELS], [centers])
        net.params["it"][0].diff[...] = 0
        centers -= 0.5 * step
    np.testing.assert_allclose(centers, [[5, 5], [2, 3], [9, 9], [-1, 0], [9, 9]], atol=1e-5)


def psi(theta: float, m: int) -> float:
    """The paper's ψ(θ) = (−1)^k cos(mθ) − 2k for θ in [kπ/m, (k+1)π/m]."""
    k = min(int(theta * m / np.pi), m - 1)
    return (-1) ** k * np.cos(m * theta) - 2 * k


def a_softmax(x: np.ndarray, w: np.ndarray, m: int, softness: float) -> np.ndarray:
    y = x @ w.T
    for i, label in enumerate(LABELS.astype(int)):
        norm = np.linalg.norm(x[i])
        theta = np.arccos(y[i, label] / norm)
        y[i, label] = norm * (np.cos(theta) * softness + psi(theta, m)) / (1 + softness)
    return y


TYPES = ["SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"]


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_margin_inner_product(m: int, seed: int) -> None:
    """The paper's ψ by angles; SphereFace's gradients: dW plain, the true class's part of dx rescaled."""
    random = np.random.RandomState(seed)
    x, w = random.uniform(-2, 2, (4, 6)), random.uniform(-1, 1, (5, 6))
    net = make(
        'type: "MarginInnerProduct" top: "y" top: "lambda" margin_inner_product_param { num_output: 5'
        f" type: {TYPES[m - 1]} base: 10 gamma: .5 power: 2 lambda_min: 1 iteration: 2 }}",
        (4, 6),
        (4,),
    )
    (y, softness), (dy, _), (dx, _), (dw,) = run(net, [x, LABELS], [w])
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    np.testing.assert_allclose(net.params["it"][0].data, w, rtol=1e-5, atol=1e-6)  # normalised for good
    np.testing.assert_allclose(softness, [10 / (1 + 0.5 * 3) ** 2], rtol=1e-6)
    np.testing.assert_allclose(y, a_softmax(x, w, m, float(softness[0])), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dw, dy.T @ x, rtol=1e-4, atol=1e-5)
    wanted = dy @ w
    for i, label in enumerate(LABELS.astype(int)):
        if m > 1:
            norm = np.linalg.norm(x[i])
            c = x[i] @ w[label] / norm
            slope = (psi(np.arccos(c + 1e-6), m) - psi(np.arccos(c - 1e-6), m)) / 2e-6
            of_w, of_x = slope, (psi(np.arccos(c), m) - c * slope) / norm
            length = np.hypot(of_w, of_x)
            part = (of_w * w[label] + of_x * x[i]) / length
            wanted[i] += dy[i, label] * (part - w[label]) / (1 + softness[0])
    np.testing.assert_allclose(dx, wanted, rtol=1e-3, atol=1e-4)


def test_lambda_falls_with_every_forward() -> None:
    param = "num_output: 4 type: DOUBLE base: 8 gamma: 1 power: 1 lambda_min: 2"
    net = make(
        f'type: "MarginInnerProduct" top: "y" top: "lambda" margin_inner_product_param {{ {param} }}',
        (4, 6),
        (4,),
    )
    net.params["it"][0].data[...] = np.eye(4, 6)
    net.blobs["in0"].data[...] = 1
    assert [float(net.forward()["lambda"][0]) for _ in range(4)] == pytest.approx([4, 8 / 3, 2, 2])


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_label_specific_add(phase: int) -> None:
    """The margin where the true cosine is above it, in TRAIN only; the gradient is handed on."""
    x = np.array([[0.9, 0.5, 0.1, 0.0], [0.3, 0.9, 0.9, 0.9], [0.1, 0.36, 0.2, 0.3], [0.5, 0.5, 0.5, -0.9]])
    net = make(
        'type: "LabelSpecificAdd" top: "y" label_specific_add_param { bias: -.35 transform_test: true }',
        (4, 4),
        (4,),
        phase=phase,
    )
    (y,), (dy,), (dx, _), _ = run(net, [x, LABELS], [])
    if phase == caffe.TRAIN:
        x[0, 1] -= 0.35
        x[2, 1] -= 0.35
    np.testing.assert_allclose(y, x, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(dx, dy)


def test_the_margin_may_grow() -> None:
    param = "bias_base: 0 bias_gamma: -.1 bias_power: 1 bias_min: -.25 bias_max: 0 iteration: 1"
    net = make(
        f'type: "LabelSpecificAdd" top: "y" top: "b" label_specific_add_param {{ {param} }}', (4, 4), (4,)
    )
    assert [float(net.forward()["b"][0]) for _ in range(4)] == pytest.approx([-0.1, -0.2, -0.25, -0.25])


def test_inner_product_with_unit_rows() -> None:
    """AM-Softmax's InnerProduct: rows normalised in place, which the gradient does not know of."""
    random = np.random.RandomState(4)
    x, w = random.uniform(-2, 2, (4, 6)), random.uniform(-1, 1, (5, 6))
    net = make(
        'type: "InnerProduct" top: "y" inner_product_param { num_output: 5 bias_term: false'
        " normalize: true }",
        (4, 6),
    )
    (y,), (dy,), (dx,), (dw,) = run(net, [x], [w])
    w /= np.sqrt((w**2).sum(1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(net.params["it"][0].data, w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y, x @ w.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dw, dy.T @ x, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, dy @ w, rtol=1e-5, atol=1e-5)


def test_a_forks_net_can_be_saved_and_read_back(tmp_path: Path) -> None:
    layer = 'type: "CenterLoss" top: "y" center_loss_param { num_output: 5 }'
    net = make(layer, (4, 2), (4,), weight=1)
    net.params["it"][0].data[...] = np.arange(10).reshape(5, 2)
    net.save(str(tmp_path / "w.caffemodel"))
    assert net.to_proto().layer[-1].center_loss_param.num_output == 5
    other = make(layer, (4, 2), (4,), weight=1)
    other.copy_from(str(tmp_path / "w.caffemodel"))
    np.testing.assert_array_equal(other.params["it"][0].data, net.params["it"][0].data)


WRONG = [
    (
        'type: "CenterLoss" top: "y" center_loss_param { num_output: 3 }',
        r"label 3 \(item 3 of the batch\) is",
    ),
    (
        'type: "MarginInnerProduct" top: "y" margin_inner_product_param { num_output: 3 }',
        "outside 0 … 2",
    ),
    ('type: "LabelSpecificAdd" top: "y" label_specific_add_param { bias: 1 }', "outside 0 … 2"),
]


@pytest.mark.parametrize(("layer", "message"), WRONG)
def test_labels_out_of_range(layer: str, message: str) -> None:
    net = make(layer, (4, 3), (4,))
    for blob in net.params.get("it", []):
        blob.data[...] = 1
    net.blobs["in1"].data[...] = LABELS
    with pytest.raises(ValueError, match=message):
        net._forward(0, len(net.layers) - 1)


REFUSED = [
    ('type: "Normalize" top: "y" normalize_param { fix_gradient: true }', 1, "fix_gradient is not supported"),
    ('type: "Normalize" top: "y" normalize_param { normalize_type: "L3" }', 1, "expected L1 or L2"),
    ('type: "Normalize" top: "y" norm_param { }', 1, "SSD's Normalize"),
    (
        'type: "InnerProduct" top: "y" inner_product_param { num_output: 2 normalize: true transpose: true }',
        1,
        "normalize with transpose",
    ),
    ('type: "CenterLoss" top: "y" center_loss_param { num_output: 5 distance_type: "L1" }', 2, "use L2"),
    ('type: "CenterLoss" top: "y"', 2, "num_output is missing"),
    ('type: "TripletLoss" top: "y"', 2, "TripletLoss takes 3 bottoms, got 2"),
    (
        'type: "DepthwiseConvolution" top: "y" convolution_param { num_output: 5 kernel_size: 1 }',
        1,
        "group 3",
    ),
]


@pytest.mark.parametrize(("layer", "bottoms", "message"), REFUSED)
def test_what_is_not_supported_is_named(layer: str, bottoms: int, message: str) -> None:
    shapes = [(4, 3, 1, 1), (4,)][:bottoms]
    with pytest.raises((ValueError, FormatError), match="layer 'it': .*" + message):
        make(layer, *shapes)


def test_every_forks_type_is_tried_and_cites_its_fork() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    for name, fork in OF_FORKS.items():
        assert f'type: "{name}"' in text
        assert fork in str(LAYERS[name].__doc__), name


@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
def test_weights_of_a_grouped_convolution_fit(kind: str, tmp_path: Path) -> None:
    """MobileNets were trained and published with either: the weights have one shape."""
    param = "convolution_param { num_output: 3 kernel_size: 3 pad: 1 stride: 2 GROUP }"
    x = np.random.RandomState(6).uniform(-1, 1, (2, 3, 7, 7))
    weights = [np.random.RandomState(i).uniform(-1, 1, shape) for i, shape in enumerate([(3, 1, 3, 3), (3,)])]
    grouped = make(f'type: "Convolution" top: "y" {param.replace("GROUP", "group: 3")}', x.shape)
    wanted, _, (below,), _ = run(grouped, [x], weights)
    grouped.save(str(tmp_path / "w.caffemodel"))
    net = make(f'type: "{kind}" top: "y" {param.replace("GROUP", "")}', x.shape)
    net.copy_from(str(tmp_path / "w.caffemodel"))
    got, _, (dx,), _ = run(net, [x], weights)
    np.testing.assert_array_equal(got[0], wanted[0])
    np.testing.assert_array_equal(dx, below)


@pytest.mark.parametrize("fork", forks())
def test_weights_that_a_fork_wrote_can_be_read(fork: str, tmp_path: Path) -> None:
    """Its layers' own fields, whose numbers mean other things in BVLC's, are no obstacle."""
    net = message_class("NetParameter", fork)()
    layer = net.layer.add(name="it", type="InnerProduct")
    known = LayerParameter.DESCRIPTOR.fields_by_name
    for field in [each for each in layer.DESCRIPTOR.fields if each.name not in known and each.message_type]:
        own = getattr(layer, field.name)
        own.SetInParent()
        for inner in own.DESCRIPTOR.fields:
            if inner.type == inner.TYPE_UINT32 and not inner.is_repeated:
                setattr(own, inner.name, 7)
    to_blob(np.ones((2, 3)), None, layer.blobs.add())
    path = tmp_path / "w.caffemodel"
    path.write_bytes(net.SerializeToString())
    mine = make(
        'type: "InnerProduct" top: "y" inner_product_param { num_output: 2 bias_term: false }', (1, 3)
    )
    mine.copy_from(str(path))
    np.testing.assert_array_equal(mine.params["it"][0].data, np.ones((2, 3)))
