"""The table of layer types. Adding one: its file, its line here, its test."""

from __future__ import annotations

from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.accuracy import Accuracy
from caffekit.pycaffe.layers.argmax import ArgMax
from caffekit.pycaffe.layers.augmented_data import AugmentedData
from caffekit.pycaffe.layers.batch_norm import BatchNorm
from caffekit.pycaffe.layers.batch_reindex import BatchReindex
from caffekit.pycaffe.layers.center_loss import CenterLoss
from caffekit.pycaffe.layers.concat import Concat
from caffekit.pycaffe.layers.contrastive_loss import ContrastiveLoss
from caffekit.pycaffe.layers.convolution import Convolution
from caffekit.pycaffe.layers.crop import Crop
from caffekit.pycaffe.layers.data import Data
from caffekit.pycaffe.layers.deconvolution import Deconvolution
from caffekit.pycaffe.layers.depthwise_convolution import ConvolutionDepthwise, DepthwiseConvolution
from caffekit.pycaffe.layers.dropout import Dropout
from caffekit.pycaffe.layers.dummy_data import DummyData
from caffekit.pycaffe.layers.elementwise import BNLL, AbsVal, Clip, Exp, Log, Swish, Threshold
from caffekit.pycaffe.layers.eltwise import Eltwise
from caffekit.pycaffe.layers.embed import Embed
from caffekit.pycaffe.layers.euclidean_loss import EuclideanLoss
from caffekit.pycaffe.layers.filter import Filter
from caffekit.pycaffe.layers.flip import Flip
from caffekit.pycaffe.layers.hdf5_data import HDF5Data
from caffekit.pycaffe.layers.hdf5_output import HDF5Output
from caffekit.pycaffe.layers.hinge_loss import HingeLoss
from caffekit.pycaffe.layers.im2col import Im2col
from caffekit.pycaffe.layers.image_data import ImageData
from caffekit.pycaffe.layers.infogain_loss import InfogainLoss
from caffekit.pycaffe.layers.inner_product import InnerProduct
from caffekit.pycaffe.layers.input import Input
from caffekit.pycaffe.layers.label_specific_add import LabelSpecificAdd
from caffekit.pycaffe.layers.lrn import LRN
from caffekit.pycaffe.layers.lstm import LSTM, LSTMUnit
from caffekit.pycaffe.layers.margin_inner_product import MarginInnerProduct
from caffekit.pycaffe.layers.memory_data import MemoryData
from caffekit.pycaffe.layers.multinomial_logistic_loss import MultinomialLogisticLoss
from caffekit.pycaffe.layers.mvn import MVN
from caffekit.pycaffe.layers.neuron import ELU, ReLU, Sigmoid, TanH
from caffekit.pycaffe.layers.normalize import Normalize
from caffekit.pycaffe.layers.parameter import Parameter
from caffekit.pycaffe.layers.pooling import Pooling
from caffekit.pycaffe.layers.power import Power
from caffekit.pycaffe.layers.prelu import PReLU
from caffekit.pycaffe.layers.python import Python
from caffekit.pycaffe.layers.reduction import Reduction
from caffekit.pycaffe.layers.relu6 import ReLU6
from caffekit.pycaffe.layers.reshape import Flatten, Reshape
from caffekit.pycaffe.layers.rnn import RNN
from caffekit.pycaffe.layers.scale import Bias, Scale
from caffekit.pycaffe.layers.sigmoid_cross_entropy_loss import SigmoidCrossEntropyLoss
from caffekit.pycaffe.layers.silence import Silence
from caffekit.pycaffe.layers.slice import Slice
from caffekit.pycaffe.layers.softmax import Softmax
from caffekit.pycaffe.layers.softmax_loss import SoftmaxWithLoss
from caffekit.pycaffe.layers.split import Split
from caffekit.pycaffe.layers.spp import SPP
from caffekit.pycaffe.layers.tile import Tile
from caffekit.pycaffe.layers.triplet_loss import TripletLoss
from caffekit.pycaffe.layers.window_data import WindowData

LAYERS: dict[str, type[Layer]] = {
    "AbsVal": AbsVal,
    "Accuracy": Accuracy,
    "ArgMax": ArgMax,
    "AugmentedData": AugmentedData,
    "BNLL": BNLL,
    "BatchNorm": BatchNorm,
    "BatchReindex": BatchReindex,
    "Bias": Bias,
    "CenterLoss": CenterLoss,
    "Clip": Clip,
    "Concat": Concat,
    "ContrastiveLoss": ContrastiveLoss,
    "Convolution": Convolution,
    "ConvolutionDepthwise": ConvolutionDepthwise,
    "Crop": Crop,
    "Data": Data,
    "Deconvolution": Deconvolution,
    "DepthwiseConvolution": DepthwiseConvolution,
    "Dropout": Dropout,
    "DummyData": DummyData,
    "ELU": ELU,
    "Eltwise": Eltwise,
    "Embed": Embed,
    "EuclideanLoss": EuclideanLoss,
    "Exp": Exp,
    "Filter": Filter,
    "Flatten": Flatten,
    "Flip": Flip,
    "HDF5Data": HDF5Data,
    "HDF5Output": HDF5Output,
    "HingeLoss": HingeLoss,
    "Im2col": Im2col,
    "ImageData": ImageData,
    "InfogainLoss": InfogainLoss,
    "InnerProduct": InnerProduct,
    "Input": Input,
    "LRN": LRN,
    "LSTM": LSTM,
    "LSTMUnit": LSTMUnit,
    "LabelSpecificAdd": LabelSpecificAdd,
    "Log": Log,
    "MVN": MVN,
    "MarginInnerProduct": MarginInnerProduct,
    "MemoryData": MemoryData,
    "MultinomialLogisticLoss": MultinomialLogisticLoss,
    "Normalize": Normalize,
    "PReLU": PReLU,
    "Parameter": Parameter,
    "Pooling": Pooling,
    "Power": Power,
    "Python": Python,
    "RNN": RNN,
    "ReLU": ReLU,
    "ReLU6": ReLU6,
    "Reduction": Reduction,
    "Reshape": Reshape,
    "SPP": SPP,
    "Scale": Scale,
    "Sigmoid": Sigmoid,
    "SigmoidCrossEntropyLoss": SigmoidCrossEntropyLoss,
    "Silence": Silence,
    "Slice": Slice,
    "Softmax": Softmax,
    "SoftmaxWithLoss": SoftmaxWithLoss,
    "Split": Split,
    "Swish": Swish,
    "TanH": TanH,
    "Threshold": Threshold,
    "Tile": Tile,
    "TripletLoss": TripletLoss,
    "WindowData": WindowData,
}
