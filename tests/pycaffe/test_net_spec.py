"""NetSpec: the same prototxt as real Caffe writes for the same Python, and its errors."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from google.protobuf import text_format

import caffekit.pycaffe as caffe
from caffekit.pycaffe import NetSpec, params, to_proto
from caffekit.pycaffe import layers as L
from caffekit.pycaffe.proto import caffe_pb2

from .api_case import NETS, net_text

RECORDED = Path(__file__).parent.parent / "cases" / "net_spec"


@pytest.mark.parametrize("name", NETS)
def test_equals_bvlc(name: str) -> None:
    """As messages: C++ and newer protobufs print floats in different ways."""
    got, wanted = (
        text_format.Parse(text, caffe_pb2.NetParameter())
        for text in (net_text(caffe, name), (RECORDED / f"{name}.prototxt").read_text())
    )
    assert got == wanted


def test_a_layer_without_tops_gives_the_layer() -> None:
    silence = L.Silence(L.DummyData(shape={"dim": 3}), ntop=0)
    assert [layer.type for layer in silence.to_proto().layer] == ["DummyData", "Silence"]


def test_one_top_knows_its_layer_and_what_it_needs() -> None:
    top = L.ReLU(L.Input(shape={"dim": [1, 2]}))
    assert top.fn.type_name == "ReLU"
    assert len(top.to_proto().layer) == 2
    assert top.to_proto() == to_proto(top)


def test_bottoms_are_tops() -> None:
    data = L.DummyData(ntop=2)
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>\)$"):
        L.Silence(data, ntop=0)


def test_a_setting_that_nothing_has_is_refused() -> None:
    n = NetSpec()
    n.data = L.Input(shapes={"dim": [1, 2]})
    with pytest.raises(AttributeError, match="layer 'data'.*settings of Input have 'shapes'"):
        n.to_proto()
    n.data = L.Input(shape={"dims": [1, 2]})
    with pytest.raises(AttributeError, match="BlobShape has no field 'dims'"):
        n.to_proto()


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(TypeError):
        L.Convolution(L.Input(), num_output="many").to_proto()


def test_names_that_are_not_assigned_are_missing() -> None:
    n = NetSpec()
    with pytest.raises(KeyError, match="conv"):
        _ = n.conv
    assert copy.copy(n) is not n  # looks for methods that are no tops


def test_constants_have_caffes_numbers() -> None:
    assert (params.Pooling.MAX, params.Pooling.AVE, params.Data.LMDB) == (0, 1, 1)
    assert params.MarginInnerProduct.QUADRUPLE == 3  # a fork's
    with pytest.raises(AttributeError, match="has NopeParameter"):
        _ = params.Nope.MAX


def test_a_spec_builds_a_net(tmp_path: Path) -> None:
    n = NetSpec()
    n.data = L.Input(shape={"dim": [2, 3]})
    n.ip = L.InnerProduct(n.data, num_output=4)
    n.relu = L.ReLU(n.ip, in_place=True)
    path = tmp_path / "net.prototxt"
    path.write_text(str(n.to_proto()))
    net = caffe.Net(str(path), caffe.TEST)
    assert list(net.blobs) == ["data", "ip"]
    assert list(net.layer_dict) == ["data", "ip", "relu"]


def test_a_forks_layers() -> None:
    """As in the fork's own pycaffe: its layers' settings by name, its NetParameter as the result."""
    n = NetSpec()
    n.data, n.label = L.DummyData(ntop=2, shape=[{"dim": [2, 3]}, {"dim": [2]}])
    n.fc = L.InnerProduct(n.data, num_output=4, normalize=True, bias_term=False)
    n.margin = L.LabelSpecificAdd(n.fc, n.label, bias=-0.25)
    net = n.to_proto()
    assert net.layer[1].inner_product_param.normalize
    assert net.layer[2].label_specific_add_param.bias == -0.25
    assert [layer.name for layer in net.layer] == ["data", "fc", "margin"]
    assert caffe.Net(net, caffe.TRAIN).blobs["margin"].shape == (2, 4)
