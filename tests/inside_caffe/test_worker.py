"""The worker under both engines: what it tells, and what it does when it is told something."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest

from caffekit.engines import Engine, batches_to_skip, find_engine
from caffekit.engines.engine import INSIDE
from caffekit.formats.log_reader import read_log
from caffekit.formats.prototxt import read_net, write_prototxt
from caffekit.netgen.augmented import augment_net
from tests.engines import tiny


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    return tiny.make(tmp_path)


def test_a_whole_training_and_its_log_say_the_same(engine: Engine, solver: Path) -> None:
    outcome, seen = tiny.run(engine, solver)
    assert (outcome.reason, outcome.iter, outcome.exit_code) == ("done", 20, 0)
    assert seen[0]["event"] == "start"
    assert seen[0]["losses"] == {"loss": 1.0}
    assert seen[0]["relus"] == ["relu1"]
    assert seen[0]["batch_size"] == tiny.BATCH
    assert seen[0]["parameters"] == 25 * 8 + 8 + 8 * 4 + 4
    order = [(event["event"], event["iter"]) for event in seen if event["event"] not in ("display", "start")]
    assert order == [("test", 0), ("snapshot", 10), ("test", 10), ("snapshot", 20), ("test", 20), ("end", 20)]
    log = read_log(solver.with_name("caffe.log"))
    logged = {row.iter: row.loss for row in log.train if not row.final}
    assert seen.losses() == pytest.approx(logged, rel=1e-5)
    for event, row in zip(seen.of("test"), log.test, strict=True):
        means = {name: values[0] for name, values in event["outputs"].items()}
        assert means == pytest.approx({row.label(key): value for key, value in row.outputs.items()}, rel=1e-5)
    assert all(Path(event["state"]).exists() and event["finite"] for event in seen.of("snapshot"))


def test_the_gradient_is_the_raw_sum_that_clipping_sees_and_the_loss_its_mean(
    engine: Engine, tmp_path: Path
) -> None:
    solver = tiny.make(tmp_path, clip_gradients=1e-3, iter_size=3, max_iter=3, weight_decay=0.5)
    _, seen = tiny.run(engine, solver)
    text = solver.with_name("caffe.log").read_text()
    norms = [float(line.split("(L2 norm ")[1].split()[0]) for line in text.splitlines() if "(L2 norm" in line]
    assert len(norms) == 3
    assert [event["grad_norm"] for event in seen.of("display")] == pytest.approx(norms, rel=1e-4)
    logged = {row.iter: row.loss for row in read_log(solver.with_name("caffe.log")).train if not row.final}
    assert list(logged) == [0, 1, 2]
    assert seen.losses() == pytest.approx(logged, rel=1e-5)


def test_stop_saves_the_state_and_abort_does_not(engine: Engine, solver: Path) -> None:
    outcome, seen = tiny.run(engine, solver, lambda event: "stop" if event["iter"] == 4 else None)
    assert outcome.reason == "stopped"
    assert [event["event"] for event in seen[-2:]] == ["snapshot", "end"]
    assert read_log(solver.with_name("caffe.log")).ended == "stopped"
    assert 4 <= seen.of("snapshot")[0]["iter"] < 20
    for path in solver.parent.glob("tiny_iter_*"):
        path.unlink()
    outcome, seen = tiny.run(engine, solver, lambda event: "abort" if event["iter"] == 4 else None)
    assert outcome.reason == "stopped"
    assert not list(solver.parent.glob(f"tiny_iter_{seen[-1]['iter']}.*")) or seen[-1]["iter"] == 10


def test_snapshot_on_demand_goes_on(engine: Engine, tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, snapshot=0, max_iter=60)
    asked: list[int] = []

    def ask(event: dict[str, object]) -> str | None:
        if event["event"] == "display" and not asked:
            asked.append(1)
            return "snapshot"
        return None

    outcome, seen = tiny.run(engine, solver, ask)
    assert outcome.reason == "done"
    assert len(seen.of("snapshot")) == 2
    assert seen.of("snapshot")[0]["iter"] < 60


def test_a_resumed_training_goes_on_in_the_data(engine: Engine, tmp_path: Path) -> None:
    """The same losses as without the interruption: weights, history and the next record."""
    _, whole = tiny.run(engine, tiny.make(tmp_path / "a"))
    solver = tiny.make(tmp_path / "b")
    _, first = tiny.run(engine, solver, lambda event: "stop" if event["iter"] == 12 else None)
    snapshot = first.of("snapshot")[-1]
    skip = batches_to_skip(read_net(solver.with_name("net.prototxt")), snapshot["iter"])
    batches = snapshot["iter"] % 20  # 40 records in batches of 6: after 20 batches all begins anew
    assert skip == ({"data": batches} if batches else {})
    _, second = tiny.run(engine, solver, restore=Path(snapshot["state"]), skip=skip)
    assert seen_from(second.losses()) == snapshot["iter"]
    assert {**first.losses(), **second.losses()} == pytest.approx(whole.losses(), rel=1e-4)


def seen_from(losses: dict[int, float]) -> int:
    return min(losses)


def test_an_explosion_is_told_at_once_and_its_snapshot_is_not_finite(engine: Engine, tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, base_lr=1e30, display=10, test_iter=None, test_interval=None)
    _, seen = tiny.run(engine, solver)
    alarm = seen.of("alarm")[0]
    assert 1 <= alarm["iter"] < 10
    assert alarm["loss"] == "nan" or math.isinf(float(alarm["loss"]))
    display = seen.of("display")[1]
    assert display["since"]["nonfinite"] == 10 - alarm["iter"] + 1
    assert display["nonfinite"]["weights"] > 0
    assert not seen.of("snapshot")[0]["finite"]
    log = read_log(solver.with_name("caffe.log"))
    (row,) = [row for row in log.train if row.iter == alarm["iter"]]
    assert row.loss is not None and not math.isfinite(row.loss), "it stands in the log, too"
    assert [value for _, value in sorted(row.weights.items())] == [1.0]
    assert len(seen.of("alarm")) <= 2  # once between two displays


def test_saturated_iterations_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(INSIDE))
    worker = importlib.import_module("worker")
    books = worker.Worker.__new__(worker.Worker)
    books.clear_books()
    for loss in (87.33654, 87.3359, 87.33, 2.3, math.nan):
        books.count(loss, [[[1.0], [loss]]])
    assert (books.iters, books.saturated, books.nonfinite) == (5, 2, 1)
    assert math.isnan(books.loss_max)


def test_dead_units_are_seen(engine: Engine, tmp_path: Path) -> None:
    dead = 'bias_filler { type: "constant" value: -1000 }'
    _, seen = tiny.run(engine, tiny.make(tmp_path, hidden=dead, max_iter=1))
    assert seen.of("display")[0]["dead"] == {"relu1": 1.0}
    _, seen = tiny.run(engine, tiny.make(tmp_path, hidden=dead.replace("-", ""), max_iter=1))
    assert seen.of("display")[0]["dead"] == {"relu1": 0.0}


def test_when_the_parent_fails_the_child_saves_its_state(engine: Engine, tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, max_iter=100000, snapshot=0, display=100)

    def fail(event: dict[str, object]) -> None:
        if event["event"] == "display" and event["iter"]:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        tiny.run(engine, solver, fail)
    assert list(tmp_path.glob("tiny_iter_*.solverstate"))


def test_the_best_weights_are_written_when_they_are_tested(engine: Engine, tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, snapshot=0, test_interval=5, display=0)
    _, seen = tiny.run(engine, solver, best={"output": "accuracy", "value": None})
    values = {event["iter"]: event["outputs"]["accuracy"][0] for event in seen.of("test")}
    record, expected = -1.0, []
    for it, value in values.items():
        if it and value > record:
            record, expected = value, [*expected, it]
    assert [event["iter"] for event in seen.of("snapshot")] == sorted({*expected, 20})


def test_last_words_of_a_training_that_cannot_start(engine: Engine, tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, lr_policy='"foo"')
    outcome, _ = tiny.run(engine, solver)
    assert outcome.reason == ("died" if engine.name == "bvlc" else "error")
    assert "Unknown learning rate policy: foo" in outcome.message


@pytest.mark.bvlc
def test_a_layer_that_nothing_feeds_is_an_error_in_words(bvlc: Path, tmp_path: Path) -> None:
    solver = tiny.make(tmp_path)
    net = read_net(tmp_path / "net.prototxt")
    augment_net(net, {"rotate": 9}, 0, native=False)
    write_prototxt(tmp_path / "net.prototxt", net)
    outcome, _ = tiny.run(find_engine("bvlc", bvlc), solver)
    assert outcome.reason == "error"
    assert "layer 'data': nothing feeds it" in outcome.message
