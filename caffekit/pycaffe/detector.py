"""Detector: a Net that classifies windows of pictures (R-CNN, Girshick et al. 2014, arXiv:1311.2524)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.formats.caffe_pb2 import TEST
from caffekit.pycaffe import images
from caffekit.pycaffe.net import Net
from caffekit.pycaffe.transformer import net_transformer

Array = NDArray[Any]


class Detector(Net):
    """A net for windows, each warped to the net's input size.

    `context_pad`: how many pixels of the warped window's border show what surrounds it.
    mean, input_scale, raw_scale, channel_swap: see caffe.io.Transformer.
    """

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        mean: Array | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        name = self.inputs[0]
        shape = self.blobs[name].shape
        self.transformer = net_transformer(name, shape, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(
        self, images_windows: Iterable[tuple[str, Iterable[Sequence[int]]]]
    ) -> list[dict[str, Any]]:
        """Classify windows (ymin, xmin, ymax, xmax), given as (image file, windows) for each image.

        Returns [{"window": …, "prediction": …, "filename": …}], in their order.
        """
        name = self.inputs[0]
        detections: list[dict[str, Any]] = []
        data: list[Array] = []
        for filename, windows in images_windows:
            image = images.load_image(filename)
            for window in windows:
                detections.append({"window": window, "filename": filename})
                data.append(self.transformer.preprocess(name, self.crop(image, window)))
        if not data:
            return []
        inputs: Any = {name: np.stack(data)}
        predictions = self.forward_all(**inputs)[self.outputs[0]]
        for detection, prediction in zip(detections, predictions, strict=True):
            detection["prediction"] = prediction
        return detections

    def detect_selective_search(self, image_fnames: Sequence[str]) -> list[dict[str, Any]]:
        """detect_windows for the windows that Selective Search proposes.

        ImportError without the module selective_search_ijcv_with_python, which in turn needs MATLAB.
        """
        try:
            selective_search = importlib.import_module("selective_search_ijcv_with_python")
        except ImportError as error:
            raise ImportError(
                "detect_selective_search needs the module selective_search_ijcv_with_python and MATLAB; give"
                " windows of your own to detect_windows instead"
            ) from error
        paths = [os.path.abspath(path) for path in image_fnames]  # MATLAB runs in another folder
        windows = selective_search.get_windows(paths, cmd="selective_search_rcnn")
        return self.detect_windows(zip(paths, windows, strict=True))

    def crop(self, im: Array, window: Sequence[int]) -> Array:
        """The window (ymin, xmin, ymax, xmax) of a picture, with its surroundings if context_pad is set."""
        if not self.context_pad:
            top, left, bottom, right = window
            return im[top:bottom, left:right]
        size = self.blobs[self.inputs[0]].width  # the net's input is square
        box = _with_context(window, size / (size - 2 * self.context_pad))
        scales = size / (box[2:] - box[:2] + 1)
        pad_y, pad_x = (round(max(0, -start) * scale) for start, scale in zip(box[:2], scales, strict=True))
        height, width = im.shape[:2]
        top, left, bottom, right = np.clip(box, 0, [height, width, height, width]).astype(int)
        inside = im[top:bottom, left:right]
        if not inside.size:
            raise ValueError(f"window {tuple(window)} is outside the image of {height} x {width} pixels")
        crop_h = min(round((bottom - top + 1) * scales[0]), size - pad_y)
        crop_w = min(round((right - left + 1) * scales[1]), size - pad_x)
        crop = np.ones(self.crop_dims, np.float32) * self.crop_mean
        crop[pad_y : pad_y + crop_h, pad_x : pad_x + crop_w] = images.resize_image(inside, (crop_h, crop_w))
        return crop

    def configure_crop(self, context_pad: int | None) -> None:
        """Set context_pad, and what stands for pixels outside the picture: the mean, as a raw picture."""
        name = self.inputs[0]
        inverse = np.argsort(self.transformer.transpose[name])
        self.crop_dims = np.array(self.blobs[name].shape[1:])[inverse]
        self.context_pad = context_pad
        self.crop_mean: Array = np.zeros(self.crop_dims, np.float32)
        if name in self.transformer.mean:
            mean = self.transformer.mean[name].transpose(inverse)
            if name in self.transformer.channel_swap:
                mean = mean[:, :, np.argsort(self.transformer.channel_swap[name])]
            self.crop_mean = mean / self.transformer.raw_scale.get(name, 1)


def _with_context(window: Sequence[int], scale: float) -> Array:
    """`window` scaled about its centre, in whole pixels; it may leave the picture."""
    top, left, bottom, right = window
    half = np.array([bottom - top + 1, right - left + 1]) / 2
    centre = np.array([top, left]) + half
    return np.round(np.concatenate([centre - scale * half, centre + scale * half]))
