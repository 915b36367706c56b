"""Each cause: when it is named, and when it must not be."""

from __future__ import annotations

from typing import Any

import pytest

from caffekit.diagnosis.causes import CAUSES, diagnose
from caffekit.diagnosis.evidence import Evidence, Labels
from caffekit.diagnosis.observation import Observation
from caffekit.diagnosis.remedies import apply
from caffekit.diagnosis.watch import Verdict
from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter
from caffekit.formats.prototxt import parse

NAN = float("nan")
IN_CLI = (
    "learning-rate loss-weight loss-function bad-input bad-label pooling-window initialisation preprocessing"
    " weights solver-setting out-of-memory database device"
)


def see(*values: float, lr: float | None = 0.1, **more: Any) -> list[Observation]:
    return [
        Observation(10 * i, value, lr, {"loss": value}, {"loss": 1.0}, **more)
        for i, value in enumerate(values)
    ]


def broken(*values: float, symptom: str = "non-finite", lr: float | None = 0.1, **more: Any) -> Evidence:
    """A training that showed `values`, of which the last is the bad one."""
    seen = see(*values, lr=lr)
    at = seen[-1].iter
    verdict = Verdict("diverged", at, symptom, [f"iteration {at}: loss = {values[-1]}"], ["loss"])
    return Evidence(verdict, seen, **more)


def crashed(*words: str, **more: Any) -> Evidence:
    return Evidence(Verdict("crashed", 0, "crash", list(words)), fatals=list(words), **more)


def net(text: str) -> Any:
    return parse(text, NetParameter(), "test")


def solver(text: str) -> Any:
    return parse(text, SolverParameter(), "test")


def names(evidence: Evidence) -> list[str]:
    return [cause.cause for cause in diagnose(evidence)]


def test_the_table_is_that_of_the_contract() -> None:
    assert set(CAUSES) == set(IN_CLI.split())
    assert all(rule.__doc__ for rule in CAUSES.values())


def test_nothing_is_said_about_a_healthy_training() -> None:
    assert diagnose(Evidence(Verdict("healthy", 100), see(2.3, 1.0, 0.5))) == []


def test_a_climb_is_the_learning_rate() -> None:
    [first, *_] = diagnose(broken(2.3, 2.8, 4.2, NAN))
    assert (first.cause, first.remedy["set"]) == ("learning-rate", {"base_lr": 0.01})
    assert first.confidence > 0.8
    assert first.evidence[0] == "loss climbs from 2.3 (iteration 0) to 4.2 (iteration 20)"


def test_gradient_norms_make_it_surer_and_propose_a_clip() -> None:
    evidence = broken(2.3, 2.2, NAN)
    base = diagnose(evidence)[0].confidence
    evidence.seen[0] = Observation(0, 2.3, 0.1, {"loss": 2.3}, {"loss": 1}, grad_norm=2.0)
    evidence.seen[1] = Observation(10, 2.2, 0.1, {"loss": 2.2}, {"loss": 1}, grad_norm=90.0)
    cause = diagnose(Evidence(evidence.verdict, evidence.seen))[0]
    assert cause.confidence > base
    assert "clip_gradients: 180" in cause.remedy["do"]


@pytest.mark.parametrize("lr", [0.0, NAN, None])
def test_a_rate_that_is_zero_nan_or_unknown_is_never_lowered(lr: float | None) -> None:
    assert "learning-rate" not in names(broken(2.3, 2.8, NAN, lr=lr))


def test_before_the_first_update_it_is_labels_or_input() -> None:
    assert names(broken(NAN)) == ["bad-label", "bad-input"]
    assert "learning-rate" not in names(broken(87.3365, symptom="saturated"))


def test_a_small_rate_makes_input_as_likely() -> None:
    assert names(broken(2.3, 2.2, 2.1, NAN, lr=1e-6))[0] == "bad-input"


def two(*pairs: tuple[float, float], bad: list[str] | None = None) -> Evidence:
    weights = {"a": 1.0, "b": 0.3}
    seen = [
        Observation(10 * i, a + 0.3 * b, 0.1, {"a": a, "b": b}, weights) for i, (a, b) in enumerate(pairs)
    ]
    return Evidence(Verdict("diverged", seen[-1].iter, "non-finite", ["x"], bad or []), seen)


def test_one_bad_loss_of_two_is_its_weight() -> None:
    cause = diagnose(two((2.3, 2.3), (2.2, 2.1), (2.2, NAN), bad=["b"]))[0]
    assert (cause.cause, cause.loss, cause.remedy["set"]) == (
        "loss-weight",
        "b",
        {"loss_weight": {"b": 0.03}},
    )
    assert cause.as_json()["loss"] == "b"


def test_the_one_that_grew_alone_is_found_when_all_end_in_nan() -> None:
    cause = diagnose(two((2.3, 2.3), (2.2, 90.0), (2.2, 900.0), (NAN, NAN), bad=["a", "b"]))[0]
    assert (cause.cause, cause.loss) == ("loss-weight", "b")


def test_all_growing_together_is_the_learning_rate() -> None:
    assert names(two((2.3, 2.3), (9.0, 9.0), (90.0, 90.0), (NAN, NAN), bad=["a", "b"]))[0] == "learning-rate"


