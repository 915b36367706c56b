"""What a lint rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from caffekit.netgen.subject import Problem, Subject

CAFFE = "BVLC Caffe 1.0"
PATTERNS = "Smith & Topin, Deep Convolutional Neural Network Design Patterns, 2016"


class Rule(NamedTuple):
    """check: finds problems; severity and fix: of those that name none; why: in a sentence or two; source:
    where the rule comes from (a Caffe source file, a paper, a vendor's document).

    error: Caffe stops, or what it computes is wrong; warning: the training is likely to suffer; note: advice.
    """

    check: Callable[[Subject], Iterator[Problem]]
    severity: str
    why: str
    fix: str
    source: str


def names(found: list[str], most: int = 4) -> str:
    """ "a, b, c and 3 more"."""
    unique = list(dict.fromkeys(found))
    rest = len(unique) - most
    return ", ".join(unique[:most]) + (f" and {rest} more" if rest > 0 else "")
