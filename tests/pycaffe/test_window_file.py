"""The window file: what is read from it, and errors with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.errors import DataError
from caffekit.pycaffe.window_file import Window, read_windows

GOOD = """# 0
a.jpg 3 20
30
2
4 0.5 0 1 2 3
5 0.2 1 1 4 4
# 1
b.jpg
3 20 30 1
2 0.4 9 9 9 9
"""


def read(tmp_path: Path, text: str, thresholds: tuple[float, float] = (0.5, 0.3)) -> object:
    (tmp_path / "w").write_text(text)
    return read_windows(str(tmp_path / "w"), "/root/", *thresholds)


def test_windows_are_parted_by_their_overlap(tmp_path: Path) -> None:
    images, foreground, background = read(tmp_path, GOOD)
    assert images == ["/root/a.jpg", "/root/b.jpg"]
    assert foreground == [Window(0, 4, (0, 1, 2, 3), 5)]
    assert background == [Window(0, 0, (1, 1, 4, 4), 6)]


def test_counts_are_logged_as_caffe_logs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    read(tmp_path, GOOD, (0.4, 0.3))
    lines = [line.partition("] ")[2] for line in capfd.readouterr().err.splitlines()]
    assert lines == [
        "num: 0 /root/a.jpg 3 20 30 windows to process: 2",
        "Number of images: 2",
        "class 0 has 1 samples",
        "class 2 has 1 samples",
        "class 4 has 1 samples",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (GOOD, "", "w: Window file is empty"),
        ("# 1", "# 2", "w:7: expected `# 1`, got '2'"),
        ("# 0", "0", "w:1: expected `# 0`, got '0'"),
        ("a.jpg 3", "a.jpg 1", "w:2: expected 3 channels .*, got '1'"),
        ("0.5 0", "half 0", "w:5: expected an overlap, got 'half'"),
        ("1 1 4 4", "1 1 4.5 4", "w:6: expected x2, got '4.5'"),
        ("9 9 9 9", "9 9 9", "w:10: the file ends where y2 was expected"),
        ("4 0.5", "0 0.5", "w:5: expected a class above 0 for a foreground window, got '0'"),
        ("5 0.2", "5 0.9", "no background windows in it; see fg_threshold"),
        ("4 0.5", "4 0.1", "no foreground windows in it; see fg_threshold"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=message):
        read(tmp_path, GOOD.replace(old, new))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Failed to open window file .*nowhere"):
        read_windows(str(tmp_path / "nowhere"), "", 0.5, 0.5)
