"""Which layers change their images, and how that is written for either engine."""

from __future__ import annotations

import json

import pytest

from caffekit.errors import UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen.augmented import augment_net

NET = """
layer { name: "data" type: "Data" top: "data" include { phase: TRAIN }
  data_param { source: "a" batch_size: 2 } }
layer { name: "data" type: "Data" top: "data" include { phase: TEST }
  data_param { source: "b" batch_size: 2 } }
layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }
"""


@pytest.mark.parametrize(("native", "kind"), [(True, "AugmentedData"), (False, "Python")])
def test_only_the_training_images_are_changed(native: bool, kind: str) -> None:
    net = parse(NET, NetParameter(), "net")
    assert augment_net(net, {"rotate": 5}, 7, native) == ["data"]
    assert [layer.type for layer in net.layer] == [kind, "Data", "ReLU"]
    told = json.loads(net.layer[0].python_param.param_str)
    assert told == {"name": "data", "seed": 7, "changes": {"rotate": 5}}
    assert net.layer[0].data_param.source == "a"
    assert net.layer[0].python_param.module == ("" if native else "augmented_data")


def test_a_layer_for_both_phases_is_refused() -> None:
    net = parse(NET.replace("include { phase: TRAIN }", ""), NetParameter(), "net")
    with pytest.raises(UsageError, match="'data' reads for training and for testing"):
        augment_net(net, {"rotate": 5}, 0, True)


def test_a_net_that_reads_no_images_is_refused() -> None:
    net = parse(NET.replace('"Data"', '"HDF5Data"'), NetParameter(), "net")
    with pytest.raises(UsageError, match="no layer of the net reads images"):
        augment_net(net, {"rotate": 5}, 0, True)
