"""The nets of BVLC Caffe's own models and examples, once forward and backward, against real Caffe.

Found in the BVLC/caffe checkout that CAFFE_SRC names; nothing of it is kept here. Their data layers become
Inputs with batches of 2, since their data is not at hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.formats.prototxt import read_net, write_prototxt

READERS = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
}
IMAGES = {"siamese": (2, 28, 28), "mnist": (1, 28, 28), "cifar10": (3, 32, 32), "hdf5": (4,)}
RUN = "import runpy, sys, caffekit.pycaffe as caffe; sys.modules['caffe'] = caffe; sys.argv = sys.argv[1:]; \
runpy.run_path(sys.argv[0], run_name='__main__')"


@pytest.fixture(scope="module")
def source() -> Path:
    """A BVLC/caffe checkout, or skip."""
    folder = os.environ.get("CAFFE_SRC")
    if not folder or not (Path(folder) / "models").is_dir():
        pytest.skip("CAFFE_SRC names no checkout of BVLC/caffe")
    return Path(folder)


def _image(path: Path, layer: Any) -> tuple[int, ...]:
    for name, shape in IMAGES.items():
        if name in path.name or name in path.parent.name:
            return shape
    return (3, layer.transform_param.crop_size or 227, layer.transform_param.crop_size or 227)


def _without_data(path: Path) -> Any:
    """The net of `path` with Input layers in place of those that read data."""
    net = read_net(path)
    for layer in net.layer:
        if layer.type in READERS:
            image = _image(path, layer)
            layer.type = "Input"
            for field in ("transform_param", *READERS.values()):
                layer.ClearField(field)
            for i in range(len(layer.top)):
                layer.input_param.shape.add().dim.extend((2,) if i else (2, *image))
        for shape in layer.input_param.shape:
            shape.dim[0] = min(shape.dim[0], 2)
    return net


@pytest.mark.slow
@pytest.mark.bvlc
def test_every_net_equals_bvlc(source: Path, bvlc: Path, tmp_path: Path) -> None:
    """From one seed: equal parameters, outputs and gradients, for all 29 of them."""
    nets = []
    for path in sorted([*source.glob("models/**/*.prototxt"), *source.glob("examples/**/*.prototxt")]):
        if "solver" not in path.name:
            nets.append(tmp_path / "_".join(path.relative_to(source).parts))
            write_prototxt(nets[-1], _without_data(path))
    assert len(nets) >= 29
    script = Path(__file__).parent / "zoo_case.py"
    environment = {**os.environ, "PYTHONPATH": str(source / "examples" / "pycaffe" / "layers")}
    for out, command in (("real.npz", [bvlc]), ("ours.npz", [sys.executable, "-c", RUN])):
        words = [*command, script, tmp_path / out, *nets]
        subprocess.run([str(word) for word in words], check=True, capture_output=True, env=environment)
    with np.load(tmp_path / "ours.npz") as ours, np.load(tmp_path / "real.npz") as real:
        assert set(ours) == set(real)
        _compare(ours, real)


def _compare(ours: Any, real: Any) -> None:
    """Parameters agree to 1e-6, outputs and nearly all gradients to 1e-4.

    Some gradients of deep nets differ more, by up to 0.5 %: where two values of a pooling window, or one and
    a ReLU's 0, are as close as rounding, either may win, and all layers below notice.
    """
    off = []
    for name in real:
        kind = name.split(":")[1].split("/")[0]
        # A shared bias under a contrastive loss has a gradient of 0, but for rounding.
        scale = float(np.abs(real[name]).max()) + 1e-4
        error = float(np.abs(ours[name] - real[name]).max()) / scale
        assert error <= {"param": 1e-6, "diff": 5e-3}.get(kind, 1e-4), name
        if error > 1e-4:
            off.append(name)
    assert len(off) < len(real.files) / 10, off
