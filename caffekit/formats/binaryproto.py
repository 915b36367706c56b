"""Mean images (.binaryproto): a BlobProto of legacy shape 1 x channels x height x width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats.atomic import write_bytes
from caffekit.formats.blobs import blob_array, blob_fault
from caffekit.formats.caffe_pb2 import BlobProto
from caffekit.formats.weights import parse_binary


def read_mean(path: Path) -> NDArray[np.float32]:
    """The mean in `path`, CHW; FormatError naming the file for anything but one image."""
    blob = parse_binary(path, BlobProto(), "a mean (.binaryproto)")
    fault = blob_fault(blob)
    mean = np.zeros(()) if fault else blob_array(blob)
    if mean.ndim == 4 and mean.shape[0] == 1:
        mean = mean[0]
    if fault or mean.ndim != 3 or not mean.size:
        raise FormatError(f"{path}: not a mean (.binaryproto): {fault or f'its shape is {mean.shape}'}")
    return np.asarray(mean, np.float32)


def read_blob(path: Path) -> NDArray[np.float32]:
    """The values of one blob in `path`, in its shape; FormatError naming the file."""
    blob = parse_binary(path, BlobProto(), "a blob (.binaryproto)")
    if fault := blob_fault(blob):
        raise FormatError(f"{path}: not a blob (.binaryproto): {fault}")
    return blob_array(blob)


def write_mean(path: Path, mean: NDArray[np.floating]) -> None:
    """Write `mean` (CHW) as compute_image_mean does, atomically."""
    channels, height, width = mean.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width)
    blob.data.extend(np.asarray(mean, np.float32).ravel().tolist())
    write_bytes(Path(path), blob.SerializeToString())
