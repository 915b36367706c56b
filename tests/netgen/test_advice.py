"""What `suggest` recommends can be built, and follows the size of the set."""

from __future__ import annotations

from itertools import product

import pytest

from caffekit.netgen import Data, NetOptions, check_options
from caffekit.netgen.advice import Facts, batch_for, data_for, net_for, schedule_for, side_for

SETS = [300, 4_000, 15_000, 60_000, 500_000, 2_000_000]


def facts(images: int = 15_000, **more: object) -> Facts:
    given = {"classes": 10, "smallest": images // 10, "largest": images // 10, "side": 300, "gray": False}
    return Facts(images, **{**given, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["classify", "verify"])
def test_every_choice_is_a_net_that_takes_such_images(task: str) -> None:
    for images, side, gray in product(SETS, (20, 32, 70, 100, 500), (True, False)):
        of = facts(images, side=side, gray=gray, task=task)
        size = side_for(of).value
        net = net_for(of, int(size.split("x")[0]))
        width, height = map(int, size.split("x"))
        data = Data("db", images, 1 if gray else 3, height, width, 10)
        check_options(net.template, data, NetOptions(depth=net.depth or None))


def test_little_data_gets_a_small_net_and_small_images() -> None:
    few, many = facts(1_000), facts(2_000_000)
    assert (side_for(few).value, net_for(few, 96).template) == ("96x96", "vgg_narrow")
    assert (side_for(many).value, net_for(many, 224)[:2]) == ("224x224", ("resnet", 50))
    assert side_for(facts(side=40)).value == "32x32"


def test_what_does_not_fit_the_memory_is_accumulated() -> None:
    of = facts()
    net = net_for(of, 64)
    batch, many, why = batch_for(of, net, fits=30)
    assert (batch, many) == (16, 8) and "memory" in why
    assert batch_for(of, net, fits=10_000)[:2] == (128, 1)
    assert batch_for(facts(100), net, fits=10_000)[:2] == (4, 1)


def test_the_rate_is_in_proportion_to_the_batch() -> None:
    of = facts()
    rates = {batch: schedule_for(of, net_for(of, 64), batch)[0].value for batch in (128, 32)}
    assert rates == {128: 0.1, 32: 0.025}


def test_imbalance_and_colour_choose_the_data_settings() -> None:
    chosen = {choice.path: choice.value for choice in data_for(facts(1_000, smallest=10, largest=40))}
    assert chosen["balance.method"] == "jitter" and chosen["augment.flip"] is True
    even = {choice.path for choice in data_for(facts(1_000, gray=True))}
    assert "balance.method" not in even and "augment.flip" not in even
