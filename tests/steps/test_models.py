"""Commands about nets and weights as a user calls them: summary, drawing, upgrade, weights."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse, read_net
from caffekit.formats.weights import to_blob, write_caffemodel
from tests.cli.test_nets import call
from tests.steps.databases import make_db

# Caffe's LeNet; LeCun's 431,080 parameters in these widths, as in the zoo's model.
LENET = """name: "LeNet"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        data_param { source: "DB" batch_size: 64 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
        data_param { source: "DB" batch_size: 100 backend: LMDB } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 50 kernel_size: 5 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
        pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1" inner_product_param { num_output: 500 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 10 } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy"
        include { phase: TEST } }
layer { name: "loss<&>" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""


@pytest.fixture
def lenet(tmp_path: Path) -> Path:
    path = tmp_path / "lenet.prototxt"
    path.write_text(LENET)
    return path


def summary_of(*args: object) -> dict[str, Any]:
    code, out, _ = call("net", "summary", *args, "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_summary_counts_what_lenet_is_known_to_have(lenet: Path) -> None:
    found = summary_of(lenet, "--image", "1x28x28")
    assert found["phase"] == "TRAIN" and found["batch"] == 64
    totals = found["totals"]
    assert totals["parameters"] == totals["learned"] == 431_080
    # 20x24x24x25 + 50x8x8x500 + 800x500 + 500x10
    assert totals["macs_per_image"] == 288_000 + 1_600_000 + 400_000 + 5_000
    values = 64 * (784 + 1 + 20 * 576 + 20 * 144 + 50 * 64 + 800 + 500 + 10) + 1
    assert totals["activation_bytes_test"] == 4 * values
    assert totals["activation_bytes_train"] == 8 * values  # no blob has two readers at TRAIN


def test_a_blob_read_twice_has_two_more_gradients(lenet: Path) -> None:
    totals = summary_of(lenet, "--image", "1x28x28", "--phase", "TEST")["totals"]
    twice = 4 * 100 * 2 * (10 + 1)  # ip2 and label, read by accuracy and loss
    assert totals["activation_bytes_train"] == 2 * totals["activation_bytes_test"] + twice


def test_summary_looks_into_the_database(lenet: Path, tmp_path: Path) -> None:
    make_db(tmp_path / "db", 4, channels=3, side=24)
    lenet.write_text(LENET.replace('"DB"', f'"{tmp_path / "db"}"'))
    assert summary_of(lenet)["layers"][0]["shapes"][0] == [64, 3, 24, 24]


def test_summary_tells_what_it_does_not_know(lenet: Path) -> None:
    lenet.write_text(LENET.replace('"Pooling" bottom: "conv2"', '"Puling" bottom: "conv2"'))
    code, out, _ = call("net", "summary", lenet, "--image", "1x28x28")
    assert code == 0
    assert "unknown layer type 'Puling'; did you mean Pooling?" in out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    code, _, err = call("net", "summary", lenet)
    assert code == 2 and "no shape is known" in err and "--image" in err


def test_a_wrong_image_shape_is_a_usage_error(lenet: Path) -> None:
    code, _, err = call("net", "summary", lenet, "--image", "28x28")
    assert code == 2 and "channels x height x width" in err


def test_the_drawing_is_xml_with_a_box_for_each_place(lenet: Path, tmp_path: Path) -> None:
    code, out, _ = call("net", "draw", lenet, "-o", tmp_path / "net.svg", "--image", "1x28x28")
    assert code == 0 and "8 boxes" in out  # relu1 shares its box
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"loss<&>", "Convolution 5×5 → 20", "Pooling MAX 2×2/2", "20×24×24", "ReLU"} <= {*texts}
    assert "reads label" in texts
    assert call("net", "draw", lenet, "-o", tmp_path / "net.svg")[0] == 2  # it exists
    assert call("net", "draw", lenet, "-o", tmp_path / "net.jpg")[0] == 2


def test_png_is_a_png(lenet: Path, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py", reason="resvg-py (the png extra) is not installed")
    assert call("net", "draw", lenet, "-o", tmp_path / "net.png", "--image", "1x28x28")[0] == 0
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")


OLD_NET = """name: "old" # a comment
layers { name: "c" type: CONVOLUTION bottom: "d" top: "c" blobs_lr: 1 blobs_lr: 2
         convolution_param { num_output: 3 kernel_size: 3 } }
input: "d" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
"""


def test_upgrade_writes_todays_net(tmp_path: Path) -> None:
    old, new = tmp_path / "old.prototxt", tmp_path / "new.prototxt"
    old.write_text(OLD_NET)
    code, out, _ = call("upgrade", old, "-o", new)
    assert code == 0 and "net, upgraded" in out
    net = parse(new.read_text(), NetParameter(), "new")
    assert [layer.type for layer in net.layer] == ["Input", "Convolution"] and not net.layers
    assert net == read_net(old)
    assert call("upgrade", old, "-o", new)[0] == 2  # it exists
    again = tmp_path / "again.prototxt"
    assert "already current" in call("upgrade", new, "-o", again)[1]
    assert again.read_bytes() == new.read_bytes()


def test_upgrade_knows_solvers_and_weights(tmp_path: Path, shared: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text('net: "n.prototxt"\nsolver_type: ADAM\n')
    assert "solver, upgraded" in call("upgrade", solver, "-o", tmp_path / "s.prototxt")[1]
    assert 'type: "Adam"' in (tmp_path / "s.prototxt").read_text()
    models = sorted((shared / "data/caffemodels").rglob("*.caffemodel"))
    assert models
    for n, path in enumerate(models):
        out = tmp_path / f"{n}.caffemodel"
        assert call("upgrade", path, "-o", out)[0] == 0
        assert call("weights", "diff", path, out)[0] == 0


def test_upgrade_refuses_what_is_neither(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("some: words\n")
    code, _, err = call("upgrade", text, "-o", tmp_path / "x")
    assert code == 4 and "notes.txt:1" in err and not (tmp_path / "x").exists()


def test_upgraded_text_loads_in_real_caffe(tmp_path: Path, bvlc: Path) -> None:
    old, new = tmp_path / "old.prototxt", tmp_path / "new.prototxt"
    old.write_text(OLD_NET)
    call("upgrade", old, "-o", new)
    script = "import caffe, sys; print(caffe.Net(sys.argv[1], caffe.TEST).blobs['c'].data.shape)"
    done = subprocess.run([bvlc, "-c", script, new], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 3, 6, 6)"


def save(path: Path, **layers: np.ndarray) -> Path:
    net = NetParameter(name="n")
    for name, values in layers.items():
        layer = net.layer.add(name=name, type="InnerProduct")
        layer.blobs.append(to_blob(values.astype(np.float32)))
    write_caffemodel(path, net)
    return path


def test_weights_check_names_the_blob(tmp_path: Path) -> None:
    fine = save(tmp_path / "a.caffemodel", one=np.ones(4))
    bad = save(tmp_path / "b.caffemodel", one=np.ones(4), two=np.array([1, np.nan, np.inf]))
    assert call("weights", "check", fine)[:2] == (0, f"{fine}: all finite\n")
    code, out, _ = call("weights", "check", fine, bad, "--json")
    assert code == 3
    assert json.loads(out)["findings"] == [{"file": str(bad), "blob": "two/0", "non_finite": 2}]


def test_weights_show_and_diff(tmp_path: Path) -> None:
    a = save(tmp_path / "a.caffemodel", one=np.array([3.0, 4.0]), two=np.ones(3))
    b = save(tmp_path / "b.caffemodel", one=np.array([3.0, 4.5]), two=np.ones(2), three=np.ones(1))
    code, out, _ = call("weights", "show", a, "--json")
    assert code == 0 and json.loads(out)["blobs"][0]["norm"] == 5
    code, out, _ = call("weights", "diff", a, b)
    assert code == 3
    assert out.splitlines() == [
        "one/0: 0.0925 of its norm, largest difference 0.5",
        "two/0: 3 against 2",
        f"three/0: only in {b}",
        "3 of 3 blobs differ",
    ]
    assert call("weights", "diff", a, a)[0] == 0
