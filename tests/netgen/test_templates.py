"""The templates hold what was published: as many weights; and options work, or are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from caffekit.errors import UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.graph import filter_net, layer_costs
from caffekit.netgen import ACTIVATIONS, TEMPLATES, Data, NetOptions, generate
from tests.netgen.sizes import fitting

# Weights, biases, and BatchNorm's factors and terms; its statistics (which a caffemodel also holds) do not
# count, as in most published figures. Sources: the publication where it gives the figure to the unit,
# netscope for the nets of BVLC's model zoo, the models of torchvision (VGG, ResNet, SqueezeNet, MobileNetV2,
# DenseNet-121), osmr/imgclsmob's tables (NIN, the small ResNets and PreActResNets, DenseNet-BC-100,
# MobileNet).
PUBLISHED = [
    ("lenet", None, 1.0, (1, 28, 28), 10, 431_080),
    ("cifar10_quick", None, 1.0, (3, 32, 32), 10, 145_578),
    ("cifar10_full", None, 1.0, (3, 32, 32), 10, 89_578),
    ("alexnet", None, 1.0, (3, 227, 227), 1000, 60_965_224),
    ("caffenet", None, 1.0, (3, 227, 227), 1000, 60_965_224),
    ("nin", None, 1.0, (3, 32, 32), 10, 966_986),
    ("vgg", 11, 1.0, (3, 224, 224), 1000, 132_863_336),
    ("vgg", 13, 1.0, (3, 224, 224), 1000, 133_047_848),
    ("vgg", 16, 1.0, (3, 224, 224), 1000, 138_357_544),
    ("vgg", 19, 1.0, (3, 224, 224), 1000, 143_667_240),
    ("googlenet", None, 1.0, (3, 224, 224), 1000, 6_998_552),
    ("resnet", 20, 1.0, (3, 32, 32), 10, 272_474),
    ("resnet", 56, 1.0, (3, 32, 32), 10, 855_770),
    ("resnet", 110, 1.0, (3, 32, 32), 10, 1_730_714),
    ("resnet", 18, 1.0, (3, 224, 224), 1000, 11_689_512),
    ("resnet", 34, 1.0, (3, 224, 224), 1000, 21_797_672),
    ("resnet", 50, 1.0, (3, 224, 224), 1000, 25_557_032),
    ("preact_resnet", 20, 1.0, (3, 32, 32), 10, 272_282),
    ("densenet", 40, 1.0, (3, 32, 32), 10, 1_019_722),  # published as 1.0 million
    ("densenet", 100, 1.0, (3, 32, 32), 10, 769_162),
    ("densenet", 121, 1.0, (3, 224, 224), 1000, 7_978_856),
    ("squeezenet", None, 1.0, (3, 227, 227), 1000, 1_235_496),
    ("mobilenet_v1", None, 1.0, (3, 224, 224), 1000, 4_231_976),
    ("mobilenet_v1", None, 0.75, (3, 224, 224), 1000, 2_585_560),
    ("mobilenet_v1", None, 0.25, (3, 224, 224), 1000, 470_072),
    ("mobilenet_v2", None, 1.0, (3, 224, 224), 1000, 3_504_872),
    ("mobilenet_v2", None, 0.5, (3, 224, 224), 1000, 1_968_680),
    ("all_conv", None, 1.0, (3, 32, 32), 10, 1_369_738),  # published as 1.4 million
]


@pytest.mark.parametrize(("name", "depth", "width", "shape", "classes", "published"), PUBLISHED)
def test_weights_as_published(
    name: str, depth: int | None, width: float, shape: tuple[int, int, int], classes: int, published: int
) -> None:
    made = generate(name, Data("t", 1000, *shape, classes), NetOptions(depth=depth, width=width))
    costs = layer_costs(parse(made.deploy, NetParameter(), name))
    assert sum(cost.parameters for cost in costs if cost.type != "BatchNorm") == published


def net_of(name: str, phase: int = 0, **options: Any) -> Any:
    """The TRAIN (0) or TEST (1) net of template `name` on the smallest images."""
    made = generate(name, fitting(name, options.get("depth")), NetOptions(**options), {"batch_size": 6})
    return filter_net(parse(made.train_val, NetParameter(), name), phase)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_one_key_sets_every_activation(name: str, activation: str) -> None:
    if activation == "maxout" and TEMPLATES[name].no_maxout:
        with pytest.raises(UsageError, match=f"{name} cannot have maxout: "):
            net_of(name, activation=activation)
        return
    types = [layer.type for layer in net_of(name, activation=activation, width=0.25).layer]
    kind = ACTIVATIONS[activation].type
    assert ("Eltwise" if kind == "Maxout" else kind) in types
    others = {other.type for other in ACTIVATIONS.values()} - {kind, "ReLU" if name == "triplet" else kind}
    assert not others.intersection(types)


def test_fillers_follow_the_activation() -> None:
    def fillers(activation: str) -> set[str]:
        net = net_of("vgg_narrow", activation=activation)
        return {one.convolution_param.weight_filler.type for one in net.layer if one.type == "Convolution"}

    assert fillers("relu") == fillers("swish") == {"msra"}
    assert fillers("tanh") == fillers("sigmoid") == {"xavier"}


def test_maxout_has_two_maps_for_one() -> None:
    plain, maxout = net_of("nin"), net_of("nin", activation="maxout")
    wide = {layer.name: layer.convolution_param.num_output for layer in maxout.layer}
    for layer in plain.layer:
        if layer.type == "Convolution":
            twice = 1 if layer.name == "cccp6" else 2  # the classes stay as many
            assert wide[layer.name] == twice * layer.convolution_param.num_output


def test_no_gradient_moves_the_statistics_of_batch_norm() -> None:
    for phase in (0, 1):
        layers = [layer for layer in net_of("resnet", phase).layer if layer.type == "BatchNorm"]
        assert len(layers) == 21
        for layer in layers:
            assert [param.lr_mult for param in layer.param] == [0, 0, 0]
            assert not layer.batch_norm_param.HasField("use_global_stats")


def test_drop_path_is_for_training_only_and_grows_with_depth() -> None:
    train, test = net_of("resnet", 0, drop_path=0.3), net_of("resnet", 1, drop_path=0.3)
    ratios = [layer.dropout_param.dropout_ratio for layer in train.layer if layer.name.endswith("_path_drop")]
    assert ratios == sorted(ratios) and len(ratios) == 9 and ratios[-1] == pytest.approx(0.3)
    ones = [layer for layer in train.layer if layer.type == "DummyData"]
    assert {tuple(layer.dummy_data_param.shape[0].dim) for layer in ones} == {(6,)}
    scales = [layer for layer in train.layer if layer.type == "Scale" and len(layer.bottom) == 2]
    assert all(layer.scale_param.axis == 0 and layer.bottom[0] == layer.top[0] for layer in scales)
    assert not any("path" in layer.name for layer in test.layer)
    # DummyData fills constants once: what drops them must not work in place.
    drops = [layer for layer in train.layer if layer.name.endswith("_path_drop")]
    assert all(layer.bottom[0] != layer.top[0] for layer in drops)


@pytest.mark.parametrize(("name", "branches"), [("siamese", 2), ("triplet", 3)])
def test_branches_share_their_weights_by_name(name: str, branches: int) -> None:
    layers = [layer for layer in net_of(name, activation="prelu").layer if layer.param]
    names = [tuple(param.name for param in layer.param) for layer in layers]
    assert len(names) == branches * len(set(names)) and all(all(one) for one in names)
    assert ("prelu1_slope",) in names


def test_widths_are_multiples_of_eight() -> None:
    layers = [layer for layer in net_of("cifar10_quick", width=0.3).layer if layer.type == "Convolution"]
    assert [layer.convolution_param.num_output for layer in layers] == [16, 16, 24]


@pytest.mark.parametrize(
    ("name", "data", "options", "message"),
    [
        ("lennet", {}, {}, r"net.template: no 'lennet'; did you mean lenet\?"),
        ("lenet", {}, {"activation": "rellu"}, r"net.activation: no 'rellu'; did you mean relu\?"),
        ("vgg", {}, {"depth": 15}, "net.depth 15: vgg has 11, 13, 16, 19 layers, whose blocks fill"),
        ("lenet", {}, {"depth": 5}, "net.depth: lenet has one depth"),
        ("lenet", {}, {"width": 0.01}, "net.width 0.01: lenet takes 0.125 to 4: a net of a few maps"),
        ("lenet", {}, {"width": 40.0}, "net.width 40: lenet takes 0.125 to 4: weights grow with its square"),
        ("lenet", {}, {"drop_path": 0.1}, "net.drop_path: lenet has a single path"),
        ("googlenet", {"height": 64}, {}, "googlenet needs images of at least 80 pixels, got 80x64: of"),
        ("resnet", {}, {"depth": 50}, "resnet needs images of at least 32 pixels, got 8x8"),
        ("vgg", {"width": 999}, {}, "vgg takes images of at most 448 pixels, got 999x32: of larger"),
        ("lenet", {}, {"crop": 99}, r"net.crop 99 is larger than the images \(16x16\)"),
        ("siamese", {"images": 1}, {}, "siamese takes records of pairs; the LMDB's have one image"),
        ("siamese", {"images": 0, "channels": 3}, {}, "siamese takes records of pairs; 3 channels cannot"),
        ("lenet", {"images": 3}, {}, "lenet takes records of one image; the LMDB's have triplets"),
    ],
)  # fmt: skip
def test_what_is_out_of_range(name: str, data: dict[str, Any], options: dict[str, Any], message: str) -> None:
    known = name if name in TEMPLATES else "lenet"
    with pytest.raises(UsageError, match=message):
        generate(name, fitting(known, **data), NetOptions(**options))
