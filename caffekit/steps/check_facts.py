"""The rules of `check` that compare what files say of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.errors import CaffekitError, DataError
from caffekit.formats.binaryproto import read_mean
from caffekit.formats.blobs import blob_array
from caffekit.formats.image_list import read_labels
from caffekit.formats.preprocess import Preprocess, class_names, std_factors
from caffekit.formats.prototxt import read_net
from caffekit.formats.weights import non_finite, read_caffemodel
from caffekit.graph import walk_shapes
from caffekit.netgen import std_layer
from caffekit.netgen.structure import classifiers, data_layers, parameters, phases
from caffekit.steps.gen_prototxt import scan_db

Finding = dict[str, str]
MEAN_LEVELS = 0.05  # the float32 sums of compute_image_mean drift by that much
AGAIN = "make the nets again (caffekit gen-prototxt, or run), so that they follow the contract"


@dataclass
class Chain:
    """What is compared: nets, LMDBs by phase, the contract (None: there is none), the model, class names."""

    net: Path
    deploy: Path
    databases: dict[str, Path]
    contract: Preprocess | None
    contract_path: Path
    weights: Path | None
    labels: Path

    @cached_property
    def train_net(self) -> Any:
        """The net with both phases."""
        return read_net(self.net)

    @cached_property
    def deploy_net(self) -> Any:
        """The net without labels."""
        return read_net(self.deploy)

    @cached_property
    def model(self) -> Any:
        """The trained parameters; None before training."""
        return read_caffemodel(self.weights) if self.weights else None


def finding(rule: str, message: str, fix: str, severity: str = "error") -> Finding:
    """One finding as reports hold it."""
    return {"rule": rule, "severity": severity, "message": message, "fix": fix}


def contract(chain: Chain) -> Iterator[Finding]:
    """Without a contract nothing says how a file becomes what the net was trained on."""
    if chain.contract is None:
        text = f"{chain.contract_path} is missing: nothing says how a file becomes the net's input"
        yield finding("contract", text, "make the training LMDB with caffekit gen-lmdb")


def databases(chain: Chain) -> Iterator[Finding]:
    """Shapes as the contract says, labels that the classifier and the class names have."""
    outputs = min((parameters(layer).num_output for layer in classifiers(chain.train_net)), default=None)
    again = "make the LMDB again with caffekit gen-lmdb --preprocess and the training set's contract"
    if "TRAIN" not in chain.databases:
        yield finding(
            "database", f"{chain.net}: its training LMDB is not there", "make it with caffekit gen-lmdb"
        )
    for path in dict.fromkeys(chain.databases.values()):
        try:
            _, largest, shape = scan_db(path)
        except DataError as error:
            yield finding("database", error.message, error.hint)
            continue
        rules = chain.contract
        if rules and rules.width and shape != _record_shape(rules):
            want = "x".join(map(str, _record_shape(rules)))
            text = f"{path}: records are {'x'.join(map(str, shape))}, but {chain.contract_path} says {want}"
            yield finding("database", text, again)
        if outputs is not None and largest >= outputs:
            text = f"{path}: label {largest}, but the net has {outputs} outputs"
            yield finding("database", text, "set num_output of the last layer to the number of classes")
        names, trained = class_names(path), _names(chain)
        if names and trained and names != trained:
            pair = next((a, b) for a, b in _pairs(names, trained) if a != b)
            text = f"{path}: other class names than the model's: {pair[0]} where {chain.labels} has {pair[1]}"
            yield finding("labels", text, "make the LMDB again from a list with the same labels.txt")


def labels(chain: Chain) -> Iterator[Finding]:
    """As many class names as outputs."""
    names = _names(chain)
    for layer in classifiers(chain.train_net):
        outputs = parameters(layer).num_output
        if names and outputs != len(names):
            text = (
                f"{chain.net}: {layer.name} has {outputs} outputs, {chain.labels} names {len(names)} classes"
            )
            yield finding("labels", text, "set num_output to the number of classes")


def mean(chain: Chain) -> Iterator[Finding]:
    """The mean file is the contract's, and every data layer subtracts what the contract says."""
    rules = chain.contract
    if rules is None:
        return
    if rules.mean_file:
        path = chain.contract_path.parent / rules.mean_file
        try:
            image = read_mean(path)
            off = np.abs(image.mean((1, 2)) - rules.mean_values * rules.images).max()
            if image.shape != _record_shape(rules):
                text = f"{path}: a mean of {'x'.join(map(str, image.shape))}, other than the images"
                yield finding("mean", text, "caffekit mean makes it again")
            elif off > MEAN_LEVELS:
                text = f"{path}: its means differ from mean_values in {chain.contract_path} by {off:.3g}"
                yield finding("mean", text, "make the training LMDB again: mean and contract belong together")
        except CaffekitError as error:
            yield finding("mean", error.message, error.hint)


