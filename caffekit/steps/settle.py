"""Move groups between the sides of a split until no move brings the classes nearer to their shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caffekit.steps.pieces import Pieces
from caffekit.steps.quota import Flags, Ints

ROUNDS = 50
VAIN = 1000  # moves that others have made needless, one after the other: then all are weighed anew
SWAP_WORK = 4e8  # multiplications of one round of swaps; above it there are enough pieces to move


class Sides:
    """Pieces at their sides: `off` is how many images of a class a side has above what it wants.

    What is made small is the sum of the squares of `off`: many off by one are better than one off by many.
    """

    def __init__(self, pieces: Pieces, at: Ints, wanted: Ints, must: Flags) -> None:
        self.pieces, self.at, self.must = pieces, at, must
        self.weights = np.ones(wanted.shape[1], np.int64)
        self.weights[-1] = 0  # the sides' sizes count only when the classes are settled
        owners = pieces.owners
        self.off = -wanted.astype(np.int64)
        np.add.at(self.off, (at[owners], pieces.classes), pieces.counts)
        self.held = np.zeros_like(self.off)  # pieces that hold some of the class
        np.add.at(self.held, (at[owners], pieces.classes), 1)

    def may_leave(self, piece: int) -> bool:
        """Whether the piece's side can do without it."""
        classes, _ = self.pieces.entries(piece)
        side = self.at[piece]
        return not bool((self.must[side, classes] & (self.held[side, classes] == 1)).any())

    def gain(self, piece: int, side: int) -> int:
        """By how much a move to `side` changes the sum of squares, halved; below 0 is better."""
        classes, counts = self.pieces.entries(piece)
        change = counts * (counts + self.off[side, classes] - self.off[self.at[piece], classes])
        return int((change * self.weights[classes]).sum())

    def leaves(self, here: Ints, there: Ints, counts: Ints, classes: Ints) -> Flags:
        """Whether a class that is off by at most one on a side would be off by more."""
        left: Flags = (np.abs(here) <= 1) & (np.abs(here - counts) > 1)
        left |= (np.abs(there) <= 1) & (np.abs(there + counts) > 1)
        left &= (classes < len(self.weights) - 1) & bool(self.weights[-1])
        return left

    def move(self, piece: int, side: int) -> None:
        """Put the piece on another side."""
        classes, counts = self.pieces.entries(piece)
        before = self.at[piece]
        self.off[before, classes] -= counts
        self.off[side, classes] += counts
        self.held[before, classes] -= 1
        self.held[side, classes] += 1
        self.at[piece] = side


def settle(
    pieces: Pieces, at: Ints, wanted: Ints, must: Flags, random: np.random.Generator
) -> tuple[int, int]:
    """Change `at`, the side of each piece, until `must` (side, class) holds and nothing can be bettered.

    First the classes; then the sides' sizes, by moves that take no class from within one image of its share.
    How many of `must` cannot be held, and the classes' sum of squares that is left: the smaller the better.
    """
    sides = Sides(pieces, at, wanted, must)
    _complete(sides)
    wide = wanted.shape[1] * float(len(at)) ** 2
    for _ in range(ROUNDS):
        moved = _move_all(sides)
        if wide <= SWAP_WORK:
            moved += _swap_all(sides, random)
        if not moved:
            break
    sides.weights[-1] = 1
    for _ in range(ROUNDS):
        if not _move_all(sides):
            break
    return int((must & (sides.held == 0)).sum()), int((sides.off[:, :-1] ** 2).sum())


def _complete(sides: Sides) -> None:
    """Bring a class to every side that must have it, with the piece that costs least."""
    owners = sides.pieces.owners
    for side, c in np.argwhere(sides.must & (sides.held == 0)):
        holders = owners[sides.pieces.classes == c]
        free = [int(piece) for piece in holders if sides.may_leave(piece)]
        if free:
            sides.move(min(free, key=lambda piece: (sides.gain(piece, side), piece)), side)


def _move_all(sides: Sides) -> int:
    """Move every piece that is better off elsewhere, the best moves first; how many were moved."""
    pieces, moved, vain = sides.pieces, 0, 0
    owners = pieces.owners
    here = sides.off[sides.at[owners], pieces.classes]
    weights = sides.weights[pieces.classes] * pieces.counts
    gains = np.empty((len(sides.off), len(sides.at)), np.int64)
    for side, row in enumerate(sides.off):
        there = row[pieces.classes]
        gains[side] = np.add.reduceat(weights * (pieces.counts + there - here), pieces.starts[:-1])
        leaves = sides.leaves(here, there, pieces.counts, pieces.classes)
        gains[side, owners[leaves]] = 0
    gains[sides.at, np.arange(len(sides.at))] = 0
    best = gains.min(0)
    better = np.flatnonzero(best < 0)
    for piece in better[np.argsort(best[better], kind="stable")].tolist():
        others = [side for side in range(len(gains)) if side != sides.at[piece]]
        gain, side = min((sides.gain(piece, side), side) for side in others)
        classes, counts = pieces.entries(piece)
        before, after = sides.off[sides.at[piece], classes], sides.off[side, classes]
        if gain < 0 and sides.may_leave(piece) and not sides.leaves(before, after, counts, classes).any():
            sides.move(piece, side)
            moved, vain = moved + 1, 0
        elif (vain := vain + 1) == VAIN:
            break
    return moved


def _swap_all(sides: Sides, random: np.random.Generator) -> int:
    """Let pieces change places where that is better for both sides together; how many did."""
    pieces, moved = sides.pieces, 0
    table: NDArray[np.float64] = np.zeros((len(sides.at), sides.off.shape[1]))
    table[pieces.owners, pieces.classes] = pieces.counts * sides.weights[pieces.classes]
    squares = (table**2).sum(1)
    for piece in random.permutation(len(sides.at)).tolist():
        here = sides.at[piece]
        apart = sides.off[here] - sides.off[sides.at]  # (piece, class)
        gains = ((table - table[piece]) * apart).sum(1) + squares + squares[piece] - 2 * table @ table[piece]
        gains[sides.at == here] = 0
        other = int(gains.argmin())
        if gains[other] < -0.5 and _may_swap(sides, piece, other):
            there = sides.at[other]
            sides.move(piece, there)
            sides.move(other, here)
            moved += 1
    return moved


def _may_swap(sides: Sides, piece: int, other: int) -> bool:
    """Whether both sides keep the classes that they must have."""
    here, there = sides.at[piece], sides.at[other]
    sides.move(piece, there)
    sides.move(other, here)
    rows = [here, there]
    fine = not (sides.must[rows] & (sides.held[rows] == 0)).any()
    sides.move(piece, here)
    sides.move(other, there)
    return fine
