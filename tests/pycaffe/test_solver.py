"""The solver's options: which nets, which states, what happens when; what is refused, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

import caffekit.pycaffe as caffe
from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import SolverParameter
from caffekit.pycaffe.mode import set_solver_rank

NET = """
name: "little"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "uniform" } } }
layer { name: "staged" type: "Power" bottom: "ip" top: "staged" include { stage: "s" min_level: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "x" top: "loss" }
"""


@pytest.fixture(autouse=True)
def net_file(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)


def solver(options: str = 'net: "net.prototxt"', **fields: Any) -> Any:
    """A solver of these options, at a fixed rate, fed with ones."""
    param = text_format.Parse('base_lr: 0.1 lr_policy: "fixed" ' + options, SolverParameter())
    param.MergeFrom(SolverParameter(**fields))
    made = caffe.SGDSolver(param)
    for net in (made.net, *made.test_nets):
        net.blobs["x"].data[...] = 1
    return made


INLINE = "{ " + NET + " }"


@pytest.mark.parametrize(
    ("options", "tests"),
    [
        ('net: "net.prototxt"', 0),
        ('net: "net.prototxt" test_iter: 1 test_iter: 2 test_interval: 1', 2),
        ('train_net: "net.prototxt"', 0),
        (f"net_param {INLINE} test_iter: 1 test_interval: 1", 1),
        (f'train_net_param {INLINE} test_net: "net.prototxt" test_iter: 1 test_interval: 1', 1),
        (f'net: "net.prototxt" test_net_param {INLINE} test_iter: 1 test_iter: 1 test_interval: 1', 2),
    ],
)
def test_all_ways_to_name_nets(options: str, tests: int) -> None:
    made = solver(options)
    assert made.net.name == "little"
    assert len(made.test_nets) == tests
    assert (made.net.phase, [net.phase for net in made.test_nets]) == (caffe.TRAIN, [caffe.TEST] * tests)


TESTED = 'net: "net.prototxt" test_iter: 1 test_iter: 1 test_interval: 1 '


def test_states_add_up() -> None:
    """The file's own state, then the solver's: stages append, the level is the last one given."""
    Path("net.prototxt").write_text(NET + 'state { stage: "s" level: 5 }')
    made = solver(TESTED + 'train_state { stage: "t" } test_state { level: 1 } test_state { stage: "u" }')
    assert "staged" in made.net.layer_dict
    assert ["staged" in net.layer_dict for net in made.test_nets] == [False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "must specify a train net using one of these fields: net, net_param, train_net"),
        ('net: "a" train_net: "b"', "must not contain more than one .*; got net, train_net"),
        ('train_net: "net.prototxt" test_iter: 1', "test_iter must be specified for each test network"),
        (
            'net: "net.prototxt" test_net: "net.prototxt"',
            "test_iter must be specified .*: 1 of them, 0",
        ),
        (
            TESTED + "test_state { }",
            "test_state must be unspecified or .* test net: 2 of them",
        ),
        ('net: "net.prototxt" test_iter: 1', "test_interval must be above 0"),
        ('net: "net.prototxt" average_loss: 0', "average_loss must be at least 1, got 0"),
        ('net: "net.prototxt" iter_size: 0', "iter_size must be at least 1, got 0"),
        ('net: "net.prototxt" weight_decay: 1 regularization_type: "L3"', "Unknown regularization type: L3"),
    ],
)
def test_what_is_refused(options: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solver(options)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("AdaGrad", "momentum: 0.5", "Momentum cannot be used with AdaGrad"),
        ("RMSProp", "momentum: 0.5", "Momentum cannot be used with RMSProp"),
        ("RMSProp", "rms_decay: 1", "rms_decay should lie between 0 and 1, got 1"),
        (
            "Foo",
            "",
            r"Unknown solver type: Foo \(known types: AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD\)",
        ),
    ],
)
def test_types_refuse_their_options(kind: str, options: str, message: str) -> None:
    Path("solver.prototxt").write_text(
        f'net: "net.prototxt" base_lr: 1 lr_policy: "fixed" type: "{kind}" {options}'
    )
    with pytest.raises(ValueError, match=message):
        caffe.get_solver("solver.prototxt")


def test_misspelled_options_are_named_with_line_and_column() -> None:
    Path("solver.prototxt").write_text('net: "net.prototxt"\nbase_lr: 1\n  test_intervall: 3\n')
    with pytest.raises(
        FormatError, match=r'solver.prototxt:3:3: .*"test_intervall"; did you mean "test_interval"'
    ):
        caffe.get_solver("solver.prototxt")


def test_a_forks_option_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ssd.prototxt"
    path.write_text('net: "n" eval_type: "detection"')
    with pytest.raises(ValueError, match=r"ssd.prototxt: eval_type: of a fork of Caffe, not supported"):
        caffe.get_solver(str(path))


def test_a_policy_is_only_needed_to_train() -> None:
    """Scripts build solvers for their nets alone; BVLC complains at the first update."""
    made = solver()
    made.param.lr_policy = "foo"
    made.net.forward()
    for use in (lambda: made.step(1), lambda: made.lr, made.apply_update):
        with pytest.raises(ValueError, match="Unknown learning rate policy: foo"):
            use()


def test_options_of_the_caffe_tool_are_taken() -> None:
    made = solver('net: "net.prototxt" solver_mode: GPU device_id: 9 layer_wise_reduce: false')
    made.step(1)
    assert made.net.blobs["ip"].value.device.type == "cpu"


def test_the_seed_makes_runs_equal() -> None:
    one, two = (solver(net="net.prototxt", random_seed=5).net.params["ip"][0].data for _ in "12")
    np.testing.assert_array_equal(one, two)


def test_weights_go_into_all_nets(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    for name, value in (("a", 2), ("b", 3)):
        made = solver()
        made.net.params["ip"][0].data[...] = value
        made.net.save(f"{name}.caffemodel")
    made.net.save_hdf5("c.h5")
    capsys.readouterr()
    made = solver(TESTED + 'weights: "b.caffemodel, a.caffemodel"')
    assert all((net.params["ip"][0].data == 2).all() for net in (made.net, *made.test_nets))
    finetuned = [line[-30:] for line in capsys.readouterr().err.splitlines() if "Finetuning from" in line]
    assert len(finetuned) == 6
    assert finetuned[0].endswith("from b.caffemodel") and finetuned[1].endswith("from a.caffemodel")
    made = solver(TESTED + 'weights: "a.caffemodel" weights: "c.h5"')
    assert (made.net.params["ip"][0].data == 3).all()


def test_nets_can_share_the_train_nets_weights() -> None:
    made, other = solver(), caffe.Net("net.prototxt", caffe.TEST)
    made.share_weights(other)
    made.step(1)
    np.testing.assert_array_equal(other.params["ip"][0].data, made.net.params["ip"][0].data)


def test_callbacks_and_tests_come_in_order() -> None:
    made = solver('net: "net.prototxt" test_iter: 2 test_interval: 2 test_initialization: false iter_size: 2')
    seen: list[str] = []
    made.add_callback(lambda: seen.append("start"), lambda: seen.append("ready"))
    made.net.after_forward(lambda i: seen.append("train") if i == 0 else None)
    made.test_nets[0].after_forward(lambda i: seen.append("test") if i == 0 else None)
    made.step(3)
    once = ["start", "train", "train", "ready"]
    assert seen == once * 2 + ["test"] * 2 + once
    assert made.iter == 3


def test_an_update_of_ones_own() -> None:
    """The gradient as it stands is what apply_update applies; diff then holds the update."""
    made = solver()
    blob = made.net.params["ip"][1]
    before = blob.data.copy()
    blob.diff[...] = 2
    made.apply_update()
    np.testing.assert_allclose(blob.data, before - 0.2, rtol=1e-6)
    np.testing.assert_allclose(blob.diff, 0.2, rtol=1e-6)
    assert made.iter == 1


def test_asking_for_the_rate_steps_multistep_on() -> None:
    """One step per question, as in Caffe, however many stepvalues are behind."""
    made = solver('net: "net.prototxt" gamma: 0.5 stepvalue: 0 stepvalue: 0 stepvalue: 9')
    made.param.lr_policy = "multistep"
    assert [made.lr for _ in range(3)] == pytest.approx([0.05, 0.025, 0.025])


def displayed(options: str, capsys: Any, steps: list[int]) -> list[float]:
    """The smoothed losses that are displayed over step()s whose net loses 9/2 · k in iteration k."""
    made = solver(f'net: "net.prototxt" display: 1 {options}')
    made.param.base_lr = 0
    made.net.params["ip"][0].data[...] = 0
    made.net.params["ip"][1].data[...] = 0

    def feed() -> None:
        made.net.blobs["x"].data[...] = (made.iter + 1) ** 0.5

    made.add_callback(feed, lambda: None)
    for count in steps:
        made.step(count)
    lines = [line for line in capsys.readouterr().err.splitlines() if "iters), loss = " in line]
    return [float(line.rpartition(" = ")[2]) / 1.5 for line in lines]


def test_the_loss_is_smoothed_within_a_step(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    got = displayed("average_loss: 3", capsys, [5, 2])
    assert got == pytest.approx([1, 1.5, 2, 3, 4, 6, 6.5], rel=1e-4)


def test_solve_goes_on_from_a_state() -> None:
    made = solver('net: "net.prototxt" max_iter: 4 snapshot: 2 snapshot_prefix: "s"')
    made.solve()
    wanted = made.net.params["ip"][0].data.copy()
    assert sorted(p.name for p in Path().glob("s_iter_*")) == [
        f"s_iter_{i}.{suffix}" for i in (2, 4) for suffix in ("caffemodel", "solverstate")
    ]
    again = solver('net: "net.prototxt" max_iter: 4 snapshot_after_train: false')
    again.solve("s_iter_2.solverstate")
    assert again.iter == 4
    np.testing.assert_allclose(again.net.params["ip"][0].data, wanted, rtol=1e-5)


def test_only_the_first_of_several_tests_snapshots_and_logs(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    set_solver_rank(1)
    try:
        made = solver(TESTED + 'max_iter: 2 snapshot: 1 display: 1 snapshot_prefix: "r"')
        made.test_nets[0].after_forward(lambda i: pytest.fail("tested"))
        made.solve()
    finally:
        set_solver_rank(0)
    assert not list(Path().glob("r_iter_*"))
    assert capsys.readouterr().err == ""


def test_no_number_is_fetched_for_a_log_that_nobody_reads(monkeypatch: Any) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "1")
    made = solver('net: "net.prototxt" display: 1 debug_info: false')
    monkeypatch.setattr("caffekit.pycaffe.solver._outputs", lambda net: pytest.fail("fetched"))
    made.step(2)
