"""The processes that feed real Caffe: what comes out of the pipe, and that none is left behind."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from caffekit.engines import Job
from caffekit.engines.feeders import Feeders
from caffekit.formats.prototxt import read_net, read_solver, write_prototxt
from caffekit.netgen.augmented import augment_net
from tests.engines import tiny


@pytest.fixture
def job(tmp_path: Path) -> Job:
    solver = tiny.make(tmp_path)
    net = read_net(tmp_path / "net.prototxt")
    augment_net(net, {"rotate": 9}, 0, native=False)
    write_prototxt(tmp_path / "net.prototxt", net)
    return Job(solver, read_solver(solver), feeds={"data": 2})


def test_batches_come_until_nobody_reads(job: Job, tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as log, Feeders(job, log) as feeders:
        process = feeders.processes[0]
        with os.fdopen(os.dup(feeders.fds["data"]), "rb") as pipe:
            for batch in (2, 3):
                told = json.loads(pipe.read(struct.unpack("<I", pipe.read(4))[0]))
                assert told == {"shapes": [[tiny.BATCH, 1, 5, 5], [tiny.BATCH]]}
                data = np.frombuffer(pipe.read(4 * tiny.BATCH * 25), np.float32)
                labels = np.frombuffer(pipe.read(4 * tiny.BATCH), np.float32)
                assert labels.tolist() == [i % tiny.CLASSES for i in range(6 * batch, 6 * batch + 6)]
                assert 0.2 < data.max() <= 210 / 128
        feeders.hand_over()
        assert process.wait(30) == 0
    assert (tmp_path / "log").read_text() == ""


def test_none_is_left_when_the_training_ends(job: Job, tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as log, Feeders(job, log) as feeders:
        assert feeders.processes[0].poll() is None
    assert feeders.processes[0].returncode is not None and not feeders.fds


def test_a_training_without_fed_layers_starts_none(tmp_path: Path) -> None:
    solver = tiny.make(tmp_path)
    with open(tmp_path / "log", "wb") as log, Feeders(Job(solver, read_solver(solver)), log) as feeders:
        assert not feeders.processes and not feeders.fds
