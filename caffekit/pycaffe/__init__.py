"""The embedded engine: a pycaffe-compatible module on PyTorch.

    import caffekit.pycaffe as caffe
    net = caffe.Net("deploy.prototxt", "model.caffemodel", caffe.TEST)

Errors that abort BVLC Caffe's process are Python exceptions here. `caffe.draw` and `caffe.coord_map` are
imported by name, as in BVLC's. The first layer of type "Python" makes this module `caffe` for the rest of the
process, unless another caffe was imported before, because such layers say `import caffe` (see alias.py).

Here `layers` and `log` are pycaffe's; the package and the module of these names are there for from-imports.
"""

import os

# Before torch is loaded: threads that spin while they wait make a LeNet ten times slower where the cores have
# other work. A spin this short costs nothing measurable where they have none.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from caffekit import __version__
from caffekit.formats.caffe_pb2 import TEST, TRAIN
from caffekit.pycaffe import io, proto
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.classifier import Classifier
from caffekit.pycaffe.detector import Detector
from caffekit.pycaffe.layers import LAYERS
from caffekit.pycaffe.layers.python import PythonLayer as Layer
from caffekit.pycaffe.log import log as _log
from caffekit.pycaffe.mode import (
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from caffekit.pycaffe.nccl import NCCL, has_nccl
from caffekit.pycaffe.net import Net
from caffekit.pycaffe.net_spec import NetSpec, params, to_proto
from caffekit.pycaffe.net_spec import layers as layers
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
from caffekit.pycaffe.timer import Timer


def layer_type_list() -> list[str]:
    """The known layer types."""
    return sorted(LAYERS)


def init_log(level: int | None = None, stderr: bool = True) -> None:
    """Write log lines of this level (0 info, 1 warning, 2 error) and above only; always to stderr."""
    if level is not None:
        os.environ["GLOG_minloglevel"] = str(level)  # noqa: SIM112 (glog's spelling)


def log(message: str) -> None:
    """Write an INFO line to the log."""
    _log("_caffe.cpp:68", message)


__all__ = [
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "Timer",
    "__version__",
    "get_solver",
    "has_nccl",
    "init_log",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "params",
    "proto",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]
