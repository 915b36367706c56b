"""Each lint rule: a net that it finds something in, and one that it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter
from caffekit.formats.prototxt import layer_lines, parse
from caffekit.netgen import TEMPLATES, generate
from caffekit.netgen.lint import RULES, lint
from caffekit.netgen.subject import Subject
from tests.netgen.sizes import fitting

NET = """
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        data_param { batch_size: 8 } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST } data_param { batch_size: 4 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }
"""
SOLVER = 'type: "SGD" lr_policy: "step" gamma: 0.1 stepsize: 30 max_iter: 90 test_iter: 5 test_interval: 9'


def findings(
    net: str = NET, solver: str = SOLVER, classes: int | None = 5, known: bool = True
) -> list[dict[str, Any]]:
    subject = Subject(parse(net, NetParameter(), "n"), parse(solver, SolverParameter(), "s"), classes)
    if known:
        subject.shapes = {"TRAIN": (1, 8, 8), "TEST": (1, 8, 8)}
        subject.images = {"TRAIN": 100, "TEST": 20}
    return lint(subject, layer_lines(net), {})


def test_a_sound_net_has_no_findings() -> None:
    assert findings() == []
    assert findings(known=False) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_gen_prototxt_writes_is_sound(template: str) -> None:
    data = fitting(template)
    made = generate(template, data)
    shape = (data.channels, data.height, data.width)
    subject = Subject(
        parse(made.train_val, NetParameter(), "n"),
        parse(made.solver, SolverParameter(), "s"),
        classes=5,
        shapes={"TRAIN": shape, "TEST": shape},
        images={"TEST": 20},
    )
    assert lint(subject, {}, {}) == []
    assert lint(Subject(parse(made.deploy, NetParameter(), "d"), classes=5), {}, {}) == []


POOL = "kernel_size: 2 stride: 2"
FILLER = ' weight_filler { type: "xavier" }'
CASES = [
    ("zero-filler", NET.replace(FILLER, "", 1), SOLVER, "conv", "warning", "constant 0"),
    (
        "zero-filler",
        NET.replace(FILLER, "", 1).replace('top: "conv"', 'top: "conv" param { lr_mult: 0 }', 1),
        SOLVER,
        "",
        "",
        "",
    ),
    ("num-output", NET.replace("t: 5", "t: 3"), SOLVER, "fc", "error", "num_output 3, but the data has 5"),
    ("num-output", NET.replace("t: 5", "t: 9"), SOLVER, "fc", "warning", "num_output 9 for 5 classes"),
    ("shapes", NET.replace("size: 3", "size: 9"), SOLVER, "conv", "error", "kernel"),
    ("shapes", NET.replace('bottom: "pool"', 'bottom: "poool"'), SOLVER, "fc", "error", "did you mean pool?"),
    # On the 6x6 that conv leaves: the last window starts at 5, at 6, at 8.
    ("pooling-window", NET.replace(POOL, "kernel_size: 1 stride: 5 pool: AVE"), SOLVER, "", "", ""),
    (
        "pooling-window",
        NET.replace(POOL, "kernel_size: 1 stride: 2 pool: AVE"),
        SOLVER,
        "pool",
        "error",
        "nan (0/0)",
    ),
    (
        "pooling-window",
        NET.replace(POOL, "kernel_size: 1 stride: 4 pool: AVE"),
        SOLVER,
        "pool",
        "error",
        "empty: 0",
    ),
    (
        "pooling-window",
        NET.replace(POOL, "kernel_size: 1 stride: 2"),
        SOLVER,
        "pool",
        "error",
        "empty: -FLT_MAX",
    ),
    ("pooling-window", NET.replace(POOL, "global_pooling: true stride: 1"), SOLVER, "", "", ""),
    ("solver-words", NET, SOLVER.replace('"step"', '"stepp"'), "", "error", "unknown lr_policy 'stepp'"),
    ("solver-words", NET, SOLVER.replace('"SGD"', '"Adma"'), "", "error", "unknown type 'Adma'"),
    ("lr-policy-fields", NET, SOLVER.replace("stepsize: 30", ""), "", "warning", "step needs stepsize"),
    ("lr-policy-fields", NET, SOLVER.replace("stepsize: 30", "stepsize: 90"), "", "warning", "never drops"),
    ("lr-policy-fields", NET, SOLVER.replace('"step"', '"multistep"'), "", "warning", "without a stepvalue"),
    ("solver-fields", NET, SOLVER.replace("test_interval: 9", ""), "", "error", "without a test_interval"),
    ("solver-fields", NET, SOLVER.replace('"SGD"', '"AdaGrad" momentum: 0.9'), "", "error", "no momentum"),
    ("test-coverage", NET, SOLVER.replace("r: 5", "r: 4"), "d", "warning", "4 x batch_size 4 = 16 for 20"),
    ("test-coverage", NET, SOLVER.replace("r: 5", "r: 6"), "d", "warning", "= 24 for 20 test images"),
]


@pytest.mark.parametrize(("rule", "net", "solver", "layer", "severity", "message"), CASES)
def test_each_rule(rule: str, net: str, solver: str, layer: str, severity: str, message: str) -> None:
    found = [one for one in findings(net, solver) if one["rule"] == rule]
    if not message:  # windows that hang over without being empty are no finding
        assert not found
        return
    assert [(one["layer"], one["severity"]) for one in found] == [(layer, severity)]
    assert message in found[0]["message"] and found[0]["fix"]


def test_pooling_of_unknown_input_is_a_doubt() -> None:
    found = findings(NET.replace(POOL, "kernel_size: 1 stride: 2"), known=False)
    assert [(one["rule"], one["severity"]) for one in found] == [("pooling-window", "warning")]


def test_nets_of_stages_are_left_alone() -> None:
    staged = NET.replace("include { phase: TRAIN }", 'include { phase: TRAIN stage: "a" }')
    assert findings(staged.replace('bottom: "pool"', 'bottom: "poool"')) == []


def test_every_rule_is_tested() -> None:
    assert set(RULES) == {case[0] for case in CASES}


def test_findings_have_the_line_of_their_layer() -> None:
    found = findings(NET.replace("num_output: 5", "num_output: 3"))
    assert [(one["layer"], one["line"]) for one in found] == [("fc", 8)]


def test_a_deploy_net_without_fillers_is_sound() -> None:
    net = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }"""
    assert findings(net, 'lr_policy: "fixed"') == []
