"""Losses that BVLC Caffe lacks, as layers written in Python: copy this file beside a net to train it anywhere.

    layer {
      name: "loss" type: "Python" bottom: "features" bottom: "label" top: "loss" loss_weight: 1
      python_param { module: "caffekit_losses" layer: "TripletLoss" param_str: '{"margin": 0.2}' }
    }

param_str is a JSON object of the options that each class lists with their defaults. caffekit's own engine does
not run this file: it has layers of its own for these names, with the same numbers, also on a GPU. Python 2.7
and 3; numpy. Gradients are those of the formulae, exactly.
"""
from __future__ import division, print_function

import json

import caffe
import numpy as np
from numpy.polynomial.chebyshev import chebder, chebval

TRAIN = 0
TINY = 1e-12  # added to squared lengths, so that a vector of zeros has a gradient
MILLION = 1e6


class Loss(caffe.Layer):
    """Bottoms: features (N, K...), labels (N). A class lists its options in `options`; None: must be given."""

    options = {}

    def setup(self, bottom, top):
        given = json.loads(self.param_str or "{}")
        unknown = sorted(set(given) - set(self.options))
        if unknown:
            raise ValueError("no option %s; there are: %s" % (", ".join(unknown), ", ".join(sorted(self.options))))
        self.own = dict(self.options, **given)
        if self.own.get("classes", 1) < 1:
            raise ValueError("classes is missing: the number of classes")
        self.prepare(self.features(bottom))

    def prepare(self, features):
        pass

    def reshape(self, bottom, top):
        for i in range(len(top)):  # real Caffe's `top` can only be indexed
            top[i].reshape(1)

    def features(self, bottom):
        data = bottom[0].data
        return data.reshape(len(data), -1)

    def labels(self, bottom):
        labels = bottom[1].data.reshape(-1).astype(int)
        wrong = np.flatnonzero((labels < 0) | (labels >= self.own["classes"]))
        if len(wrong):
            place = (labels[wrong[0]], wrong[0], self.own["classes"] - 1)
            raise ValueError("label %d (item %d of the batch) is outside 0 ... %d" % place)
        return labels


class CenterLoss(Loss):
    """loss = sum |x_i - c_label(i)|^2 / 2N: features are drawn to the centers of their classes.

    Wen, Zhang, Li and Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016
    (divided by N as its authors' Caffe does). Top: loss. Parameter: centers (classes, K), zeros at first.
    The centers do not follow the loss's gradient but c_j -= alpha * sum_{label(i) = j} (c_j - x_i) / (1 + n_j),
    n_j items of class j in the batch. alpha is their own learning rate: each backward moves them, and the
    solver must not (param { lr_mult: 0 decay_mult: 0 }). alpha 0: the sum becomes their diff, and the solver
    moves them at base_lr * lr_mult (with several processes, which average diffs only, this is the way).
    """

    options = {"classes": 0, "alpha": 0.5}

    def prepare(self, features):
        if not len(self.blobs):
            self.blobs.add_blob(self.own["classes"], features.shape[1])

    def forward(self, bottom, top):
        self.label = self.labels(bottom)
        self.away = self.features(bottom) - self.blobs[0].data[self.label]
        top[0].data[...] = np.square(self.away).sum() / (2 * len(self.away))

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            diff = self.away * (top[0].diff.reshape(-1)[0] / len(self.away))
            bottom[0].diff[...] = diff.reshape(bottom[0].diff.shape)
        step = np.zeros_like(self.blobs[0].data)
        np.subtract.at(step, self.label, self.away)
        step /= 1 + np.bincount(self.label, minlength=len(step))[:, np.newaxis]
        if self.own["alpha"]:
            self.blobs[0].data[...] -= self.own["alpha"] * step
        else:
            self.blobs[0].diff[...] += step


