"""A data layer for real Caffe, whose Python has no decoder: its batches come through a pipe from a feeder.

    type: "Python" python_param { module: "augmented_data" layer: "AugmentedData" param_str: '{"name": "data"}' }

FEEDS says which file descriptor each layer reads. What comes, again and again: four bytes, the length (little
endian) of a JSON object {"shapes": [one per top]}, the object, and the float32 values of each top; or
{"error": message} in the place of a batch that could not be made. Python 2.7 and 3.
"""
from __future__ import division, print_function

import io
import json

import caffe
import numpy as np

FEEDS = {}


class AugmentedData(caffe.Layer):
    """Tops: the images (N, C, H, W) and, if asked for, the labels (N)."""

    def setup(self, bottom, top):
        self.name = str(json.loads(self.param_str)["name"])
        if self.name not in FEEDS:
            raise ValueError("layer '%s': nothing feeds it; train with `caffekit train --engine bvlc`" % self.name)
        self.pipe = io.open(FEEDS[self.name], "rb", buffering=0, closefd=False)
        self.shapes = self.head()

    def reshape(self, bottom, top):
        for i in range(len(top)):  # real Caffe's `top` can only be indexed
            top[i].reshape(*self.shapes[i])

    def forward(self, bottom, top):
        self.shapes = self.pending or self.head()
        self.pending = None
        self.reshape(bottom, top)
        for i in range(len(top)):
            self.read(top[i].data)

    def backward(self, top, propagate_down, bottom):
        pass

    def head(self):
        """The shapes of the batch that comes next; it is `pending` until forward reads it."""
        size = np.zeros(1, "<u4")
        self.read(size)
        text = np.zeros(int(size[0]), np.uint8)
        self.read(text)
        told = json.loads(text.tobytes().decode("utf-8"))
        if "error" in told:
            raise ValueError(told["error"].encode("ascii", "replace").decode("ascii"))
        self.pending = told["shapes"]
        return self.pending

    def read(self, array):
        """Fill `array` from the pipe, without a copy in between."""
        view, at = memoryview(array.reshape(-1).view(np.uint8)), 0
        while at < len(view):
            got = self.pipe.readinto(view[at:])
            if not got:
                raise IOError("layer '%s': the process that feeds it has ended; the log says why" % self.name)
            at += got
