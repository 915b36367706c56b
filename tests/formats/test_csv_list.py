"""CSV lists: class ids and names, several labels, and every mistake named by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.csv_list import write_table
from caffekit.formats.image_list import Item, read_source


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_are_read_as_a_list_would_be(tmp_path: Path) -> None:
    images = read_source(write(tmp_path / "a.csv", 'person,path,label\nann,"a, b.jpg",0\nbob,c d.jpg,12\n'))
    assert images.items == [Item("a, b.jpg", 0), Item("c d.jpg", 12)] and images.classes is None
    assert images.table is not None and images.table.column("person") == ["ann", "bob"]
    assert images.root == tmp_path and not images.table.plain
    with pytest.raises(DataError, match="no column 'video'"):
        images.table.column("video")


def test_names_are_numbered_in_byte_order_or_as_labels_txt_says(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "path,label\n1.jpg,nan\n2.jpg,Apple\n3.jpg,nan\n")
    images = read_source(path)
    assert [item.label for item in images.items] == [1, 0, 1] and images.classes == ["Apple", "nan"]
    write(tmp_path / "labels.txt", "nan\nApple\n")
    assert [item.label for item in read_source(path).items] == [0, 1, 0]
    write(tmp_path / "labels.txt", "nan\n")
    with pytest.raises(DataError, match="class 'Apple' is not in the labels.txt"):
        read_source(path)


@pytest.mark.parametrize("text", ["path,label_1,label_2\na.jpg,0,1\n", "path,label\na.jpg,0.5\n"])
def test_what_has_no_single_class_is_read_only_if_asked_for(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(DataError, match=r"several labels|label 0\.5 is no class"):
        read_source(path)
    images = read_source(path, several=True)
    assert images.items == [Item("a.jpg", 0)] and images.table is not None


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = [['ü, "x".jpg', "1", "a b"], [" y.jpg", "0", ""]]
    write_table(tmp_path / "a.csv", ["path", "label", "more"], rows)
    table = read_source(tmp_path / "a.csv").table
    assert table is not None and table.rows == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv:1: no column path in an empty header"),
        ("file,label\na.jpg,0\n", "a.csv:1: no column path in file,label"),
        ("path,person\na.jpg,0\n", "a.csv:1: no column label or label_1"),
        ("path,label,label\na.jpg,0,0\n", "a.csv:1: two columns are called 'label'"),
        ("path,label\nok.jpg,0\na.jpg\n", "a.csv:3: 1 cells, expected 2"),
        ("path,label\nok.jpg,0\na.jpg, \n", "a.csv:3: empty label"),
        ("path,label\nok.jpg,0\n,1\n", "a.csv:3: expected a path"),
        ('path,label\nok.jpg,0\n"a\nb.jpg",1\n', "a.csv:4: expected a path without tabs and line ends"),
        ("path,label\nok.jpg,0\nok.jpg,0\n", "a.csv:3: duplicate path ok.jpg (first in line 2)"),
        ('path,label\nok.jpg,0\n"a"b,0\n', "a.csv:3: ',' expected after"),
    ],
)
def test_every_mistake_has_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_source(write(tmp_path / "a.csv", text))
    assert message in caught.value.message


def test_no_rows_negative_ids_and_ids_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in it"):
        read_source(write(tmp_path / "a.csv", "path,label\n"))
    path = write(tmp_path / "b.csv", "path,label\na.jpg,-1\n")
    with pytest.raises(DataError, match="label -1 is no class"):
        read_source(path)
    write(tmp_path / "labels.txt", "cat\n")
    with pytest.raises(DataError, match="label 1, but labels.txt names 1 classes"):
        read_source(write(tmp_path / "c.csv", "path,label\na.jpg,1\n"))


def test_repeated_rows_are_allowed_where_summary_json_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "path,label\na.jpg,1\na.jpg,1\n")
    write(tmp_path / "summary.json", '{"repeats": true}')
    images = read_source(path)
    assert len(images.items) == 2 and images.copies
