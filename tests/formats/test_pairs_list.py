"""Pairs and triplets: labels from the classes or the file, and mistakes named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.pairs_list import read_groups

SET = ImageList(Path(), [Item("a/1.png", 0), Item("a/2.png", 0), Item("b/1.png", 1), Item("b 2.png", 1)])


def groups(tmp_path: Path, text: str) -> list[tuple[str, int]]:
    (tmp_path / "p.txt").write_text(text)
    return [(group.name, group.label) for group in read_groups(tmp_path / "p.txt", SET)[0]]


def test_a_pair_is_labelled_by_its_classes_or_by_its_line(tmp_path: Path) -> None:
    text = "a/1.png a/2.png\na/1.png b/1.png\na/1.png\tb 2.png\t1\n"
    assert groups(tmp_path, text) == [
        ("a/1.png|a/2.png", 1),
        ("a/1.png|b/1.png", 0),
        ("a/1.png|b 2.png", 1),
    ]


def test_a_triplet_has_its_anchor_s_class(tmp_path: Path) -> None:
    assert groups(tmp_path, "b/1.png\tb 2.png\ta/1.png\n") == [("b/1.png|b 2.png|a/1.png", 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/1.png\n", "p.txt:1: 1 fields"),
        ("a/1.png a/2.png\na/1.png c.png\n", "p.txt:2: no image 'c.png' in the set"),
        ("a/1.png a/2.png\na/1.png a/2.png b/1.png\n", "p.txt:2: 3 images, the first line names 2"),
        ("a/1.png b/1.png a/2.png\n", "p.txt:1: classes 0, 1, 0"),
        ("\n".join(["x y"] * 30), "… and 10 more"),
    ],
)
def test_mistakes_name_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        groups(tmp_path, text)
    assert message in caught.value.message


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pairs in it"):
        groups(tmp_path, "")


def test_a_part_of_the_set_takes_the_pairs_that_are_all_its_own(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("a/1.png a/2.png\na/1.png c.png\nc.png d.png\nb/1.png a/2.png\n")
    found, left_out = read_groups(path, SET, own=True)
    assert [group.name for group in found] == ["a/1.png|a/2.png", "b/1.png|a/2.png"] and left_out == 2
    path.write_text("c.png d.png\n")
    with pytest.raises(DataError, match="each of its 1 lines names an image that this list lacks"):
        read_groups(path, SET, own=True)
    path.write_text("a/1.png a/2.png\nc.png\n")
    with pytest.raises(FormatError, match="p.txt:2: 1 fields"):
        read_groups(path, SET, own=True)
