"""The embedded engine: a pycaffe-compatible module on PyTorch.

    import caffekit.pycaffe as caffe
    net = caffe.Net("deploy.prototxt", "model.caffemodel", caffe.TEST)

Errors that abort BVLC Caffe's process are Python exceptions here.
"""

from caffekit import __version__
from caffekit.formats.caffe_pb2 import TEST, TRAIN
from caffekit.pycaffe import io, proto
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers import LAYERS
from caffekit.pycaffe.mode import (
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
)
from caffekit.pycaffe.net import Net
from caffekit.pycaffe.solver import Solver
from caffekit.pycaffe.solvers import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)


def layer_type_list() -> list[str]:
    """The known layer types."""
    return sorted(LAYERS)


__all__ = [
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "Layer",
    "NesterovSolver",
    "Net",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "__version__",
    "get_solver",
    "io",
    "layer_type_list",
    "proto",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
]
