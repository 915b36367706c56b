"""Precedence, paths, extends, and every kind of mistake with its exact sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caffekit.config import Settings, absolute, load, load_settings, resolved_yaml
from caffekit.config.values import Epochs, Percent, Size
from caffekit.errors import ConfigError, UsageError


def write(folder: Path, text: str, name: str = "p.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if "version" in text else "version: 1\n" + text, encoding="utf-8")
    return path


def problems(*args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(*args, **kwargs)
    return caught.value.problems


def test_nothing_given_is_all_defaults() -> None:
    assert load_settings() == Settings()


def test_flag_beats_set_beats_file_beats_default(tmp_path: Path) -> None:
    path = write(tmp_path, "clean: {near_distance: 1, min_size: 11, labels: false}\n")
    overrides = ("clean.near_distance=2", "clean.min_size=12")
    clean = load_settings(path, overrides, {"clean": {"near_distance": 3, "labels": None}}).clean
    assert (clean.near_distance, clean.min_size, clean.labels, clean.mode) == (3, 12, False, "list")


def test_values_of_every_kind(tmp_path: Path) -> None:
    text = """
gen_lmdb: {resize: 32x24, max_rejected: 20%}
solver: {base_lr: 1e-3, stepsize: 33%, snapshot: 2 epochs, stepvalue: [10, 50 %], test_interval: 500}
augment: {crop: [0.8, 1]}
train: {gpu: [0, 1]}
promote: {min: {accuracy: 0.95}}
"""
    s = load_settings(write(tmp_path, text))
    assert s.gen_lmdb.resize == Size(32, 24) and s.gen_lmdb.max_rejected == Percent(20)
    assert s.solver.base_lr == 0.001 and s.solver.stepsize == Percent(33) and s.solver.snapshot == Epochs(2)
    assert s.solver.stepvalue == [10, Percent(50)] and s.solver.test_interval == 500
    assert s.augment.crop == (0.8, 1.0) and s.train.gpu == [0, 1] and s.promote.min == {"accuracy": 0.95}


def test_paths_are_relative_to_where_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "data: {root: raw, benchmark: [b]}\n", "base/b.yaml")
    path = write(tmp_path, "extends: ../base/b.yaml\ndata: {list: ../l.txt}\n", "sub/p.yaml").relative_to(
        tmp_path
    )
    s = load_settings(path, ("evaluate.source=e",), {"promote": {"to": Path("prod")}})
    assert s.data.root == Path("base/raw") and s.data.benchmark == [Path("base/b")]
    assert s.data.image_list == Path("l.txt")
    assert s.evaluate.source == Path("e") and s.promote.to == Path("prod")
    assert s.train.runs == Path("sub/runs") and s.data.work == Path("sub/build")
    assert load_settings().train.runs == Path("runs")


def test_extends_merges_sections_and_replaces_lists(tmp_path: Path) -> None:
    write(tmp_path, "name: b\nclean: {skip: [blurry], min_size: 9}\nsolver: {epochs: 3}\n", "b.yaml")
    s = load_settings(write(tmp_path, "extends: b.yaml\nclean: {skip: [too-dark]}\nsolver: {max_iter: 7}\n"))
    assert (s.name, s.clean.skip, s.clean.min_size) == ("b", ["too-dark"], 9)
    assert (s.solver.max_iter, s.solver.epochs) == (7, None)


def test_a_rival_key_nearer_to_the_command_line_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "solver: {epochs: 3}\n")
    assert load_settings(path, (), {"solver": {"max_iter": 5}}).solver.epochs is None
    assert load_settings(path, ("solver.max_iter=5",)).solver.max_iter == 5


def test_a_section_with_all_keys_commented_out(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "augment:\n  # copies: 2\nsplit:\n")) == load_settings(
        write(tmp_path, "")
    )


def test_all_mistakes_at_once_in_order(tmp_path: Path) -> None:
    text = """name: a b
data: {benchmark: [a, 3]}
clean:
  near_distanc: 8
  labels: yes
  max_rejected: 200%
gen_lmdb: {resize: 32, encode: jpeg}
solver:
  base_lrr: 1e-3
  max_iter: 1e4
  type: sgd
  delta: 1,000
  momentum: 1
balance: 3
root: x
"""
    path = write(tmp_path, text)
    expected = """
