"""Image lists and class folders: what is read, and every mistake named by file and line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.image_list import Item, read_source, relative_root, write_labels, write_list


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_list_as_caffe_writes_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "cat/my cat.jpg 0\r\n dog.jpg 12\nübung.png 3")
    images = read_source(path)
    assert images.items == [Item("cat/my cat.jpg", 0), Item(" dog.jpg", 12), Item("übung.png", 3)]
    assert images.root == tmp_path and images.classes is None
    assert images.file(images.items[0]) == tmp_path / "cat/my cat.jpg"


def test_a_byte_order_mark_and_empty_lines_at_the_end_do_no_harm(tmp_path: Path) -> None:
    assert read_source(write(tmp_path / "a.txt", b"\xef\xbb\xbfa.jpg 1\n\r\n\n")).items == [Item("a.jpg", 1)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg 1 ", "trailing space"),
        ("a.jpg\t1", "a tab"),
        ("a.jpg", "missing label"),
        ("a.jpg one", "missing label"),
        (" 3", "missing label"),
        ("a.jpg -1", "integer label of 0 or more, got -1"),
        ("a.jpg 1.0", "integer label of 0 or more, got 1.0"),
        ("a.jpg 1e2", "integer label of 0 or more, got 1e2"),
        ("a.jpg 1²", "missing label"),
        ("a.jpg 2147483648", "larger than 2147483647"),
        ("a.jpg  1", "more than one blank"),
        ("", "empty line"),
        ("ok.jpg 0", "duplicate path ok.jpg (first in line 1, label 0)"),
        ("ok.jpg 1", "duplicate path ok.jpg (first in line 1, label 0)"),
    ],
)
def test_every_mistake_has_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "a.txt", f"ok.jpg 0\n{line}\nend.jpg 0\n")
    with pytest.raises(FormatError) as caught:
        read_source(path)
    assert caught.value.message.startswith(f"{path}:2: ") and message in caught.value.message
    assert caught.value.exit_code == 4 and "1 of 3 lines" in caught.value.hint


def test_all_mistakes_are_counted_and_twenty_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "".join(f"{i}.jpg -1\n" for i in range(33)))
    with pytest.raises(FormatError) as caught:
        read_source(path)
    lines = caught.value.message.splitlines()
    assert len(lines) == 21 and lines[-1] == "… and 13 more"


def test_a_label_without_a_name_in_labels_txt(tmp_path: Path) -> None:
    write(tmp_path / "labels.txt", "cat\ndog\n")
    assert read_source(write(tmp_path / "a.txt", "a.jpg 1\n")).classes == ["cat", "dog"]
    with pytest.raises(FormatError, match=r"b\.txt:1: label 2, but labels.txt .* 0 to 1 only"):
        read_source(write(tmp_path / "b.txt", "a.jpg 2\n"))
    write(tmp_path / "labels.txt", "cat\n\n")
    with pytest.raises(FormatError, match=r"labels\.txt:2: empty line"):
        read_source(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "no images in it"),
        ("a.txt", b"ok.jpg 0\nk\xe4se.jpg 1\n", r"a\.txt:2: not UTF-8"),
        ("a.csv", b"path,label_1\na.jpg,1,2\n", r"a\.csv:2: 3 cells, expected 2"),
    ],
)
def test_what_is_no_list(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_source(write(tmp_path / name, data))


def test_the_root(tmp_path: Path) -> None:
    path = write(tmp_path / "lists/a.txt", "a.jpg 0\n")
    (tmp_path / "images").mkdir()
    assert read_source(path).root == tmp_path / "lists"
    write(tmp_path / "lists/summary.json", json.dumps({"root": "../images"}))
    assert read_source(path).root == tmp_path / "images"
    assert read_source(path, tmp_path).root == tmp_path
    with pytest.raises(DataError, match=r"images' folder .*gone does not exist"):
        read_source(path, tmp_path / "gone")
    write(tmp_path / "lists/summary.json", "{")
    with pytest.raises(FormatError, match=r"summary\.json: not JSON"):
        read_source(path)


def test_the_recorded_root_moves_with_the_lists(tmp_path: Path) -> None:
    assert relative_root(tmp_path / "raw", tmp_path / "out") == "../raw"


def test_absolute_paths_also_mean_below_the_root(tmp_path: Path) -> None:
    """convert_imageset puts root and path together as text; others write real absolute paths."""
    there = write(tmp_path / "cat.jpg", "")
    images = read_source(write(tmp_path / "a.txt", f"/cat.jpg 0\n{there.resolve()} 1\n"))
    assert [images.file(item).resolve() for item in images.items] == [there.resolve()] * 2


def test_repeats_only_where_balance_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "a.jpg 0\na.jpg 0\n")
    write(tmp_path / "summary.json", '{"repeats": true}')
    images = read_source(path)
    assert len(images.items) == 2 and images.copies
    write(path, "a.jpg 0\na.jpg 1\n")
    with pytest.raises(FormatError, match="duplicate path"):
        read_source(path)


def test_class_folders(tmp_path: Path) -> None:
    """Ids follow the bytes of the names, whatever the locale; only what systems leave behind is ignored."""
    for name in ["b/2.png", "b/1.jpg", "a/x/1.png", "a/.DS_Store", "a/Thumbs.db", "B/note.txt", "é/1.png"]:
        write(tmp_path / name, "")
    write(tmp_path / ".git/x", "")
    write(tmp_path / "labels.txt", "")
    images = read_source(tmp_path)
    assert images.classes == ["B", "a", "b", "é"]
    assert [f"{i.path} {i.label}" for i in images.items] == [
        "B/note.txt 0",
        "a/x/1.png 1",
        "b/1.jpg 2",
        "b/2.png 2",
        "é/1.png 3",
    ]


def test_empty_class_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a/1.png", "")
    write(tmp_path / "b/.DS_Store", "")
    with pytest.raises(DataError, match=r"empty class folder: .*/b$"):
        read_source(tmp_path)


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "else/1.png", "")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a").symlink_to(tmp_path / "else")
    (tmp_path / "else/again").symlink_to(tmp_path / "else")
    assert read_source(tmp_path / "raw").items == [Item("a/1.png", 0)]


@pytest.mark.parametrize("name", [b"k\xe4se.png", b"a\tb.png", b"a\nb.png"])
def test_names_that_no_list_can_hold(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "a").mkdir()
    try:
        open(os.fsencode(tmp_path / "a") + b"/" + name, "wb").close()
    except OSError:
        pytest.skip("this file system does not take such names")
    with pytest.raises(DataError) as caught:
        read_source(tmp_path)
    assert caught.value.hint == "rename the file"
    caught.value.message.encode()


def test_what_is_no_folder_of_classes(tmp_path: Path) -> None:
    write(tmp_path / "flat/1.png", "")
    with pytest.raises(DataError, match="no class folders"):
        read_source(tmp_path / "flat")
    write(tmp_path / "out/summary.json", "{}")
    write(tmp_path / "out/train.txt", "")
    write(tmp_path / "out/images/1.png", "")
    with pytest.raises(DataError, match="output of a caffekit command") as caught:
        read_source(tmp_path / "out")
    assert caught.value.hint == f"give {tmp_path}/out/train.txt"


def test_near_names(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError) as caught:
        read_source(tmp_path / "rwa")
    assert caught.value.hint == f"did you mean {tmp_path}/raw?"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    items = [Item("a b.jpg", 1), Item("c.jpg", 0)]
    write_list(tmp_path / "a.txt", items)
    write_labels(tmp_path / "labels.txt", ["x", "y z"])
    images = read_source(tmp_path / "a.txt")
    assert images.items == items and images.classes == ["x", "y z"]
    assert images.class_name(1) == "y z"
