"""The table of layer types. Adding one: its file, its line here, its test."""

from __future__ import annotations

from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.accuracy import Accuracy
from caffekit.pycaffe.layers.convolution import Convolution
from caffekit.pycaffe.layers.data import Data
from caffekit.pycaffe.layers.dropout import Dropout
from caffekit.pycaffe.layers.inner_product import InnerProduct
from caffekit.pycaffe.layers.input import Input
from caffekit.pycaffe.layers.lrn import LRN
from caffekit.pycaffe.layers.neuron import ELU, ReLU, Sigmoid, TanH
from caffekit.pycaffe.layers.pooling import Pooling
from caffekit.pycaffe.layers.prelu import PReLU
from caffekit.pycaffe.layers.softmax import Softmax
from caffekit.pycaffe.layers.softmax_loss import SoftmaxWithLoss
from caffekit.pycaffe.layers.split import Split

LAYERS: dict[str, type[Layer]] = {
    "Accuracy": Accuracy,
    "Convolution": Convolution,
    "Data": Data,
    "Dropout": Dropout,
    "ELU": ELU,
    "InnerProduct": InnerProduct,
    "Input": Input,
    "LRN": LRN,
    "PReLU": PReLU,
    "Pooling": Pooling,
    "ReLU": ReLU,
    "Sigmoid": Sigmoid,
    "Softmax": Softmax,
    "SoftmaxWithLoss": SoftmaxWithLoss,
    "Split": Split,
    "TanH": TanH,
}
