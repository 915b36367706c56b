"""Nets spelled out: each block's layers, its own options, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caffekit.config import load_settings
from caffekit.config.block_schema import BLOCK_TYPES, KEYS, BlockSettings
from caffekit.errors import ConfigError, UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen import Data, NetOptions, generate

DATA = Data("train", 100, 3, 32, 32, 5, "test", 20)


def net_of(*blocks: dict[str, Any], **options: Any) -> list[Any]:
    """The layers between data and classifier of the TRAIN net of these blocks."""
    filled = tuple(BlockSettings(**block).model_dump() for block in blocks)
    made = generate("blocks", DATA, NetOptions(blocks=filled, **options))
    layers = list(parse(made.train_val, NetParameter(), "n").layer)
    return layers[2:-3]


@pytest.mark.parametrize("kind", BLOCK_TYPES)
def test_every_type_makes_a_net(kind: str) -> None:
    block: dict[str, Any] = {"type": kind}
    block |= {"width": 8} if "width" in KEYS[kind] else {}
    block |= {"widths": [8] * 6} if "widths" in KEYS[kind] else {}
    assert net_of(block)
    if "repeat" in KEYS[kind]:
        assert len(net_of({**block, "repeat": 2})) > len(net_of(block))


def test_options_of_a_block_end_with_it() -> None:
    layers = net_of(
        {"type": "conv", "width": 8, "activation": "tanh", "decay_mult": 4, "lr_mult": 0},
        {"type": "conv", "width": 8},
    )
    assert [layer.type for layer in layers] == ["Convolution", "TanH", "Convolution", "ReLU"]
    rates = [(param.lr_mult, param.decay_mult) for layer in layers for param in layer.param]
    assert rates == [(0, 4), (0, 0), (1, 1), (2, 0)]
    fillers = [layer.convolution_param.weight_filler.type for layer in layers[::2]]
    assert fillers == ["xavier", "msra"]


def test_a_stride_is_taken_once() -> None:
    layers = net_of({"type": "residual", "width": 8, "stride": 2, "repeat": 2})
    strides = {one.name: list(one.convolution_param.stride) for one in layers if one.type == "Convolution"}
    assert strides == {
        "res1_1_branch1": [2], "res1_1_branch2a": [2], "res1_1_branch2b": [],
        "res1_2_branch2a": [], "res1_2_branch2b": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ("[{type: conv}]", r"net.blocks\[0\].width: conv needs it"),
        ("[{type: pool, width: 3}]", r"net.blocks\[0\].width: pool takes kernel, method, stride"),
        (
            "[{type: lrn}, {type: konv, width: 3}]",
            r"net.blocks\[1\].type: .* got 'konv'; did you mean conv\?",
        ),
        ("[{type: inception, widths: [1, 2]}]", r"net.blocks\[0\].widths: expected a list"),
        ("[{type: residual, width: 8, activation: maxout}]", "residual cannot have maxout"),
        (
            "[{type: conv, width: 8, kernal: 3}]",
            r"net.blocks\[0\].kernal: unknown key; did you mean kernel\?",
        ),
    ],
)
def test_mistakes_have_a_place(blocks: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"version: 1\nnet: {{blocks: {blocks}}}\n")
    with pytest.raises(ConfigError, match=f"p.yaml:2: {message}|p.yaml:2: .*{message}"):
        load_settings(tmp_path / "p.yaml")


def test_blocks_or_a_template() -> None:
    with pytest.raises(ConfigError, match="net.template is given too; give one of the two"):
        load_settings(None, ("net.blocks=[{type: lrn}]", "net.template=lenet"))


def test_what_cannot_be_for_the_whole_net() -> None:
    with pytest.raises(UsageError, match=r"block 1 \(residual\) cannot have maxout"):
        net_of({"type": "residual", "width": 8}, activation="maxout")
    with pytest.raises(UsageError, match=r"net.drop_path: blocks have their own"):
        net_of({"type": "residual", "width": 8}, drop_path=0.1)