def test_labels_out_of_range_are_proof() -> None:
    evidence = broken(2.3, 2.8, NAN, labels=[Labels("db", 10, 100, 3, ["00000001_a (label 10)"])])
    cause = diagnose(evidence)[0]
    assert (cause.cause, cause.records) == ("bad-label", ["00000001_a (label 10)"])
    assert "bad-label" not in names(broken(NAN, labels=[Labels("db", 10, 100, 0)])), "they were checked"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("syncedmem.cpp:56] Check failed: error == cudaSuccess (2 vs. 0)  out of memory", "out-of-memory"),
        ("RuntimeError: CUDA out of memory. Tried to allocate 2 GiB", "out-of-memory"),
        ("x.cu:405] Check failed: error == cudaSuccess (77 vs. 0)  an illegal memory access", "device"),
        ("db_lmdb.hpp:15] Check failed: mdb_status == 0 (2 vs. 0) No such file or directory", "database"),
        ("data_transformer.cpp:1036] Check failed: datum_channels > 0 (0 vs. 0)", "database"),
        ("sgd_solver.cpp:64] Unknown learning rate policy: foo", "solver-setting"),
        ("net.cpp:780] Cannot copy param 0 weights from layer 'ip1'; shape mismatch.", "weights"),
        ("ValueError: label 10 is outside 0…9", "bad-label"),
        ("net.cpp:345] Check failed: something nobody has seen", "unknown"),
    ],
)
def test_last_words_name_their_cause(words: str, cause: str) -> None:
    assert names(crashed(words))[0] == cause


def test_a_crash_inside_the_softmax_is_a_label() -> None:
    assert (
        names(crashed("*** SIGSEGV", frames=["caffe::SoftmaxWithLossLayer<>::Forward_cpu()"]))[0]
        == "bad-label"
    )


def test_broken_weights_are_proof() -> None:
    evidence = Evidence(Verdict("healthy", 0), bad_weights={"w.caffemodel": ["conv1 0"]})
    assert names(evidence) == ["weights"]


@pytest.mark.parametrize(
    "text",
    [
        'base_lr: 0.1 lr_policy: "poly"',
        'base_lr: 0.1 lr_policy: "step" max_iter: 9',
        'base_lr: -1 lr_policy: "fixed"',
        'base_lr: 0.1 lr_policy: "fixed" momentum: 1.5',
        'base_lr: 0.1 lr_policy: "fixed" weight_decay: -1',
    ],
)
def test_settings_that_cannot_work(text: str) -> None:
    assert names(broken(2.3, 2.8, 4.0, NAN, solver=solver(text)))[0] == "solver-setting"


def test_a_rate_that_is_nan_itself() -> None:
    assert names(broken(2.3, NAN, lr=NAN))[0] == "solver-setting"


def test_weights_all_zero_do_not_learn() -> None:
    plateau = Evidence(Verdict("plateau", 0), net=net('layer { name: "c" type: "Convolution" top: "c" }'))
    assert names(plateau) == ["initialisation"]
    filled = 'layer { name: "c" type: "Convolution" convolution_param { weight_filler { type: "xavier" } } }'
    assert names(Evidence(Verdict("plateau", 0), net=net(filled))) == []


def test_raw_pixels() -> None:
    data = 'layer { name: "d" type: "Data" top: "data" transform_param { %s } }'
    assert "preprocessing" in names(broken(2.3, NAN, net=net(data % "mirror: true")))
    assert "preprocessing" not in names(broken(2.3, NAN, net=net(data % "scale: 0.004")))


def test_a_delicate_loss() -> None:
    text = 'layer { name: "l" type: "InfogainLoss" bottom: "p" bottom: "label" top: "loss" }'
    cause = next(c for c in diagnose(broken(2.3, 2.2, NAN, net=net(text))) if c.cause == "loss-function")
    assert cause.layer == "l"
    assert "loss-function" not in names(broken(2.3, 2.8, 4.0, NAN, net=net(text))), "a climb is not sudden"


POOL = """
layer {{ name: "in" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 1 dim: {0} dim: {0} }} }} }}
layer {{
  name: "p" type: "Pooling" bottom: "data" top: "p"
  pooling_param {{ pool: AVE kernel_size: {1} stride: {2} }}
}}
"""


@pytest.mark.parametrize(("size", "kernel", "stride", "certain"), [(6, 1, 2, True), (5, 1, 3, False)])
def test_an_empty_pooling_window(size: int, kernel: int, stride: int, certain: bool) -> None:
    cause = next(
        c
        for c in diagnose(broken(NAN, net=net(POOL.format(size, kernel, stride))))
        if c.cause == "pooling-window"
    )
    assert cause.layer == "p"
    assert (cause.confidence > 0.9) is certain


def test_windows_that_fit_are_not_mentioned() -> None:
    assert "pooling-window" not in names(broken(NAN, net=net(POOL.format(6, 2, 2))))


def test_remedies_are_put_into_the_files() -> None:
    target = solver("base_lr: 0.1")
    assert apply({"set": {"base_lr": 0.01}}, target) == ["solver: base_lr: 0.1 → 0.01"]
    assert apply({"set": {"clip_gradients": 4.0}}, target) == ["solver: clip_gradients: unset → 4"]
    assert (round(target.base_lr, 6), target.clip_gradients) == (0.01, 4.0)
    model = net('layer { name: "l" type: "SoftmaxWithLoss" top: "a" } layer { name: "m" type: "Silence" }')
    assert apply({"set": {"loss_weight": {"a": 0.1}}}, None, model) == ["net: layer l: loss_weight: 1 → 0.1"]
    assert apply({"do": "look"}, target, model) == []
