"""LabelSpecificAdd: a bias for the score of the true class, the margin of AM-Softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer


class LabelSpecificAdd(Layer):
    """y = x, but x_label + bias where x_label > −bias (Wang et al. 2018, with bias = −m).

    As happynear/caffe-windows: in the TEST phase y = x (whatever transform_test says, in the fork too).
    Bottoms: scores (N, C…), labels (N) → tops: scores, or also the bias (1). The gradient is handed on as it
    is; may work in place.
    label_specific_add_param: bias (0); or, where bias_base is given, before each forward
    bias = min(max(bias_base + (1 + bias_gamma · iteration)^bias_power − 1, bias_min), bias_max), with
    bias_gamma (0), bias_power (1), bias_min (0), bias_max (0), iteration (0).
    """

    type = "LabelSpecificAdd"
    no_gradient = (1,)

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.own = fork_param(self.layer_param, "label_specific_add_param")
        self.bias, self.iteration = self.own.bias, self.own.iteration

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        y = bottom[0].clone()
        if self.phase == TRAIN:
            self._anneal()
            scores = y.reshape(len(y), -1)
            labels = bottom[1].flatten().long()
            check_labels(labels, scores.shape[1], None, self.layer_param.name)
            index = labels.unsqueeze(1)
            add = (scores.detach().gather(1, index) > -self.bias) * self.bias
            y = scores.scatter_add(1, index, add.to(scores.dtype)).reshape(y.shape)
        return [y, torch.full((1,), self.bias, device=y.device)][: len(self.layer_param.top)]

    def _anneal(self) -> None:
        own = self.own
        if own.HasField("bias_base"):
            bias = own.bias_base + (1 + own.bias_gamma * self.iteration) ** own.bias_power - 1
            self.bias = min(max(bias, own.bias_min), own.bias_max)
            self.iteration += 1
