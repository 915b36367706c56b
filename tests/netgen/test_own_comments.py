"""A net of one's own, filled in: its comments stay, and each phase gets its data."""

from __future__ import annotations

from pathlib import Path

from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen import Data, generate

MINE = """# tuned for weeks, do not touch
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        data_param { source: "old" batch_size: 7 } }  # old disk
layer { name: "ones" type: "DummyData" top: "ones" include { phase: TRAIN } # drop-path
        dummy_data_param { shape { dim: 7 } data_filler { type: "constant" value: 1 } } }
layer { name: "q" type: "Silence" bottom: "ones" include { phase: TRAIN } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 3 } } # three classes once
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def test_comments_stay_and_ones_follow_the_batch(tmp_path: Path) -> None:
    (tmp_path / "mine.prototxt").write_text(MINE)
    made = generate(
        tmp_path / "mine.prototxt", Data("new", 100, 1, 8, 8, 5, scale=0.5), solver={"batch_size": 20}
    )
    expected = MINE.replace('source: "old" batch_size: 7', 'source: "new" batch_size: 20 backend: LMDB')
    expected = expected.replace("dim: 7", "dim: 20").replace("num_output: 3", "num_output: 5")
    expected = expected.replace("backend: LMDB } }", "backend: LMDB } transform_param {   scale: 0.5 } }")
    head, _, body = made.train_val.partition("\n")
    assert head == "# mine.prototxt, with data, batch sizes and classes filled in"
    assert body.split() == expected.split()


TRAIN_ONLY = """
layer { name: "d" type: "Data" top: "data" top: "label"
        transform_param { mirror: true } data_param { batch_size: 7 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def test_a_file_for_training_alone_is_tested_too(tmp_path: Path) -> None:
    (tmp_path / "train.prototxt").write_text(TRAIN_ONLY)
    made = generate(
        tmp_path / "train.prototxt", Data("new", 100, 1, 8, 8, 5, "test", 20), solver={"batch_size": 20}
    )
    train, test = parse(made.train_val, NetParameter(), "n").layer[:2]
    assert (train.data_param.source, train.include[0].phase, train.transform_param.mirror) == ("new", 0, True)
    assert (test.data_param.source, test.include[0].phase, test.transform_param.mirror) == ("test", 1, False)
    assert "d: read in both phases; now one for each" in made.notes
    alone = generate(tmp_path / "train.prototxt", Data("new", 100, 1, 8, 8, 5), solver={"batch_size": 20})
    assert "include" not in alone.train_val and '"new"' in alone.train_val
