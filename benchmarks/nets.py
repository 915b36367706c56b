"""The five nets that `scripts/bench` trains, as prototxt made from a short description.

Architectures: LeCun et al. 1998 (LeNet, in Caffe's widths), Krizhevsky's cifar10_quick, Krizhevsky et al. 2012
(CaffeNet: pooling before normalisation), Szegedy et al. 2014 (GoogLeNet with its two side losses), He et al.
2015 (ResNet-50). Runs under the Python that real Caffe has, too.
"""

from __future__ import annotations

NETS = {"lenet": 64, "cifar10_quick": 100, "caffenet": 16, "googlenet": 8, "resnet50": 8}
"""Each net and its batch size."""

SHAPES = {"lenet": (1, 28, 28), "cifar10_quick": (3, 32, 32), "caffenet": (3, 227, 227)}
CLASSES = {"lenet": 10, "cifar10_quick": 10}


def shape(name: str) -> tuple[int, int, int]:
    """(C, H, W) of the images of net `name`."""
    return SHAPES.get(name, (3, 224, 224))


class Spec:
    """A net under construction: every method adds a layer and returns its top's name."""

    def __init__(self, name: str) -> None:
        c, h, w = shape(name)
        n = NETS[name]
        self.text = f'name: "{name}"\n'
        self.add("Input", "data", [], f"input_param {{ shape {{ dim: {n} dim: {c} dim: {h} dim: {w} }} }}")
        self.add("Input", "label", [], f"input_param {{ shape {{ dim: {n} }} }}")

    def add(self, kind: str, name: str, bottoms: list[str], param: str = "", top: str = "") -> str:
        tops = f'top: "{top or name}"'
        below = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        self.text += f'layer {{ name: "{name}" type: "{kind}" {below} {tops} {param} }}\n'
        return top or name

    def conv(self, name: str, x: str, n: int, k: int, s: int = 1, p: int = 0, rest: str = "") -> str:
        size = f"num_output: {n} kernel_size: {k} stride: {s} pad: {p}"
        filler = 'weight_filler { type: "xavier" }'
        return self.add("Convolution", name, [x], f"convolution_param {{ {size} {filler} {rest} }}")

    def fc(self, name: str, x: str, n: int) -> str:
        param = f'num_output: {n} weight_filler {{ type: "xavier" }}'
        return self.add("InnerProduct", name, [x], f"inner_product_param {{ {param} }}")

    def pool(self, name: str, x: str, kind: str, k: int, s: int, p: int = 0) -> str:
        param = f"pool: {kind} kernel_size: {k} stride: {s} pad: {p}"
        return self.add("Pooling", name, [x], f"pooling_param {{ {param} }}")

    def relu(self, x: str) -> str:
        return self.add("ReLU", f"{x}_relu", [x], top=x)

    def lrn(self, name: str, x: str) -> str:
        return self.add("LRN", name, [x], "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def dropout(self, x: str, ratio: float) -> str:
        return self.add("Dropout", f"{x}_drop", [x], f"dropout_param {{ dropout_ratio: {ratio} }}", top=x)

    def loss(self, name: str, x: str, weight: float = 1) -> str:
        return self.add("SoftmaxWithLoss", name, [x, "label"], f"loss_weight: {weight}")


def lenet(net: Spec) -> None:
    x = net.pool("pool1", net.conv("conv1", "data", 20, 5), "MAX", 2, 2)
    x = net.pool("pool2", net.conv("conv2", x, 50, 5), "MAX", 2, 2)
    net.loss("loss", net.fc("ip2", net.relu(net.fc("ip1", x, 500)), 10))


def cifar10_quick(net: Spec) -> None:
    x = net.relu(net.pool("pool1", net.conv("conv1", "data", 32, 5, p=2), "MAX", 3, 2))
    x = net.pool("pool2", net.relu(net.conv("conv2", x, 32, 5, p=2)), "AVE", 3, 2)
    x = net.pool("pool3", net.relu(net.conv("conv3", x, 64, 5, p=2)), "AVE", 3, 2)
    net.loss("loss", net.fc("ip2", net.fc("ip1", x, 64), 10))


def caffenet(net: Spec) -> None:
    x = net.relu(net.conv("conv1", "data", 96, 11, s=4))
    x = net.lrn("norm1", net.pool("pool1", x, "MAX", 3, 2))
    x = net.relu(net.conv("conv2", x, 256, 5, p=2, rest="group: 2"))
    x = net.lrn("norm2", net.pool("pool2", x, "MAX", 3, 2))
    x = net.relu(net.conv("conv3", x, 384, 3, p=1))
    x = net.relu(net.conv("conv4", x, 384, 3, p=1, rest="group: 2"))
    x = net.relu(net.conv("conv5", x, 256, 3, p=1, rest="group: 2"))
    x = net.pool("pool5", x, "MAX", 3, 2)
    for name in ("fc6", "fc7"):
        x = net.dropout(net.relu(net.fc(name, x, 4096)), 0.5)
    net.loss("loss", net.fc("fc8", x, 1000))


INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Widths: 1x1, before 3x3, 3x3, before 5x5, 5x5, after the pool."""


def googlenet(net: Spec) -> None:
    x = net.relu(net.conv("conv1", "data", 64, 7, s=2, p=3))
    x = net.lrn("norm1", net.pool("pool1", x, "MAX", 3, 2))
    x = net.relu(net.conv("conv2_reduce", x, 64, 1))
    x = net.lrn("norm2", net.relu(net.conv("conv2", x, 192, 3, p=1)))
    x = net.pool("pool2", x, "MAX", 3, 2)
    for name, widths in INCEPTIONS.items():
        x = _inception(net, name, x, widths)
        if name in ("4a", "4d"):
            y = net.relu(net.conv(f"side_{name}", net.pool(f"side_pool_{name}", x, "AVE", 5, 3), 128, 1))
            y = net.dropout(net.relu(net.fc(f"side_fc_{name}", y, 1024)), 0.7)
            net.loss(f"loss_{name}", net.fc(f"side_out_{name}", y, 1000), 0.3)
        if name in ("3b", "4e"):
            x = net.pool(f"pool_{name}", x, "MAX", 3, 2)
    x = net.dropout(net.pool("pool5", x, "AVE", 7, 1), 0.4)
    net.loss("loss", net.fc("fc", x, 1000))


def _inception(net: Spec, name: str, x: str, widths: tuple[int, ...]) -> str:
    one, reduce3, three, reduce5, five, pool = widths
    parts = [net.relu(net.conv(f"{name}_1x1", x, one, 1))]
    y = net.relu(net.conv(f"{name}_3x3_reduce", x, reduce3, 1))
    parts.append(net.relu(net.conv(f"{name}_3x3", y, three, 3, p=1)))
    y = net.relu(net.conv(f"{name}_5x5_reduce", x, reduce5, 1))
    parts.append(net.relu(net.conv(f"{name}_5x5", y, five, 5, p=2)))
    y = net.pool(f"{name}_pool", x, "MAX", 3, 1, 1)
    parts.append(net.relu(net.conv(f"{name}_pool_proj", y, pool, 1)))
    return net.add("Concat", name, parts)


def resnet50(net: Spec) -> None:
    x = net.relu(_conv_bn(net, "conv1", "data", 64, 7, 2, 3))
    x = net.pool("pool1", x, "MAX", 3, 2)
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 2):
        for block in range(blocks):
            name, stride = f"res{stage}{'abcdef'[block]}", 2 if stage > 2 and not block else 1
            side = x if block else _conv_bn(net, f"{name}_side", x, 4 * width, 1, stride, 0)
            y = net.relu(_conv_bn(net, f"{name}_a", x, width, 1, stride, 0))
            y = net.relu(_conv_bn(net, f"{name}_b", y, width, 3, 1, 1))
            y = _conv_bn(net, f"{name}_c", y, 4 * width, 1, 1, 0)
            x = net.relu(net.add("Eltwise", name, [side, y]))
    net.loss("loss", net.fc("fc", net.pool("pool5", x, "AVE", 7, 1), 1000))


def _conv_bn(net: Spec, name: str, x: str, n: int, k: int, s: int, p: int) -> str:
    x = net.conv(name, x, n, k, s, p, "bias_term: false")
    net.add("BatchNorm", f"{name}_bn", [x], top=x)
    return net.add("Scale", f"{name}_scale", [x], "scale_param { bias_term: true }", top=x)


def prototxt(name: str) -> str:
    """The training net `name`, with Input layers for images and labels."""
    net = Spec(name)
    globals()[name](net)
    return net.text


SOLVER = 'net: "{net}" base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 random_seed: 1\n'
