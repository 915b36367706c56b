"""Pictures as pycaffe has them: float32, height × width × channels, RGB, in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Sides = Sequence[int] | NDArray[np.int_]
"""Height and width, in pixels."""

GRAY = (0.2125, 0.7154, 0.0721)
"""What scikit-image's rgb2gray takes of red, green and blue (ITU-R BT.709, rounded)."""
TRUNCATE = 4.0
"""Standard deviations after which scipy's gaussian_filter ends its kernel."""


def load_image(filename: str | Path, color: bool = True) -> Image:
    """Read a picture: (height, width, 3) RGB, or with color=False (height, width, 1); float32 in [0, 1].

    Gray pictures are repeated for the three channels, alpha is dropped (seen on white for gray). EXIF's
    orientation is not heeded. The values are those of skimage.img_as_float. ValueError for no picture.
    """
    data = np.frombuffer(Path(filename).read_bytes(), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise ValueError(f"{filename}: not an image, or damaged")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    largest = {"uint8": 255, "uint16": 65535}.get(pixels.dtype.name, 1)
    image = pixels / np.float64(largest)
    image[:, :, :3] = image[:, :, :3][:, :, ::-1].copy()  # OpenCV has BGR
    if not color and image.shape[2] > 1:
        if image.shape[2] == 4:
            image = image[:, :, :3] * image[:, :, 3:] + (1 - image[:, :, 3:])
        image = (image @ np.array(GRAY))[:, :, None]
    elif color and image.shape[2] == 1:
        image = np.tile(image, (1, 1, 3))
    return image[:, :, :3].astype(np.float32)


def resize_image(im: NDArray[Any], new_dims: Sides, interp_order: int = 1) -> Image:
    """`im` (height × width × channels) as new_dims = (height, width), float32.

    One or three channels: skimage.transform.resize over the values' range, mode constant, as skimage has
    done it since 0.15 (smoothed by a Gaussian before it is shrunk). Otherwise scipy.ndimage.zoom.
    """
    new = (int(new_dims[0]), int(new_dims[1]))
    if im.shape[-1] not in (1, 3):
        from scipy.ndimage import zoom

        factors = (new[0] / im.shape[0], new[1] / im.shape[1], 1)
        zoomed: Image = zoom(im, factors, order=interp_order).astype(np.float32)
        return zoomed
    low, high = im.min(), im.max()
    if not high > low:  # one value everywhere
        return np.full((*new, im.shape[-1]), low, np.float32)
    unit = ((im - low) / (high - low)).astype(np.float32 if im.dtype == np.float32 else np.float64)
    resized = _resize(unit, new, interp_order)
    out: Image = (resized * (high - low) + low).astype(np.float32)
    return out


def oversample(images: Sequence[NDArray[Any]] | NDArray[Any], crop_dims: Sides) -> Image:
    """Ten crops of each image (all of one size): four corners, the centre, and these five mirrored."""
    rows, columns = images[0].shape[:2]
    height, width = int(crop_dims[0]), int(crop_dims[1])
    corners = [(top, left) for top in (0, rows - height) for left in (0, columns - width)]
    places = [*corners, (int(rows / 2 - height / 2), int(columns / 2 - width / 2))]
    crops = np.empty((10 * len(images), height, width, images[0].shape[-1]), np.float32)
    for i, image in enumerate(images):
        for j, (top, left) in enumerate(places):
            crop = image[top : top + height, left : left + width]
            crops[10 * i + j] = crop
            crops[10 * i + 5 + j] = crop[:, ::-1]
    return crops


def _resize(image: NDArray[Any], new: tuple[int, int], order: int) -> NDArray[Any]:
    """skimage.transform.resize(image, new, order, mode="constant"): outside the image everything is 0."""
    tall, wide = (_smoothing(old, side) for old, side in zip(image.shape, new, strict=False))
    smooth = cv2.sepFilter2D(image, -1, wide, tall, borderType=cv2.BORDER_CONSTANT)
    smooth = smooth.reshape(image.shape)  # OpenCV forgets a single channel
    if order in WEIGHTS:
        y, x = (
            _interpolation(old, side, order).astype(image.dtype)
            for old, side in zip(image.shape, new, strict=False)
        )
        resized: NDArray[Any] = np.einsum("yh,hwc,xw->yxc", y, smooth, x, optimize=True)
    else:
        resized = _spline(smooth, new, order)
    if order != 0:
        low, high = smooth.min(), smooth.max()
        resized = np.where((resized == 0) & (low > 0), 0, np.clip(resized, low, high))
    return resized


def _positions(old: int, new: int) -> NDArray[np.float64]:
    """Where the centres of `new` pixels lie among `old` ones that span the same length."""
    return (np.arange(new, dtype=np.float64) + 0.5) * (old / new) - 0.5


def _smoothing(old: int, new: int) -> NDArray[np.float64]:
    """The Gaussian with which a line of `old` pixels is blurred before it is shrunk to `new` ones."""
    sigma = max(1e-9, (old / new - 1) / 2)
    radius = int(TRUNCATE * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    normal: NDArray[np.float64] = kernel / kernel.sum()
    return normal


def _nearest(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return ((distance >= -0.5) & (distance < 0.5)).astype(float)


def _linear(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    weight: NDArray[np.float64] = np.maximum(0, 1 - np.abs(distance))
    return weight


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Catmull and Rom's spline."""
    d = np.abs(distance)
    near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    weight: NDArray[np.float64] = np.where(d <= 1, near, np.where(d < 2, far, 0))
    return weight


WEIGHTS = {0: _nearest, 1: _linear, 3: _cubic}
"""How much a pixel at a distance counts, by the order of interpolation."""


def _interpolation(old: int, new: int, order: int) -> NDArray[np.float64]:
    """The matrix that makes `new` pixels of a line of `old` ones."""
    matrix: NDArray[np.float64] = WEIGHTS[order](_positions(old, new)[:, None] - np.arange(old))
    return matrix


def _spline(image: NDArray[Any], new: tuple[int, int], order: int) -> NDArray[Any]:
    """The orders that skimage leaves to scipy."""
    from scipy.ndimage import map_coordinates

    lines = [_positions(old, side) for old, side in zip(image.shape, new, strict=False)]
    places = np.meshgrid(*lines, indexing="ij")
    planes = np.moveaxis(image, 2, 0)
    return np.stack([map_coordinates(p, places, order=order, mode="constant") for p in planes], axis=-1)
