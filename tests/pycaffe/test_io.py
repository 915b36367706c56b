"""caffe.io against what real Caffe (with scikit-image and scipy) gave; its errors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import caffekit.pycaffe as caffe
from caffekit.pycaffe.proto import caffe_pb2

from .api_case import NETS, record

RECORDED = Path(__file__).parent.parent / "cases" / "api.npz"


@pytest.fixture(scope="module")
def got() -> dict[str, NDArray[np.float32]]:
    return record(caffe)


def _names() -> list[str]:
    with np.load(RECORDED) as recorded:
        return list(recorded)


def test_everything_recorded_is_made(got: dict[str, NDArray[np.float32]]) -> None:
    assert set(got) == set(_names())


@pytest.mark.parametrize("name", _names())
def test_equals_bvlc(got: dict[str, NDArray[np.float32]], name: str) -> None:
    with np.load(RECORDED) as recorded:
        wanted = recorded[name]
    assert got[name].dtype == wanted.dtype
    np.testing.assert_allclose(got[name], wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.bvlc
def test_the_records_are_real(bvlc: Path, tmp_path: Path) -> None:
    """Real Caffe, run now, gives what is stored."""
    (tmp_path / "net_spec").mkdir()
    script = Path(__file__).parent / "api_case.py"
    subprocess.run([bvlc, "-W", "ignore", script, tmp_path], check=True, capture_output=True)
    with np.load(RECORDED) as stored, np.load(tmp_path / "api.npz") as fresh:
        assert set(stored) == set(fresh)
        for name in stored:
            np.testing.assert_allclose(fresh[name], stored[name], rtol=1e-5, atol=1e-6, err_msg=name)
    for name in NETS:
        stored_text = (RECORDED.parent / "net_spec" / f"{name}.prototxt").read_text()
        assert (tmp_path / "net_spec" / f"{name}.prototxt").read_text() == stored_text


# --- blobs and datums ---------------------------------------------------------------------------------------


def test_a_legacy_shape_counts_before_a_new_one() -> None:
    blob = caffe_pb2.BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    blob.shape.dim.extend([6])
    array = caffe.io.blobproto_to_array(blob)
    assert array.shape == (1, 2, 1, 3)
    assert array.dtype == np.float64


def test_blobs_keep_values_and_diffs() -> None:
    values = np.arange(6.0).reshape(2, 3)
    blob = caffe.io.array_to_blobproto(values, -values)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), values)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), -values)


def test_values_that_do_not_fill_the_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 6 values, but it holds 2"):
        caffe.io.blobproto_to_array(caffe_pb2.BlobProto(num=1, channels=2, height=1, width=3, data=[1, 2]))
    with pytest.raises(ValueError, match="reshape"):
        caffe.io.blobproto_to_array(caffe.io.array_to_blobproto(np.ones(3)), return_diff=True)


def test_vectors_of_blobs_come_back() -> None:
    arrays = [np.arange(4.0), np.ones((2, 3))]
    text = caffe.io.arraylist_to_blobprotovector_str(arrays)
    for mine, theirs in zip(arrays, caffe.io.blobprotovector_str_to_arraylist(text), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_datums_come_back_writable(dtype: type) -> None:
    array = np.arange(12).reshape(3, 2, 2).astype(dtype)
    datum = caffe.io.array_to_datum(array, label=7)
    assert datum.label == 7
    assert bool(datum.data) == (dtype is np.uint8)
    back = caffe.io.datum_to_array(datum)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)
    back[...] = 0


def test_a_datum_is_three_dimensional() -> None:
    with pytest.raises(ValueError, match="Incorrect array shape"):
        caffe.io.array_to_datum(np.ones((2, 2)))
    assert not caffe.io.array_to_datum(np.ones((1, 2, 2))).HasField("label")


# --- pictures -----------------------------------------------------------------------------------------------


def _bgr(channels: int = 3, dtype: type = np.uint8) -> NDArray[np.int_]:
    top = np.iinfo(dtype).max + 1
    return np.random.RandomState(2).randint(0, top, (5, 6, channels)).astype(dtype)


def test_load_image_gives_rgb_from_0_to_1(tmp_path: Path) -> None:
    pixels = _bgr()
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    image = caffe.io.load_image(str(tmp_path / "a.png"))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, (pixels[:, :, ::-1] / 255).astype(np.float32))
    gray = caffe.io.load_image(str(tmp_path / "a.png"), color=False)
    # 0.2125 R + 0.7154 G + 0.0721 B, as scikit-image's rgb2gray says.
    wanted = (pixels / 255) @ [0.0721, 0.7154, 0.2125]
    np.testing.assert_allclose(gray[:, :, 0], wanted, rtol=1e-6)


def test_load_image_drops_alpha_and_repeats_gray(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "alpha.png"), _bgr(4))
    cv2.imwrite(str(tmp_path / "gray.png"), _bgr(1))
    alpha = caffe.io.load_image(str(tmp_path / "alpha.png"))
    np.testing.assert_array_equal(alpha, (_bgr(4)[:, :, 2::-1] / 255).astype(np.float32))
    gray = caffe.io.load_image(str(tmp_path / "gray.png"))
    assert gray.shape == (5, 6, 3)
    assert (gray == gray[:, :, :1]).all()
    assert caffe.io.load_image(str(tmp_path / "gray.png"), color=False).shape == (5, 6, 1)


def test_load_image_sees_alpha_on_white_for_gray(tmp_path: Path) -> None:
    pixels = _bgr(4)
    pixels[:, :, 3] = 0
    cv2.imwrite(str(tmp_path / "clear.png"), pixels)
    np.testing.assert_allclose(caffe.io.load_image(str(tmp_path / "clear.png"), color=False), 1, rtol=1e-6)


def test_load_image_keeps_sixteen_bits(tmp_path: Path) -> None:
    pixels = _bgr(1, np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    image = caffe.io.load_image(str(tmp_path / "a.png"), color=False)
    np.testing.assert_array_equal(image, (pixels / 65535).astype(np.float32))


def test_load_image_names_a_file_that_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"a.jpg: not an image"):
        caffe.io.load_image(str(tmp_path / "a.jpg"))
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a.jpg: not an image"):
        caffe.io.load_image(str(tmp_path / "a.jpg"))
    with pytest.raises(FileNotFoundError):
        caffe.io.load_image(str(tmp_path / "nothing.jpg"))


# --- Transformer --------------------------------------------------------------------------------------------


@pytest.fixture
def transformer() -> caffe.io.Transformer:
    return caffe.io.Transformer({"data": (1, 3, 4, 5)})


def test_preprocess_leaves_the_picture_alone(transformer: caffe.io.Transformer) -> None:
    image = np.ones((4, 5, 3), np.float32)
    transformer.set_raw_scale("data", 255)
    assert transformer.preprocess("data", image).max() == 255
    assert image.max() == 1


def test_a_constant_mean_image_of_another_size_is_that_constant(transformer: caffe.io.Transformer) -> None:
    transformer.set_mean("data", np.full((3, 9, 9), 117.0))
    np.testing.assert_array_equal(transformer.mean["data"], np.full((3, 4, 5), 117.0))


def test_a_mean_image_of_one_channel_needs_no_axis_for_it() -> None:
    transformer = caffe.io.Transformer({"data": (1, 1, 4, 5)})
    transformer.set_mean("data", np.arange(20.0).reshape(4, 5))
    assert transformer.mean["data"].shape == (1, 4, 5)


def test_what_the_transformer_refuses(transformer: caffe.io.Transformer) -> None:
    with pytest.raises(Exception, match="image is not one of the net inputs"):
        transformer.preprocess("image", np.ones((4, 5, 3)))
    with pytest.raises(Exception, match="Transpose order needs to have the same number of dimensions"):
        transformer.set_transpose("data", (1, 0))
    with pytest.raises(Exception, match="Channel swap needs to have the same number of dimensions"):
        transformer.set_channel_swap("data", (1, 0))
    with pytest.raises(ValueError, match="Mean channels incompatible with input: 2 for 3"):
        transformer.set_mean("data", np.ones(2))
    with pytest.raises(ValueError, match="Mean shape invalid"):
        transformer.set_mean("data", np.ones((1, 3, 4, 5)))