def transforms(chain: Chain) -> Iterator[Finding]:
    """Every data layer's transform_param says what the contract says."""
    rules = chain.contract
    if rules is None:
        return
    means = rules.mean_values * rules.images
    for layer in data_layers(chain.train_net):
        given, where = layer.transform_param, f"{chain.net}: {layer.name} ({', '.join(phases(layer))})"
        if given.mean_file:
            text = f"{where} subtracts the mean image {given.mean_file}, prediction mean_values"
            yield finding("transform", text, "take mean_value from the contract instead", "warning")
        elif not _alike(list(given.mean_value), means):
            text = f"{where} subtracts {_numbers(given.mean_value)}, the contract {_numbers(means)}"
            yield finding("transform", text, AGAIN)
        if not _alike([given.scale], [rules.scale]):
            text = f"{where} multiplies by {given.scale:.6g}, the contract by {rules.scale:.6g}"
            yield finding("transform", text, AGAIN)


def deviation(chain: Chain) -> Iterator[Finding]:
    """The layer that divides by std has the contract's std, in both nets and in the model."""
    rules = chain.contract
    if rules is None:
        return
    one = std_factors(rules.std) if rules.std_layer else None
    for path, net in ((chain.net, chain.train_net), (chain.deploy, chain.deploy_net)):
        layer = std_layer.find(net)
        wanted = one and one * (rules.images if net is chain.train_net else _images(chain))
        if layer is None and wanted:
            text = f"{path}: the contract divides by std in a layer, but the net has none"
            yield finding("std", text, AGAIN)
        if layer is None or not wanted:
            continue
        stored = [each for each in (chain.model.layer if chain.model else []) if each.name == layer.name]
        for owner, place in ((layer, path), *((each, chain.weights) for each in stored)):
            if owner.blobs and not _alike(blob_array(owner.blobs[0]).tolist(), wanted):
                factors = _numbers(blob_array(owner.blobs[0]).tolist())
                text = f"{place}: {layer.name} multiplies by {factors}, but 1 / std is {_numbers(wanted)}"
                yield finding("std", text, AGAIN)


def _images(chain: Chain) -> int:
    """How many images of a record the deploy net takes: of pairs and triplets, one."""
    layer = chain.deploy_net.layer[0] if chain.deploy_net.layer else None
    shapes = layer.input_param.shape if layer is not None else []
    channels = shapes[0].dim[1] if shapes and len(shapes[0].dim) == 4 else 0
    return max(1, channels // chain.contract.channels) if chain.contract else 1


def weights(chain: Chain) -> Iterator[Finding]:
    """The model fits the deploy net, layer by layer, and all of its values are finite."""
    if chain.model is None:
        return
    held = {
        layer.name: [blob_array(b).shape for b in layer.blobs] for layer in chain.model.layer if layer.blobs
    }
    fix = "evaluate and deploy with the nets that the model was trained with"
    for step in walk_shapes(chain.deploy_net):
        name, wanted = step.layer.name, [tuple(shape) for shape in step.params]
        if wanted and name not in held and not step.layer.blobs:
            yield finding("weights", f"{chain.weights}: nothing for layer {name} of {chain.deploy}", fix)
        elif (
            wanted
            and name in held
            and [_plain(shape) for shape in held[name]] != [_plain(shape) for shape in wanted]
        ):
            text = f"{chain.weights}: {name} holds {held[name]}, {chain.deploy} takes {wanted}"
            yield finding("weights", text, fix)
    for text in non_finite(chain.weights) if chain.weights else []:
        yield finding("weights", f"{chain.weights}: not finite: {text}", "caffekit diagnose-nan says why")


RULES: list[Callable[[Chain], Iterator[Finding]]] = [
    contract, databases, labels, mean, transforms, deviation, weights,
]  # fmt: skip


def _record_shape(rules: Preprocess) -> tuple[int | None, ...]:
    return rules.channels * rules.images, rules.height, rules.width


def _names(chain: Chain) -> list[str]:
    if chain.labels.is_file():
        return read_labels(chain.labels)
    return class_names(chain.databases["TRAIN"]) if "TRAIN" in chain.databases else []


def _pairs(one: list[str], other: list[str]) -> Iterator[tuple[str, str]]:
    for i in range(max(len(one), len(other))):
        yield (one[i] if i < len(one) else "nothing"), (other[i] if i < len(other) else "nothing")


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without leading ones: old models give every blob four axes."""
    start = next((i for i, side in enumerate(shape) if side != 1), len(shape))
    return shape[start:]


def _alike(given: list[float], wanted: list[float]) -> bool:
    """Whether they are the same numbers but for float32; one mean_value stands for all channels."""
    if len(given) == 1 and len(wanted) > 1:
        given = given * len(wanted)
    return len(given) == len(wanted) and np.allclose(given, wanted, rtol=1e-5, atol=1e-6)


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.6g}" for value in values) or "nothing"
