"""lint, and reading, over prototxts that other people wrote; every sixteenth of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from caffekit.errors import CaffekitError
from caffekit.formats.prototxt import parse, read_text, to_text
from caffekit.formats.prototxt_tolerant import looks_like_solver, read_tolerant
from caffekit.netgen.rules import RULES
from caffekit.steps.lint import lint

EVERY = 16
PAGE = Path(__file__).parent.parent.parent / "docs" / "patterns.md"
FAMOUS = ("ResNet-50-deploy", "bvlc_googlenet_train_val", "SqueezeNet_v1.1_train_val", "mobilenet_deploy")
# Not prototxt at all: a placeholder where a number belongs, and a file with both forms of layers.
BROKEN = ("generate_alex_alex_train", "gen_alex_alex_train", "googlenet-bn__deploy")


def files(shared: Path) -> list[tuple[Path, bool]]:
    """(prototxt, whether BVLC's Caffe reads it)."""
    folder = shared / "data" / "prototxt" / "dev"
    with (folder / "INDEX.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [(folder / row["file"], row["parses_with_bvlc_caffe_proto"] == "yes") for row in rows]


def test_all_are_read_and_print_back_equal(shared: Path) -> None:
    for path, strict in files(shared)[::EVERY]:
        if any(word in path.name for word in BROKEN):
            continue
        kind = "SolverParameter" if looks_like_solver(read_text(path)) else "NetParameter"
        message, unknown = read_tolerant(path, kind)
        assert parse(to_text(message), type(message)(), "again") == message, path
        assert not (strict and unknown), path
        for one in unknown:
            text = read_text(path).splitlines()[one.line - 1]
            assert any(word in text for word in re.findall(r"\w+", one.message)), (path, one)


def test_none_upsets_a_rule(shared: Path) -> None:
    for path, strict in files(shared)[::EVERY]:
        try:
            lint([path])
        except CaffekitError:
            assert not strict and any(word in path.name for word in BROKEN), path


def test_famous_nets_have_no_errors_or_warnings(shared: Path) -> None:
    paths = [path for path, _ in files(shared) if any(word in path.name for word in FAMOUS)]
    assert len(paths) >= len(FAMOUS)
    for path in paths:
        found = lint([path]).summary["findings"]
        assert [one for one in found if one["severity"] != "note" and "NVcaffe" not in path.name] == [], path


def test_the_page_of_patterns_names_rules_that_exist() -> None:
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", PAGE.read_text()))
    assert len(named & set(RULES)) > 15
    assert named - set(RULES) <= {"gen-lmdb"}