class TripletLoss(Loss):
    """loss = mean max(0, margin + d(a, p) - d(a, n)), d the squared distance, over triplets found in the batch.

    Tops: loss, or also the share of the triplets looked at that are not yet apart by the margin. mining:
    "semi-hard": every pair a, p of a class; n is the nearest item of another class that is further away than
      p, and the furthest of all where there is none. Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015.
    "batch-hard": every a; p is the furthest of its class, n the nearest of the others.
    "batch-all": all triplets; the mean is over those whose loss is not 0.
      Both: Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017.
    A batch needs several items of each of several classes. Features of length 1 give d from 0 to 4.
    """

    options = {"margin": 0.2, "mining": "semi-hard"}

    def prepare(self, features):
        if self.own["mining"] not in MINING:
            raise ValueError("mining is one of " + ", ".join(sorted(MINING)))

    def forward(self, bottom, top):
        x = self.features(bottom).astype(np.float64)
        squares = np.square(x).sum(1)
        distance = np.maximum(squares[:, np.newaxis] + squares - 2 * x.dot(x.T), 0)
        labels = bottom[1].data.reshape(-1)
        same = labels[:, np.newaxis] == labels
        margin, mining = self.own["margin"], self.own["mining"]
        pairs = same & ~np.eye(len(x), dtype=bool)
        self.weights, active, looked_at = MINING[mining](distance, pairs, ~same, margin)
        self.count = max(active if mining == "batch-all" else looked_at, 1)
        top[0].data[...] = ((self.weights * distance).sum() + margin * active) / self.count
        if len(top) > 1:
            top[1].data[...] = active / max(looked_at, 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            x, both = self.features(bottom), self.weights + self.weights.T
            diff = (both.sum(1)[:, np.newaxis] * x - both.dot(x)) * (2 * top[0].diff.reshape(-1)[0] / self.count)
            bottom[0].diff[...] = diff.reshape(bottom[0].diff.shape)


def semi_hard(distance, positive, negative, margin):
    """(weights of the distances in the sum, triplets within the margin, triplets looked at), as all miners."""
    a, p = np.nonzero(positive & negative.any(1)[:, np.newaxis])
    further = negative[a] & (distance[a] > distance[a, p][:, np.newaxis])
    nearest = np.where(further, distance[a], np.inf).argmin(1) if len(a) else a
    furthest = np.where(negative[a], distance[a], -1).argmax(1) if len(a) else a
    return chosen(distance, a, p, np.where(further.any(1), nearest, furthest), margin)


def batch_hard(distance, positive, negative, margin):
    a = np.flatnonzero(positive.any(1) & negative.any(1))
    p = np.where(positive[a], distance[a], -1).argmax(1) if len(a) else a
    n = np.where(negative[a], distance[a], np.inf).argmin(1) if len(a) else a
    return chosen(distance, a, p, n, margin)


def chosen(distance, a, p, n, margin):
    active = distance[a, p] - distance[a, n] + margin > 0
    weights = np.zeros_like(distance)
    np.add.at(weights, (a[active], p[active]), 1)
    np.add.at(weights, (a[active], n[active]), -1)
    return weights, active.sum(), len(a)


def batch_all(distance, positive, negative, margin):
    weights = np.zeros_like(distance)
    count = looked_at = 0
    for a in range(len(distance)):
        p, n = np.flatnonzero(positive[a]), np.flatnonzero(negative[a])
        active = distance[a, p][:, np.newaxis] - distance[a, n] + margin > 0
        weights[a, p] += active.sum(1)
        weights[a, n] -= active.sum(0)
        count += active.sum()
        looked_at += active.size
    return weights, count, looked_at


MINING = {"semi-hard": semi_hard, "batch-hard": batch_hard, "batch-all": batch_all}


class Classifier(Loss):
    """Scores (N, classes) for SoftmaxWithLoss from weights (classes, K), each row taken at length 1.

    The weights begin uniform, drawn from `seed`. In the TEST phase there is no margin.
    """

    def prepare(self, features):
        if not len(self.blobs):
            classes, width = self.own["classes"], features.shape[1]
            self.blobs.add_blob(classes, width)
            random = np.random.RandomState(self.own["seed"])
            self.blobs[0].data[...] = random.uniform(-1, 1, (classes, width)) * np.sqrt(3 / width)

    def reshape(self, bottom, top):
        top[0].reshape(len(bottom[0].data), self.own["classes"])
        if len(top) > 1:
            top[1].reshape(1)

    def take(self, bottom):
        """The features, their lengths, the rows of length 1, and which scores are those of the true classes."""
        self.x, weights = self.features(bottom), self.blobs[0].data
        self.norm = np.sqrt(np.square(self.x).sum(1, keepdims=True) + TINY)
        self.row_norm = np.sqrt(np.square(weights).sum(1, keepdims=True) + TINY)
        self.rows = weights / self.row_norm
        self.true = (np.arange(len(self.x)), self.labels(bottom))

    def add_diff(self, of_rows):
        """Add to the weights' diff: what is along a row does not change its direction."""
        along = (of_rows * self.rows).sum(1, keepdims=True)
        self.blobs[0].diff[...] += (of_rows - self.rows * along) / self.row_norm


class ASoftmax(Classifier):
    """scores = |x| cos(theta_j), of the true class |x| (lambda cos(theta) + psi(theta)) / (1 + lambda).

    psi(theta) = (-1)^k cos(margin theta) - 2k for theta in [k pi / margin, (k + 1) pi / margin]: the true class
    must win at `margin` times the angle. Liu, Wen, Yu, Li, Raj and Song, "SphereFace: Deep Hypersphere
    Embedding for Face Recognition", CVPR 2017. lambda = max(lambda_min, base (1 + gamma i)^-power), i being
    the forwards in training so far: it begins as softmax and hardens. Tops: scores, or also lambda.
    Parameters: weights; i in millions (param { lr_mult: 0 decay_mult: 0 }), which snapshots and weights bring
    along. Unlike the authors' layer this one follows the true gradient.
    """

    options = {
        "classes": 0, "margin": 4, "base": 1000, "gamma": 0.12, "power": 1, "lambda_min": 5, "seed": 1,
    }

    def prepare(self, features):
        if self.own["margin"] not in (1, 2, 3, 4):
            raise ValueError("margin is 1, 2, 3 or 4")
        Classifier.prepare(self, features)
        if len(self.blobs) < 2:
            self.blobs.add_blob(1)

    def forward(self, bottom, top):
        self.take(bottom)
        own, scores = self.own, self.x.dot(self.rows.T)
        done = round(float(self.blobs[1].data[0]) * MILLION)
        if self.phase == TRAIN:
            done += 1
            self.blobs[1].data[0] = done / MILLION
        self.soft = max(own["lambda_min"], own["base"] * (1 + own["gamma"] * done) ** -own["power"])
        if self.phase == TRAIN:
            norm = self.norm[:, 0]
            cos = scores[self.true] / norm
            psi, slope = angular(cos, int(own["margin"]))
            scores[self.true] = (self.soft * scores[self.true] + norm * psi) / (1 + self.soft)
            self.of_score, self.of_norm = (self.soft + slope) / (1 + self.soft), (psi - cos * slope) / (1 + self.soft)
        top[0].data[...] = scores
        if len(top) > 1:
            top[1].data[...] = self.soft

    def backward(self, top, propagate_down, bottom):
        diff = top[0].diff.copy()
        of_norm = 0
        if self.phase == TRAIN:
            of_norm = (diff[self.true] * self.of_norm)[:, np.newaxis]
            diff[self.true] *= self.of_score
        if propagate_down[0]:
            of_x = diff.dot(self.rows) + of_norm * self.x / self.norm
            bottom[0].diff[...] = of_x.reshape(bottom[0].diff.shape)
        self.add_diff(diff.T.dot(self.x))


def angular(cos, margin):
    """psi and its slope, from cos(theta); cos(margin theta) is Chebyshev's polynomial of it."""
    k = sum((cos < np.cos(i * np.pi / margin)).astype(int) for i in range(1, margin))
    sign, polynomial = 1 - 2 * (k % 2), [0] * margin + [1]
    return sign * chebval(cos, polynomial) - 2 * k, sign * chebval(cos, chebder(polynomial))


class AMSoftmax(Classifier):
    """scores = scale cos(theta_j), of the true class scale (cos(theta) - margin).

    Wang, Cheng, Liu and Liu, "Additive Margin Softmax for Face Verification", 2018; the same as CosFace, Wang
    et al., CVPR 2018. Top: scores. Parameter: weights.
    """

    options = {"classes": 0, "margin": 0.35, "scale": 30, "seed": 1}

    def forward(self, bottom, top):
        self.take(bottom)
        self.unit = self.x / self.norm
        scores = self.own["scale"] * self.unit.dot(self.rows.T)
        if self.phase == TRAIN:
            scores[self.true] -= self.own["scale"] * self.own["margin"]
        top[0].data[...] = scores

    def backward(self, top, propagate_down, bottom):
        diff = self.own["scale"] * top[0].diff
        if propagate_down[0]:
            of_unit = diff.dot(self.rows)
            along = (of_unit * self.unit).sum(1, keepdims=True)
            bottom[0].diff[...] = ((of_unit - self.unit * along) / self.norm).reshape(bottom[0].diff.shape)
        self.add_diff(diff.T.dot(self.unit))
