"""Lint rules about what the net shall run on: only what the vendors have written down.

nnie    HiSilicon: OpenHarmony, hi3516dv300 taurus documentation 4.2.2 and 4.3 (Caffe 1.0, its standard
        layers and some extensions; layers of training and layers of one's own are not supported)
cv18xx  Sophgo: tpu-mlir, python/transform/CaffeConverter.py, the table of layers it converts
rknn    Rockchip: RKNNToolKit2_OP_Support-v2.1.0.md, section "Caffe OPs"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffekit.netgen.rules.rule import Rule
from caffekit.netgen.subject import DATA_PARAMS, Problem, Subject

NNIE = "OpenHarmony hi3516dv300 taurus documentation 4.3, kinds of layers"
NNIE_INPUT = "WPG, introduction to HiSilicon NNIE: features of the engine"
CV18XX = "sophgo/tpu-mlir, python/transform/CaffeConverter.py"
RKNN = "airockchip/rknn-toolkit2, RKNNToolKit2_OP_Support-v2.1.0.md, Caffe OPs"
TARGETS = {"cv18xx": CV18XX, "nnie": NNIE, "rknn": RKNN}

_CV18XX = """AbsVal ArgMax BatchNorm BN Concat ContinuationIndicator Convolution ConvolutionDepthwise Crop
Deconvolution DetectionOutput Dropout DummyData Embed Eltwise Flatten FrcnDetection InnerProduct
Input Interp ImageData LRN LSTM Lstm MatMul Mish Normalize Padding Permute Pooling Power PReLU
PriorBox Proposal Reduction ReLU ReLU6 Reorg Reshape Reverse RetinaFaceDetection ROIPooling
Scale ShuffleChannel Sigmoid Silence Slice Softmax Split TanH Tile Upsample YoloDetection"""
_RKNN = """BatchNorm BN BNLL Concat Convolution ConvolutionDepthwise Crop Deconvolution Dropout Eltwise
Flatten HardSigmoid InnerProduct Input LRN Lstm Normalize Permute Power Pooling PReLU Proposal
Reduction ReLU ReLU6 Reorg Reshape Resize Reverse ROIPooling Scale Sigmoid Slice Softmax Split
TanH Tile Transpose Upsample"""
LAYERS = {"cv18xx": set(_CV18XX.split()), "rknn": set(_RKNN.split())}
OF_TRAINING = ("Accuracy", "Silence", "HDF5Output", "Filter", "BatchReindex", "DummyData", *DATA_PARAMS)
DEPTHWISE_KERNEL = 8


def target_layer(subject: Subject) -> Iterator[Problem]:
    """Types that the vendor's converter does not know."""
    for layer in _deployed(subject):
        if subject.target in LAYERS and layer.type not in LAYERS[subject.target]:
            text = f"{subject.target} has no layer type {layer.type}"
        elif subject.target == "nnie" and _not_nnie(layer.type):
            text = f"nnie does not run {layer.type}: the net is cut there, and that part runs on the CPU"
        else:
            continue
        yield Problem(text, layer=layer.name, source=TARGETS[subject.target])


def _not_nnie(kind: str) -> bool:
    """Layers of training, and layers of one's own."""
    return kind == "Python" or kind in OF_TRAINING or kind.endswith("Loss")


def target_kernel(subject: Subject) -> Iterator[Problem]:
    """Documented ranges of single fields."""
    for layer in _deployed(subject):
        param = layer.convolution_param
        if subject.target == "rknn" and layer.type == "ConvolutionDepthwise":
            kernel = max([*param.kernel_size, param.kernel_h, param.kernel_w], default=0)
            if kernel > DEPTHWISE_KERNEL:
                text = f"a depthwise kernel of {kernel}; rknn takes 1 to {DEPTHWISE_KERNEL}"
                yield Problem(text, layer=layer.name, source=RKNN)
        if subject.target == "cv18xx" and layer.type == "ArgMax" and layer.argmax_param.top_k != 1:
            text = f"ArgMax with top_k {layer.argmax_param.top_k}; cv18xx takes 1"
            yield Problem(text, "top_k: 1", layer.name, source=CV18XX)


def target_input(subject: Subject) -> Iterator[Problem]:
    """NNIE takes grey or RGB images."""
    for layer in subject.net.layer:
        for shape in layer.input_param.shape if layer.type == "Input" and subject.target == "nnie" else ():
            if len(shape.dim) == 4 and shape.dim[1] not in (1, 3):
                text = f"an input of {shape.dim[1]} channels; nnie takes images of 1 or 3"
                yield Problem(text, layer=layer.name, source=NNIE_INPUT)


def _deployed(subject: Subject) -> list[Any]:
    """The layers that run on the target: of the TEST net, without what only training needs."""
    if not subject.target:
        return []
    if subject.is_deploy():
        return list(subject.net.layer)
    views = [view for view in subject.views if view.phase == "TEST"]
    only = (*OF_TRAINING, "Python")
    layers = list(views[0].layers) if views else []
    return [each for each in layers if each.type not in only and not each.type.endswith("Loss")]


RULES = {
    "target-input": Rule(
        target_input, "error",
        "The engine reads grey or RGB images.",
        "an input of 1 or 3 channels", NNIE_INPUT),
    "target-kernel": Rule(
        target_kernel, "error",
        "The vendor's document gives a range, and the converter stops outside it.",
        "a value in the range", f"{RKNN}; {CV18XX}"),
    "target-layer": Rule(
        target_layer, "error",
        "The converter stops at a layer it does not know, or cuts the net there.",
        "another layer that computes the same", '; '.join(TARGETS.values())),
}  # fmt: skip