2: name: expected letters, digits, '.', '_' and '-', got 'a b'
3: data.benchmark[1]: expected a path, got 3; put it in quotes if it is meant as text
5: clean.near_distanc: unknown key; did you mean near_distance?
6: clean.labels: expected true or false, got 'yes'; did you mean true?
7: clean.max_rejected: expected a percentage above 0 and up to 100, got '200%'
8: gen_lmdb.resize: expected WIDTHxHEIGHT in pixels, such as 32x32, got 32
8: gen_lmdb.encode: expected one of raw, jpg, png, got 'jpeg'; did you mean jpg?
10: solver.base_lrr: unknown key; did you mean base_lr?
11: solver.max_iter: expected a whole number of at least 0, got 10000.0; did you mean 10000?
12: solver.type: expected one of SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam, got 'sgd'; did you mean SGD?
13: solver.delta: expected a number above 0, got '1,000'; did you mean 1000?
14: solver.momentum: expected a number of at least 0 and below 1, got 1
15: balance: expected keys of its own, indented under it, got 3
16: root: unknown key; did you mean data.root?
"""
    assert problems(path) == [f"{path}:{line}" for line in expected.strip().splitlines()]


@pytest.mark.parametrize(
    ("solver", "problem"),
    [
        ("epochs: 1, max_iter: 2", "max_iter: solver.epochs is given too; give one of the two"),
        ("lr_policy: multistep", "lr_policy: multistep needs stepvalue, such as stepvalue: [50%, 75%]"),
        ("type: RMSProp, momentum: 0.9", "momentum: RMSProp takes no momentum; leave it out"),
        ("lr_policy: sigmoid, gamma: -1", "gamma: expected a number of at least 0 with lr_policy sigmoid"),
    ],
)
def test_rules_across_keys(tmp_path: Path, solver: str, problem: str) -> None:
    path = write(tmp_path, f"solver: {{{solver}}}\n")
    assert problems(path) == [f"{path}:2: solver.{problem}"]


def test_rules_across_keys_speak_beside_other_mistakes(tmp_path: Path) -> None:
    path = write(tmp_path, "solver: {epochs: 1, max_iter: 2, iter_siz: 2}\n")
    assert len(problems(path)) == 2


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("foo", "--set foo: expected KEY=VALUE, such as solver.base_lr=0.001"),
        ("a..b=1", "--set a..b=1: expected KEY=VALUE, such as solver.base_lr=0.001"),
        ("solver.base_lr=fast", 
         "--set solver.base_lr=…: solver.base_lr: expected a number of at least 0, got 'fast'"),
        ("solver.lr=1", "--set solver.lr=…: solver.lr: unknown key; did you mean base_lr?"),
        ("split={test: 2}", "--set split=…: split.test: expected a number of at least 0 and below 1, got 2"),
        ("split.val=[1", "--set split.val=…: not valid YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)  # fmt: skip
def test_overrides_are_named(override: str, problem: str) -> None:
    assert problems(None, (override,)) == [problem]


def test_flags_are_named() -> None:
    message = (
        "--near-distance: clean.near_distance: expected a whole number of at least 0 and at most 16, got 99"
    )
    assert problems(None, (), {"clean": {"near_distance": 99}}) == [message]


def test_version(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("name: x\n")
    assert problems(path) == [f"{path}:1: version: missing; expected the line `version: 1`"]
    path.write_text("version: 2\n")
    assert problems(path) == [f"{path}:1: version: expected 1, got 2"]


def test_extends_mistakes(tmp_path: Path) -> None:
    write(tmp_path, "", "base.yaml")
    path = write(tmp_path, "extends: bas.yaml\n")
    base = tmp_path / "bas.yaml"
    assert problems(path) == [f"{path}:2: extends: no such file: {base}; did you mean base.yaml?"]
    path = write(tmp_path, "extends: p.yaml\n")
    assert problems(path) == [f"{path}:2: extends: {path} extends this file itself"]
    path = write(tmp_path, "extends: [a]\n")
    assert problems(path) == [f"{path}:2: extends: expected the path of one file"]


def test_a_mistake_in_the_base_names_the_base(tmp_path: Path) -> None:
    base = write(tmp_path, "solver: {typ: SGD}\n", "b.yaml")
    assert problems(write(tmp_path, "extends: b.yaml\n")) == [
        f"{base}:2: solver.typ: unknown key; did you mean type?"
    ]


def test_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, "", "pipeline.yaml")
    with pytest.raises(
        UsageError, match=r"no such config file: .*/pipelin\.yaml; did you mean pipeline\.yaml\?"
    ):
        load_settings(tmp_path / "pipelin.yaml")
    with pytest.raises(UsageError, match="there is no folder"):
        load_settings(tmp_path / "no" / "p.yaml")
    with pytest.raises(UsageError, match="is a folder"):
        load_settings(tmp_path)


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"version: 1\nname: \xff\n")
    assert problems(path) == [f"{path}:2: not UTF-8 text"]


def test_places(tmp_path: Path) -> None:
    path = write(tmp_path, "split:\n  val: 0.2\n")
    loaded = load(path, ("seed=3",), {"split": {"test": 0.1}})
    places = {key: place.text for key, place in loaded.places.items()}
    assert places["split", "val"] == f"{path}:3"
    assert places["seed",] == "--set seed=…"
    assert places["split", "test"] == "--test"


def test_resolved_yaml_loads_back_equal(tmp_path: Path) -> None:
    overrides = """data.list=x|name='010'|split.group_by='no'|solver.base_lr=1e-7|gen_lmdb.resize=8x9
solver.stepvalue=[50%, 7]|solver.snapshot=1 epoch|promote.min={a: 1}|data.root='a: #b'"""
    settings = load_settings(None, tuple(overrides.replace("\n", "|").split("|")))
    path = tmp_path / "sub" / "config.yaml"
    path.parent.mkdir()
    path.write_text(resolved_yaml(settings), encoding="utf-8")
    assert load_settings(path) == absolute(settings)
    assert resolved_yaml(load_settings(path)) == resolved_yaml(settings)
