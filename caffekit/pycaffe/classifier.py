"""Classifier: a Net that classifies pictures, from one crop or the mean over ten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.formats.caffe_pb2 import TEST
from caffekit.pycaffe import images
from caffekit.pycaffe.net import Net
from caffekit.pycaffe.transformer import net_transformer

Array = NDArray[Any]


class Classifier(Net):
    """A net for pictures that are resized to `image_dims` (the net's input size by default), then cropped.

    mean, input_scale, raw_scale, channel_swap: see caffe.io.Transformer.
    """

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        image_dims: Sequence[int] | None = None,
        mean: Array | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        name = self.inputs[0]
        shape = self.blobs[name].shape
        self.transformer = net_transformer(name, shape, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(shape[2:])
        self.image_dims = self.crop_dims if image_dims is None or not len(image_dims) else image_dims

    def predict(self, inputs: Sequence[Array], oversample: bool = True) -> Array:
        """The first output for each picture (height × width × channels): pictures × classes.

        oversample: the mean over the four corners, the centre and their mirror images; else of the centre.
        """
        resized = np.stack([images.resize_image(each, self.image_dims) for each in inputs])
        if oversample:
            crops = images.oversample(resized, self.crop_dims)
        else:
            top, left = (np.array(self.image_dims) / 2 - self.crop_dims / 2).astype(int)
            bottom, right = (np.array(self.image_dims) / 2 + self.crop_dims / 2).astype(int)
            crops = resized[:, top:bottom, left:right]
        name = self.inputs[0]
        data: Any = {name: np.stack([self.transformer.preprocess(name, crop) for crop in crops])}
        predictions: Array = self.forward_all(**data)[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(predictions) // 10, 10, -1).mean(1)
        return predictions
