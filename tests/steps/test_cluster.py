"""Image work on a Dask cluster: the same bytes as here, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caffekit.config.schema import AugmentSettings, BalanceSettings, CleanSettings, GenLmdbSettings
from caffekit.config.values import Size
from caffekit.errors import DataError, EnvironmentProblem, UsageError
from caffekit.options import Options
from caffekit.steps.augment import augment
from caffekit.steps.balance import balance
from caffekit.steps.clean import clean
from caffekit.steps.cluster import AHEAD, BATCH, cluster_map
from caffekit.steps.gen_lmdb import gen_lmdb

from .files import contents
from .pictures import make_folder

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings("default::ResourceWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("set") / "raw", {"cat": 60, "dog": 50, "eel": 3})


def kill_a_worker(address: str) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())
    os.kill(pids[0], signal.SIGKILL)


STEPS: dict[str, Callable[[Path, Path, Options], Any]] = {
    "clean": lambda source, out, options: clean(source, out, CleanSettings(labels=False), options),
    "augment": lambda source, out, options: augment(
        source, out, AugmentSettings(copies=2, rotate=9.0, noise=3.0), options
    ),
    "balance": lambda source, out, options: balance(source, out, BalanceSettings(method="jitter"), options),
    "gen-lmdb": lambda source, out, options: gen_lmdb(
        source, out, GenLmdbSettings(resize=Size(24, 24)), options
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_what_is_written_is_the_same(name: str, cluster: Any, folder: Path, tmp_path: Path) -> None:
    for where, address in (("here", ""), ("there", cluster.scheduler_address)):
        (tmp_path / where).mkdir()
        STEPS[name](folder, tmp_path / where / "out", Options(quiet=True, scheduler=address))
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_paths_are_found_from_wherever_a_worker_runs(
    cluster: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    options = Options(quiet=True, scheduler=cluster.scheduler_address)
    assert gen_lmdb(Path("raw"), tmp_path / "db", options=options).summary["written"] == 113


def test_a_killed_worker_costs_nothing(cluster: Any) -> None:
    def square(n: int) -> int:
        time.sleep(0.003)
        return n * n

    results = cluster_map(square, range(600), cluster.scheduler_address, lambda n: -1)
    first = [next(results) for _ in range(10)]
    kill_a_worker(cluster.scheduler_address)
    assert first + list(results) == [n * n for n in range(600)]


def test_gen_lmdb_survives_a_killed_worker(
    cluster: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, address in (("here", ""), ("there", cluster.scheduler_address)):
        (tmp_path / where).mkdir()
        options = Options(quiet=True, scheduler=address)
        if address:
            monkeypatch.setattr(Options, "progress", killing(address))
        STEPS["gen-lmdb"](folder, tmp_path / where / "out", options)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def killing(address: str) -> Callable[..., Iterator[Any]]:
    """A progress that kills a worker at the tenth record."""

    def progress(self: Options, items: Any, total: int, what: str) -> Iterator[Any]:
        for done, item in enumerate(items):
            if done == 10:
                kill_a_worker(address)
            yield item

    return progress


@pytest.mark.slow
def test_an_image_that_kills_is_named_and_costs_no_other(cluster: Any) -> None:
    def deadly(n: int) -> int:
        if n == 21:
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    found = list(cluster_map(deadly, range(64), cluster.scheduler_address, lambda n: -n))
    assert found == [-n if n == 21 else n for n in range(64)]


def test_few_are_in_flight(cluster: Any) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = cluster_map(lambda n: n, endless(), cluster.scheduler_address, lambda n: -1)
    assert [next(results) for _ in range(3)] == [1, 2, 3]
    results.close()  # type: ignore[attr-defined]
    assert taken <= AHEAD * BATCH * 2


def test_errors_come_out_as_they_are_here(cluster: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat/000.png 0\nnone.png 0\n")
    said = []
    for address in ("", cluster.scheduler_address):
        for step in (STEPS["gen-lmdb"], STEPS["augment"]):
            options = Options(quiet=True, scheduler=address)
            with pytest.raises(DataError) as caught:
                (tmp_path / "summary.json").write_text(f'{{"root": "{folder}"}}')
                step(tmp_path / "a.txt", tmp_path / "out", options)
            said.append((caught.value.message, caught.value.hint))
    assert said[:2] == said[2:] and "none.png" in said[0][0]
    assert not (tmp_path / "out").exists()


def test_no_cluster_is_one_line(folder: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(
        EnvironmentProblem, match="no Dask cluster with workers answers at localhost:9"
    ) as said:
        STEPS["gen-lmdb"](folder, tmp_path / "out", Options(scheduler="localhost:9"))
    assert "dask worker" in said.value.hint and time.monotonic() - start < 5
    assert not list(tmp_path.iterdir())
    for address in ("nonsense", "localhost:x"):
        with pytest.raises(UsageError, match=f"--scheduler {address}"):
            next(cluster_map(abs, [1], address, abs))


def test_other_versions_are_refused(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caffekit.__version__", "0.0.1")
    with pytest.raises(EnvironmentProblem, match=r"has caffekit .*, here is caffekit 0\.0\.1"):
        next(cluster_map(abs, [1], cluster.scheduler_address, abs))


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EnvironmentProblem) as said:
        next(cluster_map(abs, [1], "localhost:9", abs))
    assert said.value.hint == "pip install 'caffekit[cluster]'"
