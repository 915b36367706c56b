"""suggest on real folders: its pipeline.yaml is one that the other commands take."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.config import load_settings
from tests.cli.test_nets import call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three classes of colour noise, 5, 40 and 40 images."""
    random = np.random.default_rng(0)
    for label, many in (("a b", 5), ("c", 40), ("d", 40)):
        folder = tmp_path / "my photos" / label
        folder.mkdir(parents=True)
        for i in range(many):
            cv2.imwrite(str(folder / f"{i}.png"), random.integers(0, 256, (70, 90, 3), dtype=np.uint8))
    return tmp_path / "my photos"


def test_the_file_it_writes_is_a_pipeline(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "pipeline.yaml"
    code, text, err = call("suggest", photos, "-o", out)
    assert code == 0 and "85 images of 3 classes (5 to 40 each), 70 pixels, colour" in text
    assert "the smallest class has 5 images" in err
    settings = load_settings(out, (), {})
    assert settings.data.root.resolve() == photos.resolve()
    assert settings.net.template == "vgg_narrow" and settings.gen_lmdb.resize is not None
    assert settings.train.early_stop.patience == 10 and settings.balance.method == "jitter"
    assert call("run", out, "--dry-run")[0] == 0
    assert call("suggest", photos, "-o", out)[0] == 2  # it exists


def test_every_setting_has_its_reason(photos: Path) -> None:
    code, out, _ = call("suggest", photos, "--json", "--gpu-memory", "8")
    found = json.loads(out)
    assert code == 0 and found["config"].keys() == found["reasons"].keys()
    assert all(found["reasons"].values())
    assert found["facts"]["side"] == 70 and found["facts"]["gray"] is False
    assert found["expected"]["hours"] is None  # nothing here tells how fast that card is
    assert max(map(len, (line for line in found["pipeline"].splitlines() if "root:" not in line))) <= 80


def test_less_memory_gives_a_smaller_batch(photos: Path, tmp_path: Path) -> None:
    found = {}
    for gigabytes in ("0.1", "8"):
        found[gigabytes] = json.loads(call("suggest", photos, "--json", "--gpu-memory", gigabytes)[1])
    for one in found.values():
        config = one["config"]
        assert config["solver.batch_size"] * config.get("solver.iter_size", 1) == 4
    needed = found["0.1"]["expected"]["train_bytes"]
    assert needed <= 0.1e9


def test_one_class_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    cv2.imwrite(str(tmp_path / "only" / "0.png"), np.zeros((40, 40, 3), np.uint8))
    code, _, err = call("suggest", tmp_path)
    assert code == 4 and "at least two classes" in err
