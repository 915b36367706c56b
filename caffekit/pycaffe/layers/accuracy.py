"""Accuracy of classification scores."""

from __future__ import annotations

import torch

from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer


class Accuracy(Layer):
    """The share of samples whose label is among the top_k scores; ties count against it.

    Bottoms: scores (N, C, …), labels (N, …) → top (), and accuracies per class (C) as a second top.
    Samples with ignore_label do not count; a class (or a batch) without samples scores 0.
    accuracy_param: top_k (1), axis (1), ignore_label.
    """

    type = "Accuracy"
    no_gradient = (-1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.accuracy_param
        scores = bottom[0].movedim(param.axis, -1)
        labels = bottom[1].reshape(scores.shape[:-1]).long()
        ignore = param.ignore_label if param.HasField("ignore_label") else None
        check_labels(labels, scores.shape[-1], ignore, self.layer_param.name)
        valid = torch.ones_like(labels, dtype=torch.bool) if ignore is None else labels != ignore
        own = scores.gather(-1, labels.where(valid, 0).unsqueeze(-1))
        correct = ((scores >= own).sum(-1) - 1 < param.top_k) & valid
        tops = [_share(correct.sum(), valid.sum())]
        if len(self.layer_param.top) > 1:
            tops.append(self._per_class(labels, correct, valid, scores.shape[-1]))
        return tops

    @staticmethod
    def _per_class(
        labels: torch.Tensor, correct: torch.Tensor, valid: torch.Tensor, classes: int
    ) -> torch.Tensor:
        hits = torch.bincount(labels[correct], minlength=classes)
        return _share(hits, torch.bincount(labels[valid], minlength=classes))


def _share(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    return torch.where(whole > 0, part / whole.clamp(min=1), 0.0).float()
