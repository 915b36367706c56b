"""Mean images as compute_image_mean writes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.binaryproto import read_mean, write_mean
from caffekit.formats.caffe_pb2 import BlobProto
from caffekit.formats.weights import to_blob

MEAN = np.random.RandomState(1).rand(3, 4, 5).astype(np.float32) * 255


def test_a_mean_is_written_in_the_legacy_shape_and_read(tmp_path: Path) -> None:
    path = tmp_path / "mean.binaryproto"
    write_mean(path, MEAN)
    blob = BlobProto.FromString(path.read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 3, 4, 5)
    np.testing.assert_array_equal(read_mean(path), MEAN)


def test_three_axes_are_a_mean_too(tmp_path: Path) -> None:
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(to_blob(MEAN).SerializeToString())
    np.testing.assert_array_equal(read_mean(path), MEAN)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\xff\xff\xff", "or cut off"),
        (to_blob(np.zeros((2, 3, 4, 4))).SerializeToString(), r"its shape is \(2, 3, 4, 4\)"),
        (to_blob(np.zeros(3)).SerializeToString(), r"its shape is \(3,\)"),
        (BlobProto(num=1, channels=3, height=9, width=9).SerializeToString(), "takes 243 values"),
        (b"\x48\x01", r"its shape is \(\)|takes 1 values"),
    ],
)
def test_what_is_no_mean(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        read_mean(path)
    assert str(path) in caught.value.message


def test_a_missing_mean(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="reading"):
        read_mean(tmp_path / "no.binaryproto")


READ = """
import sys, caffe
blob = caffe.proto.caffe_pb2.BlobProto()
blob.ParseFromString(open(sys.argv[1], 'rb').read())
print(caffe.io.blobproto_to_array(blob).astype('f4').tobytes().hex())
"""


@pytest.mark.bvlc
def test_real_caffe_reads_our_mean(bvlc: Path, tmp_path: Path) -> None:
    write_mean(tmp_path / "mean.binaryproto", MEAN)
    run = subprocess.run([bvlc, "-c", READ, tmp_path / "mean.binaryproto"], capture_output=True, text=True)
    assert run.stdout.strip() == MEAN.tobytes().hex(), run.stderr


def test_published_means_are_read(shared: Path) -> None:
    found = sorted((shared / "data" / "caffemodels" / "dev").rglob("*.binaryproto"))
    assert found
    for path in found:
        assert read_mean(path).shape[0] == 3
