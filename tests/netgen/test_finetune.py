"""Fine-tuning: what loads, what starts afresh, what stands still; and that Caffe does as the plan says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.errors import UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.graph import layer_costs
from caffekit.netgen import Finetune, Generated, NetOptions, generate
from caffekit.netgen.finetune import fits
from tests.netgen.sizes import fitting


def model_of(name: str, classes: int, **options: Any) -> dict[str, list[tuple[int, ...]]]:
    """The shapes in a caffemodel of template `name`."""
    made = generate(name, fitting(name, classes=classes), NetOptions(**options))
    costs = layer_costs(parse(made.deploy, NetParameter(), name))
    return {cost.name: cost.params for cost in costs if cost.params}


def tuned(name: str, **wishes: Any) -> Generated:
    given = Finetune(**{"model": model_of(name, 1000), "suffix": "flowers", **wishes})
    return generate(name, fitting(name), finetune=given)


def test_a_classifier_of_other_classes_starts_afresh() -> None:
    made = tuned("alexnet")
    rows = {row.layer: row for row in made.plan}
    assert list(rows) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8_flowers"]
    assert rows["fc8_flowers"].action == "starts afresh" and rows["fc8_flowers"].lr_mult == 10
    assert {row.action for name, row in rows.items() if name != "fc8_flowers"} == {"loads"}
    for text in (made.train_val, made.deploy):
        net = parse(text, NetParameter(), "n")
        layer = next(layer for layer in net.layer if layer.name == "fc8_flowers")
        assert list(layer.top) == ["fc8"] and [param.lr_mult for param in layer.param] == [10, 20]
    assert made.train_val.startswith("# AlexNet")
    text = "\n".join(made.notes)
    assert (
        "finetune: fc8_flowers starts afresh, 1000x4096 + 1000 in the weights: 5x4096 + 5, lr_mult 10" in text
    )
    assert "finetune: in the weights only: fc8" in text


def test_layers_that_were_asked_for() -> None:
    made = tuned("alexnet", replace=("fc7",), lr_mult=5, freeze=("conv*",))
    rows = {row.layer: (row.action, row.lr_mult) for row in made.plan}
    assert rows["fc7_flowers"] == ("starts afresh", 5) and rows["fc8_flowers"][0] == "starts afresh"
    assert rows["conv5"] == ("loads and stands still", 0) and rows["fc6"] == ("loads", 1)


def test_a_classifier_named_by_its_classes_is_new_already() -> None:
    row = tuned("resnet").plan[-1]
    assert (row.layer, row.action, row.lr_mult, row.why) == ("fc5", "starts afresh", 10, "not in the weights")


def test_a_bias_that_the_weights_have_is_taken() -> None:
    """He's ResNet-50 has one in conv1; Caffe refuses a layer with fewer blobs than its weights."""
    model = {**model_of("resnet", 1000), "conv1": [(16, 3, 3, 3), (16,)]}
    made = tuned("resnet", model=model)
    assert made.plan[0].action == "loads" and made.plan[0].shapes == [(16, 3, 3, 3), (16,)]
    for text in (made.train_val, made.deploy):
        layers = {layer.name: layer.convolution_param for layer in parse(text, NetParameter(), "n").layer}
        assert layers["conv1"].bias_term and not layers["res2a_branch2a"].bias_term


def test_the_layer_for_std_is_no_part_of_the_plan() -> None:
    data = fitting("lenet", factors=(0.1, 0.2, 0.3))
    made = generate("lenet", data, finetune=Finetune(model_of("lenet", 9)))
    assert [row.layer for row in made.plan] == ["conv1", "conv2", "ip1", "ip2_new"]


def test_frozen_normalisation_keeps_its_statistics() -> None:
    made = tuned("resnet", freeze=("*2?_*",))
    layers = [one for one in parse(made.train_val, NetParameter(), "n").layer if one.type == "BatchNorm"]
    frozen = {layer.name for layer in layers if layer.batch_norm_param.use_global_stats}
    assert len(frozen) == 6 and all(name.startswith("bn2") for name in frozen)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"replace": ("fc88",)}, "finetune.replace: no layer 'fc88' with weights; did you mean fc8"),
        ({"freeze": ("konv*",)}, r"finetune.freeze: no layer 'konv\*'"),
        ({"model": {"x": [(1,)]}}, "finetune.weights: none of its layers is in this net"),
        (
            {"model": {**model_of("alexnet", 5), "conv1": [(96, 1, 11, 11), (96,)]}},
            r"finetune: layer conv1 is 96x3x11x11 \+ 96 here and 96x1x11x11 \+ 96 in the weights",
        ),
    ],
)
def test_what_cannot_be(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tuned("alexnet", **wishes)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((1, 1, 1, 9), (9,), True), ((1, 1, 4, 9), (4, 9), True), ((2, 1, 4, 9), (4, 9), False),
        ((4, 9), (4, 9), True), ((1, 4, 9), (4, 9), False), ((9, 4), (4, 9), False),
    ],
)  # fmt: skip
def test_old_shapes(source: tuple[int, ...], target: tuple[int, ...], expected: bool) -> None:
    assert fits(source, target) == expected


@pytest.mark.slow
def test_caffe_loads_what_the_plan_says(tmp_path: Path) -> None:
    """copy_from leaves the renamed layer as it was filled, and brings all the others."""
    import caffekit.pycaffe as caffe

    data = fitting("cifar10_quick")
    old, new = tmp_path / "old.prototxt", tmp_path / "new.prototxt"
    old.write_text(generate("cifar10_quick", replace(data, classes=9)).deploy)
    donor = caffe.Net(str(old), caffe.TEST)
    donor.save(str(tmp_path / "old.caffemodel"))
    model = {name: [blob.data.shape for blob in blobs] for name, blobs in donor.params.items()}
    made = generate("cifar10_quick", data, finetune=Finetune(model))
    new.write_text(made.deploy)
    net = caffe.Net(str(new), caffe.TEST)
    net.copy_from(str(tmp_path / "old.caffemodel"))
    loaded = {row.layer for row in made.plan if row.action == "loads"}
    assert loaded == {"conv1", "conv2", "conv3", "ip1"}
    for name in loaded:
        assert np.array_equal(net.params[name][0].data, donor.params[name][0].data)
    assert net.params["ip2_new"][0].data.shape == (5, 64)
