"""Rules of --group-by: what they put together, and those that fit nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.config.schema import SplitSettings
from caffekit.errors import CaffekitError, DataError, UsageError
from caffekit.formats.csv_list import Table
from caffekit.formats.image_list import ImageList, Item
from caffekit.steps.groups import group_files, read_groups

PATHS = ["a/ann_1.jpg", "a/ann_2.jpg", "b/ann_3.jpg", "b/bob_1.jpg", "b/x.jpg"]


def images(paths: list[str] = PATHS) -> ImageList:
    return ImageList(Path("."), [Item(path, 0) for path in paths])


def groups(tmp_path: Path, *rules: str) -> list[list[str]]:
    """The names (without folders) that stand together, and the warnings' number stays with the caller."""
    found = read_groups(images(), tmp_path / "clean.txt", rules)
    assert found is not None
    together: dict[int, list[str]] = {}
    for path, number in zip(PATHS, found.numbers.tolist(), strict=True):
        together.setdefault(number, []).append(path.split("/")[1].split(".")[0])
    return list(together.values())


def test_rules(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("path,person\na/ann_1.jpg,7\nb/x.jpg,7\nb/bob_1.jpg,\n")
    assert groups(tmp_path, "folder") == [["ann_1", "ann_2"], ["ann_3", "bob_1", "x"]]
    assert groups(tmp_path, r"regex:/(\w+)_") == [["ann_1", "ann_2", "ann_3"], ["bob_1"], ["x"]]
    assert groups(tmp_path, f"csv:{tmp_path}/g.csv") == [["ann_1", "x"], ["ann_2"], ["ann_3"], ["bob_1"]]


def test_rules_together_join_what_either_names(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("path,group\nb/x.jpg,0\nb/bob_1.jpg,0\n")
    assert groups(tmp_path, r"regex:ann|bob", "duplicates") == [["ann_1", "ann_2", "ann_3"], ["bob_1", "x"]]


def test_images_that_no_rule_names_are_counted(tmp_path: Path) -> None:
    found = read_groups(images(), tmp_path / "clean.txt", ["regex:ann"])
    assert found is not None and len(set(found.numbers.tolist())) == 3
    assert found.warnings == [
        "--group-by regex:ann fits 3 of 5 images; the others, such as b/bob_1.jpg, are each on their own"
    ]
    assert read_groups(images(), tmp_path / "clean.txt", []) is None


def test_the_files_that_rules_read() -> None:
    """A pipeline splits anew when one of them has changed."""
    assert group_files(SplitSettings(group_by=["folder", "csv:a/b.csv"])) == [Path("a/b.csv")]
    assert group_files(SplitSettings(group_by="csv:c.csv")) == [Path("c.csv")]
    assert group_files(SplitSettings()) == []


def test_a_column_of_the_list_itself(tmp_path: Path) -> None:
    listed = images(["1.jpg", "2.jpg", "3.jpg"])
    listed.table = Table(["path", "label", "clip"], [["", "", "a"], ["", "", ""], ["", "", "a"]], ["label"])
    found = read_groups(listed, tmp_path / "a.csv", ["column:clip"])
    assert found is not None and found.numbers.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="no column 'person'"):
        read_groups(listed, tmp_path / "a.csv", ["column:person"])
    with pytest.raises(UsageError, match="is no CSV list"):
        read_groups(images(), tmp_path / "a.txt", ["column:clip"])


def test_what_clean_renamed_when_it_copied(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("path,group\n../x/1.jpg,0\n/y/2.jpg,0\n")
    found = read_groups(images(["up/x/1.jpg", "y/2.jpg", "3.jpg"]), tmp_path / "clean.txt", ["duplicates"])
    assert found is not None and found.numbers.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("rule", "text", "message"),
    [
        ("person", "", "unknown rule"),
        ("regex:", "", "unknown rule"),
        ("regex:(", "", "must be a Python regular|unterminated"),
        ("regex:nothing", "", "fits none of the 5 images"),
        ("csv:{0}", "path,group\nother.jpg,1\n", "fits none of the 5 images"),
        ("csv:{0}", "path,a,b\n", "g.csv:1: expected the columns path and group"),
        ("csv:{0}", "path,group\na/ann_1.jpg\n", "g.csv:2: 1 cells, expected 2"),
        ("csv:{0}", "path,group\nx,1\nx,2\n", "g.csv:2: x is in two groups, 1 and 2"),
        ("csv:{0}x", "", "No such file"),
        ("duplicates", "", "groups.csv"),
    ],
)
def test_rules_that_cannot_be(tmp_path: Path, rule: str, text: str, message: str) -> None:
    (tmp_path / "g.csv").write_text(text)
    with pytest.raises(CaffekitError, match=message):
        read_groups(images(), tmp_path / "clean.txt", [rule.format(tmp_path / "g.csv")])
