"""SIGKILL at random moments: the same command again writes what an undisturbed run writes, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .files import contents
from .pictures import make_folder

# As they are typed in an empty folder beside the inputs.
COMMANDS = {
    "clean": "clean ../raw -o out --copy --skip suspect-label --workers 2",
    "split": "split ../raw -o out --val 0.2 --test 0.2",
    "split in folds of a CSV": "split ../list.csv -o out --folds 4",
    "balance": "balance ../raw -o out --method oversample",
    "balance with jitter": "balance ../raw -o out --method jitter --workers 2",
    "augment": "augment ../raw -o out --copies 2 --rotate 9 --noise 3 --grid grid.png --workers 2",
    "gen-lmdb": "gen-lmdb ../raw -o out --resize 24x24 --workers 2",
    "gen-lmdb with float labels": "gen-lmdb ../list.csv -o out --workers 2",
    "gen-lmdb in HDF5": "gen-lmdb ../list.csv -o out --label-store hdf5 --encode jpg",
    "gen-lmdb by a contract": "gen-lmdb ../raw -o out --preprocess ../db.preprocess.yaml",
    "mean of images": "mean ../raw -o mean.binaryproto --workers 2",
    "mean of a database": "mean ../db -o mean.binaryproto",
}

# Arguments: folder, words as JSON, kills, seed. Prints at what shares of the command's time it was killed.
DRIVER = """
import json, os, random, signal, sys, time
import cv2, h5py, lmdb, numpy, pydantic, yaml
import caffekit.cli, caffekit.cli.data, caffekit.config, caffekit.formats.caffe_pb2
from caffekit.steps import augment, balance, clean, gen_lmdb, mean, split
folder, words, kills, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

def start(place):
    os.makedirs(place, exist_ok=True)
    child = os.fork()
    if not child:
        try:
            os.chdir(place)
            caffekit.cli.main(json.loads(words))
        except SystemExit as end:
            os._exit(end.code)
    return child

def end(child):
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status

os.chdir(folder)
begun = time.monotonic()
assert end(start("whole")) == 0
seconds = time.monotonic() - begun
moments, at = random.Random(seed), []
while len(at) < kills:
    share = moments.uniform(0, 1)
    child = start("killed")
    time.sleep(share * seconds)
    os.kill(child, signal.SIGKILL)
    if end(child):
        at.append(share)
    if any(os.path.exists("killed/" + name) for name in ("out", "mean.binaryproto")):
        os.rename("killed", f"killed-{len(os.listdir())}")  # it was complete: all of it must be there
assert end(start("killed")) == 0
print(json.dumps(at))
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders, a CSV with a float label, an LMDB with its contract."""
    folder = tmp_path_factory.mktemp("inputs")
    make_folder(folder / "raw", {"cat": 60, "dog": 40, "eel": 12})
    rows = [f"{path.relative_to(folder)},{i}.5" for i, path in enumerate(sorted(folder.rglob("*.png")))]
    (folder / "list.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    words = ["gen-lmdb", str(folder / "raw"), "-o", str(folder / "db"), "--resize", "30x20"]
    subprocess.run([sys.executable, "-m", "caffekit", *words], check=True, capture_output=True)
    return folder


def check(name: str, kills: int, inputs: Path, folder: Path) -> None:
    for path in inputs.iterdir():
        (folder / path.name).symlink_to(path)
    words = [*COMMANDS[name].split(), "-q"]
    command = [sys.executable, "-c", DRIVER, folder, json.dumps(words), str(kills), name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])) == kills
    whole = contents(folder / "whole")
    assert whole
    for killed in folder.glob("killed*"):
        assert contents(killed) == whole


@pytest.mark.parametrize("name", ["clean", "split", "augment", "gen-lmdb in HDF5", "mean of images"])
def test_killed_twice(name: str, inputs: Path, tmp_path: Path) -> None:
    check(name, 2, inputs, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_twenty_times(name: str, inputs: Path, tmp_path: Path) -> None:
    check(name, 20, inputs, tmp_path)
