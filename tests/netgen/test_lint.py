"""What lint says in the single cases of a rule; every rule's own pair of files is in test_lint_cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter
from caffekit.formats.prototxt import parse
from caffekit.formats.prototxt_scan import all_layer_lines
from caffekit.netgen import TEMPLATES, generate
from caffekit.netgen.lint import lint
from caffekit.netgen.subject import Subject
from tests.netgen.sizes import fitting

NET = """
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        transform_param { scale: 0.01 } data_param { batch_size: 8 backend: LMDB } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { scale: 0.01 } data_param { batch_size: 4 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }
"""
SOLVER = """net: "n" base_lr: 0.01 type: "SGD" lr_policy: "step" gamma: 0.1 stepsize: 30 max_iter: 90
test_iter: 5 test_interval: 9 solver_mode: CPU"""
POOL = "kernel_size: 3 stride: 2"
FILLER = ' weight_filler { type: "xavier" }'
MULTI = ('"step"', '"multistep"')


def findings(
    net: str = NET, solver: str = SOLVER, classes: int | None = 5, known: bool = True
) -> list[dict[str, Any]]:
    subject = Subject(parse(net, NetParameter(), "n"), parse(solver, SolverParameter(), "s"), classes)
    if known:
        subject.shapes = {"TRAIN": (1, 8, 8), "TEST": (1, 8, 8)}
        subject.images = {"TRAIN": 100, "TEST": 20}
    return lint(subject, all_layer_lines(net), {})


def test_a_sound_net_has_no_findings() -> None:
    assert findings() == []
    assert findings(known=False) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_gen_prototxt_writes_is_sound(template: str) -> None:
    """Advice apart: a template is as its paper has it."""
    data = fitting(template)
    made = generate(template, data)
    shape = (data.channels, data.height, data.width)
    net, deploy = (parse(text, NetParameter(), "n") for text in (made.train_val, made.deploy))
    facts: dict[str, Any] = {
        "classes": data.classes,
        "shapes": {"TRAIN": shape, "TEST": shape},
        "images": {"TEST": data.test_images},
    }
    subject = Subject(net, parse(made.solver, SolverParameter(), "s"), **facts)
    found = lint(subject, {}, {}) + lint(Subject(deploy, classes=data.classes, trained=net), {}, {})
    assert [one for one in found if one["severity"] != "note"] == []


NET_CASES = [
    ("num-output", [("t: 5", "t: 3")], "fc", "error", "num_output 3, but the data has 5"),
    ("num-output", [("t: 5", "t: 9")], "fc", "warning", "num_output 9 for 5 classes"),
    ("kernel-larger-than-input", [("size: 3 pad: 1", "size: 9")], "conv", "error", "covers 9"),
    ("unknown-bottom", [('bottom: "pool"', 'bottom: "poool"')], "fc", "error", "did you mean pool?"),
    ("unknown-bottom", [('"relu" type', '"relu" include { phase: TRAIN } type')], "", "", ""),
    (
        "unknown-bottom",
        [('"pool" type', '"pool" include { phase: TRAIN } type')],
        "fc",
        "error",
        "in phase TEST nothing makes its bottom pool",
    ),
    # On the 8x8 that conv leaves: the last window starts at 7, at 8, at 9.
    ("pooling-window", [(POOL, "kernel_size: 1 stride: 7 pool: AVE")], "", "", ""),
    ("pooling-window", [(POOL, "kernel_size: 1 stride: 2 pool: AVE")], "pool", "error", "nan (0/0)"),
    ("pooling-window", [(POOL, "kernel_size: 1 stride: 3 pool: AVE")], "pool", "error", "empty: 0"),
    ("pooling-window", [(POOL, "kernel_size: 1 stride: 2")], "pool", "error", "empty: -FLT_MAX"),
    ("pooling-window", [(POOL, "global_pooling: true stride: 1")], "", "", ""),
    ("pooling-window", [(POOL, "kernel_size: 1 stride: 2 pad: 1")], "", "", ""),
    ("filler-type", [('"xavier"', '"xaviar"')], "conv", "error", "did you mean xavier?"),
    ("unknown-layer-type", [('"ReLU"', '"RELU"')], "relu", "error", "did you mean ReLU?"),
    ("unknown-layer-type", [('"ReLU"', '"ReLU6"')], "relu", "note", "a fork's"),
    ("unknown-layer-type", [('"ReLU"', '"Axpy"')], "relu", "error", "a layer of SENet"),
    ("one-class", [("t: 5", "t: 1")], "fc", "error", "the loss is 0"),
    ("crop-size", [("{ scale", "{ crop_size: 9 scale")], "d", "error", "crop_size 9 of images that are 8x8"),
    ("mean-fields", [("{ scale", '{ mean_file: "m" mean_value: 1 scale')], "d", "error", "together"),
    ("mean-fields", [("{ scale", "{ mean_value: 9 mean_value: 9 scale")], "d", "error", "2 mean_value for 1"),
    ("phases-differ", [("{ scale", "{ crop_size: 8 scale")], "", "", ""),
    ("batch-size", [("batch_size: 8", "batch_size: 101")], "d", "warning", "101 for 100 images"),
    ("backend", [(" backend: LMDB", " backend: LEVELDB")], "", "", ""),
    ("last-layer", [('"relu" type: "ReLU" bottom: "conv" top: "conv"', '"relu" type: "ReLU" bottom: "pool"'
      ' top: "pool"')], "", "", ""),
]  # fmt: skip


def edited(text: str, pairs: list[tuple[str, str]]) -> str:
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(("rule", "edits", "layer", "severity", "message"), NET_CASES)
def test_nets(rule: str, edits: list[tuple[str, str]], layer: str, severity: str, message: str) -> None:
    check([one for one in findings(edited(NET, edits)) if one["rule"] == rule], layer, severity, message)


def check(found: list[dict[str, Any]], layer: str, severity: str, message: str) -> None:
    if not message:
        assert not found
        return
    assert [(one["layer"], one["severity"]) for one in found] == [(layer, severity)]
    assert message in found[0]["message"] and found[0]["fix"]


SOLVER_CASES = [
    ("solver-words", [("step", "stepp")], "error", "unknown lr_policy 'stepp'"),
    ("solver-words", [("SGD", "Adma")], "error", "unknown type 'Adma'"),
    ("solver-words", [('lr_policy: "step"', "")], "error", "lr_policy is missing"),
    ("solver-words", [("net:", 'regularization_type: "L3" net:')], "error", "regularization_type 'L3'"),
    ("lr-policy-fields", [("stepsize: 30", "")], "error", "step needs stepsize"),
    ("lr-policy-fields", [MULTI], "warning", "without a stepvalue"),
    ("lr-policy-fields", [('"step"', '"poly"'), ("max_iter: 90", "")], "error", "divides by 0"),
    ("lr-policy-fields", [('"step"', '"poly"')], "", ""),
    ("lr-policy-fields", [("gamma: 0.1", "gamma: 10")], "warning", "raises the rate"),
    ("lr-steps", [("stepsize: 30", "stepsize: 90")], "warning", "never drops"),
    ("lr-steps", [MULTI, ("stepsize: 30", "stepvalue: 30 stepvalue: 95")], "warning", "stepvalue 95 is not"),
    ("lr-steps", [MULTI, ("stepsize: 30", "stepvalue: 30 stepvalue: 90")], "note", "stepvalue 90 is not"),
    ("lr-steps", [MULTI, ("stepsize: 30", "stepvalue: 60 stepvalue: 30")], "error", "out of order: 60, 30"),
    ("solver-fields", [("test_interval: 9", "")], "error", "without a test_interval"),
    ("solver-fields", [("SGD", "AdaGrad"), ("net:", "momentum: 0.9 net:")], "error", "no momentum"),
    ("solver-fields", [('net: "n"', "")], "error", "names no net"),
    ("solver-fields", [("net:", 'train_net: "m" net:')], "error", "net and train_net are given"),
    ("solver-rates", [("base_lr: 0.01", "")], "error", "base_lr is missing"),
    ("solver-rates", [("net:", "weight_decay: -1 net:")], "error", "makes weights grow"),
    ("solver-rates", [("SGD", "Adam"), ("0.01", "0.1")], "warning", "with Adam"),
    ("solver-rates", [("SGD", "AdaDelta")], "warning", "finds its own rate"),
    ("solver-rates", [("net:", "clip_gradients: 0 net:")], "warning", "lets no gradient through"),
    ("max-iter", [("max_iter: 90", "max_iter: 9")], "warning", "sees 72 of 100 images"),
    ("test-coverage", [("test_iter: 5", "test_iter: 4")], "warning", "4 x batch_size 4 = 16 for 20"),
    ("test-coverage", [("test_iter: 5", "test_iter: 6")], "warning", "= 24 for 20 test images"),
    ("tests", [("interval: 9", "interval: 99")], "note", "beyond max_iter"),
    ("snapshots", [("net:", "snapshot_after_train: false net:")], "warning", "nothing is ever kept"),
    ("relu-rate", [("net:", "momentum: 0.9 net:")], "", ""),
    ("relu-rate", [("0.01", "0.1"), ("net:", "momentum: 0.9 net:")], "warning", "1 ReLUs"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "edits", "severity", "message"), SOLVER_CASES)
def test_solvers(rule: str, edits: list[tuple[str, str]], severity: str, message: str) -> None:
    found = [one for one in findings(solver=edited(SOLVER, edits)) if one["rule"] == rule]
    for one in found:
        assert one["key"]
    check(found, "d" if rule == "test-coverage" else "", severity, message)


def test_paths_are_held_against_the_disk_where_they_are_of_this_machine(tmp_path: Path) -> None:
    def severities(prefix: str) -> list[str]:
        found = findings(solver=f'{SOLVER} snapshot_prefix: "{prefix}"')
        return [one["severity"] for one in found if one["rule"] == "snapshots"]

    assert severities(f"{tmp_path}/net") == [] and severities("nowhere/net") == []
    assert severities(f"{tmp_path}/nowhere/net") == ["error"]
    assert severities("/home/somebody/else/net") == []
    mean = NET.replace("{ scale", f'{{ mean_file: "{tmp_path}/mean" scale')
    assert not [one for one in findings(mean) if one["rule"] == "mean-file"]
    there = mean.replace("data_param {", f'data_param {{ source: "{tmp_path}"')
    assert [one["layer"] for one in findings(there) if one["rule"] == "mean-file"] == ["d", "d"]


def test_pooling_of_unknown_input_is_a_doubt() -> None:
    found = findings(NET.replace(POOL, "kernel_size: 1 stride: 2"), known=False)
    assert [(one["rule"], one["severity"]) for one in found] == [("pooling-window", "warning")]


def test_nets_of_stages_are_left_alone() -> None:
    staged = NET.replace("include { phase: TRAIN }", 'include { phase: TRAIN stage: "a" }')
    assert findings(staged.replace('bottom: "pool"', 'bottom: "poool"')) == []


def test_findings_have_the_line_of_their_layer() -> None:
    found = findings(NET.replace("num_output: 5", "num_output: 3"))
    assert [(one["layer"], one["line"]) for one in found] == [("fc", 10)]
    found = findings(
        NET.replace(
            "TEST }\n        transform_param { scale", "TEST }\n transform_param { mirror: true scale"
        )
    )
    assert [(one["rule"], one["line"]) for one in found] == [("test-mirror", 4)]  # the second layer "d"


def test_a_deploy_net_without_fillers_is_sound() -> None:
    net = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }"""
    assert lint(Subject(parse(net, NetParameter(), "n")), {}, {}) == []


def test_layers_without_anything_do_not_upset_a_rule() -> None:
    from caffekit.graph.shapes import FROM_OUTSIDE, SHAPE_RULES

    for kind in (*SHAPE_RULES, *FROM_OUTSIDE, "", "Nonsense"):
        for wires in (
            "",
            'bottom: "data"',
            'bottom: "data" bottom: "label" top: "x"',
            'bottom: "data" top: "data"',
        ):
            findings(f'{NET} layer {{ name: "x" type: "{kind}" {wires} }}')
