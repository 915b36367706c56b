"""The nets of nets.py written by hand in plain PyTorch, as one would: nn.Module, autograd, torch.optim."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from nets import INCEPTIONS
from torch import nn


def lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(inplace=True), nn.Linear(500, 10)),
    )


def cifar10_quick() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(inplace=True)),
        *(nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(inplace=True), nn.AvgPool2d(3, 2, ceil_mode=True)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(inplace=True), nn.AvgPool2d(3, 2, ceil_mode=True)),
        *(nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10)),
    )


def caffenet() -> nn.Module:
    def relu() -> nn.Module:
        return nn.ReLU(inplace=True)

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, 4), relu(), pool(), nn.LocalResponseNorm(5)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), relu(), pool(), nn.LocalResponseNorm(5)),
        *(nn.Conv2d(256, 384, 3, padding=1), relu()),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), relu()),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), relu(), pool(), nn.Flatten()),
        *(nn.Linear(9216, 4096), relu(), nn.Dropout()),
        *(nn.Linear(4096, 4096), relu(), nn.Dropout(), nn.Linear(4096, 1000)),
    )


def conv_relu(a: int, b: int, k: int, s: int = 1, p: int = 0) -> nn.Module:
    return nn.Sequential(nn.Conv2d(a, b, k, s, p), nn.ReLU(inplace=True))


class Inception(nn.Module):
    def __init__(self, n: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = widths
        self.branches = nn.ModuleList(
            [
                conv_relu(n, one, 1),
                nn.Sequential(conv_relu(n, reduce3, 1), conv_relu(reduce3, three, 3, 1, 1)),
                nn.Sequential(conv_relu(n, reduce5, 1), conv_relu(reduce5, five, 5, 1, 2)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_relu(n, pool, 1)),
            ]
        )
        self.width = one + three + five + pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class GoogLeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(conv_relu(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.LocalResponseNorm(5)),
            *(conv_relu(64, 64, 1), conv_relu(64, 192, 3, 1, 1), nn.LocalResponseNorm(5)),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        self.inceptions, self.sides = nn.ModuleDict(), nn.ModuleDict()
        n = 192
        for name, widths in INCEPTIONS.items():
            self.inceptions[name] = Inception(n, widths)
            n = self.inceptions[name].width
            if name in ("4a", "4d"):
                self.sides[name] = nn.Sequential(
                    *(nn.AvgPool2d(5, 3, ceil_mode=True), conv_relu(n, 128, 1), nn.Flatten()),
                    *(nn.Linear(2048, 1024), nn.ReLU(inplace=True), nn.Dropout(0.7)),
                    nn.Linear(1024, 1000),
                )
        self.head = nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Dropout(0.4), nn.Linear(1024, 1000))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x, sides = self.stem(x), []
        for name, inception in self.inceptions.items():
            x = inception(x)
            if name in self.sides:
                sides.append(self.sides[name](x))
            if name in ("3b", "4e"):
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return [self.head(x), *sides]


def conv_bn(a: int, b: int, k: int, s: int = 1, p: int = 0) -> nn.Module:
    return nn.Sequential(nn.Conv2d(a, b, k, s, p, bias=False), nn.BatchNorm2d(b))


class Bottleneck(nn.Module):
    def __init__(self, n: int, width: int, stride: int) -> None:
        super().__init__()
        self.side = conv_bn(n, 4 * width, 1, stride) if n != 4 * width or stride > 1 else nn.Identity()
        self.way = nn.Sequential(
            *(conv_bn(n, width, 1, stride), nn.ReLU(inplace=True)),
            *(conv_bn(width, width, 3, 1, 1), nn.ReLU(inplace=True), conv_bn(width, 4 * width, 1)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu_(self.way(x) + self.side(x))


def resnet50() -> nn.Module:
    parts = [conv_bn(3, 64, 7, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)]
    n = 64
    for blocks, width in ((3, 64), (4, 128), (6, 256), (3, 512)):
        for block in range(blocks):
            parts.append(Bottleneck(n, width, 2 if width > 64 and not block else 1))
            n = 4 * width
    return nn.Sequential(*parts, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(2048, 1000))


def stepper(name: str, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """A function that trains net `name` for one iteration on this batch."""
    makers = {"googlenet": GoogLeNet}
    net = makers.get(name, globals().get(name))().train()
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    target = labels.long()

    def step() -> None:
        optimiser.zero_grad()
        outputs = net(images)
        main, *sides = outputs if isinstance(outputs, list) else [outputs]
        loss = F.cross_entropy(main, target)
        for side in sides:
            loss = loss + 0.3 * F.cross_entropy(side, target)
        loss.backward()
        optimiser.step()

    return step
