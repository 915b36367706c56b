"""The verdict on a whole log: the watcher's, and what only shows at the end (overfitting, plateau, crash)."""

from __future__ import annotations

import math
from statistics import median

from caffekit.diagnosis.observation import Observation, from_row, non_finite, saturated
from caffekit.diagnosis.watch import Verdict, Watcher
from caffekit.formats.log_reader import Log, Row

# A test loss this many times its minimum, while the training loss is below this share of it, is overfitting:
# the wider the gap, the sooner.
OVERFIT = ((1.4, 0.5), (1.3, 0.1))
DOUBLE = 2.0  # a rise that better accuracy does not excuse
# A plateau: never below this share of the first loss, and this flat, over so many displays and iterations.
PLATEAU = 0.9
FLAT = 0.05
PLATEAU_DISPLAYS = 4
PLATEAU_ITERATIONS = 500
# Nothing has been learned so late if accuracies are no higher.
BY_CHANCE = 0.01
# So many displays and tests tell how a run fared whose length is not known, fewer if they are from its midst.
ENOUGH = 4
IN_THE_MIDST = 2


def judge(log: Log) -> tuple[Verdict, Watcher]:
    """The verdict on the last run in `log`, and the watcher that has seen its displays."""
    train, test = last_run(log)
    watcher = Watcher()
    for row in train:
        if row.loss is not None or row.outputs:
            watcher.see(from_row(row))
    found = (
        watcher.verdict
        or _bad_tests(test)
        or _crashed(log, train)
        or _overfitting(train, test)
        or _plateau([row for row in train if row.loss is not None or row.outputs])
        or _ended(log, train, test)
    )
    return found, watcher


def last_run(log: Log) -> tuple[list[Row], list[Row]]:
    """Train and test rows of the last run: iterations that go back begin a new one."""
    start = 0
    for i, (before, row) in enumerate(zip(log.train, log.train[1:], strict=False), 1):
        if row.iter < before.iter:
            start = i
    train = log.train[start:]
    back = 0
    for i, (before, row) in enumerate(zip(log.test, log.test[1:], strict=False), 1):
        if row.iter < before.iter:
            back = i
    return train, log.test[back:] if start else log.test


def _bad_tests(test: list[Row]) -> Verdict | None:
    """Test losses that are nan, or at 87.3365 after iteration 0 (an untrained BatchNorm net may start so)."""
    for row in test:
        seen = from_row(row)
        names = non_finite(seen)
        if names:
            reason = f"test at iteration {row.iter}: {', '.join(names)} is nan or inf"
            return Verdict("diverged", row.iter, "non-finite", [reason], names)
        full = [name for name, share in saturated(seen).items() if share == 1]
        if full and row.iter > 0:
            reason = f"test at iteration {row.iter}: {', '.join(full)} = 87.3365"
            return Verdict("stuck", row.iter, "saturated", [reason], full)
    return None


def _crashed(log: Log, train: list[Row]) -> Verdict | None:
    """The process died by itself (a SIGTERM or SIGINT is somebody's wish)."""
    if log.ended == "done" or not log.fatals:
        return None
    if all(text in ("*** Aborted at", "*** SIGTERM", "*** SIGINT") for text in log.fatals):
        return None
    return Verdict("crashed", train[-1].iter if train else 0, "crash", list(dict.fromkeys(log.fatals))[:3])


def _overfitting(train: list[Row], test: list[Row]) -> Verdict | None:
    """The test loss has risen well above its minimum while the training loss went on falling."""
    shown = [from_row(row) for row in train if row.loss is not None]
    if not shown:
        return None
    fitted = median(each.value for each in shown[-max(1, len(shown) // 4) :])
    for net in dict.fromkeys(row.net for row in test):
        series = [each for each in (from_row(row) for row in test if row.net == net) if each.losses]
        least = min(series, key=_sum, default=None)
        # (A test of a net that is not trained yet is not better than the training loss; some logs say so.)
        if len(series) < 3 or least is None or _sum(least) < 0.5 * shown[0].value and least.iter == 0:
            continue
        low, end = _sum(least), median(_sum(each) for each in series[-3:])
        if end < DOUBLE * low and _more_accurate([row for row in test if row.net == net], least.iter):
            continue  # surer of its mistakes, yet it makes fewer
        if low > 0 and any(end > times * low and fitted < share * end for times, share in OVERFIT):
            reason = f"test loss {low:g} at iteration {least.iter}, {end:g} at the end; training: {fitted:g}"
            last = series[-1].losses
            grown = max(last, key=lambda name: last[name] / (least.losses.get(name) or 1))  # noqa: B023
            return Verdict("overfitting", least.iter, "overfitting", [reason], [grown])
    return None


def _more_accurate(test: list[Row], since: int) -> bool:
    """Whether more test images are right at the end than at iteration `since`."""
    shown = [(row.iter, accuracies(row)[-1]) for row in test if accuracies(row)]
    then = [value for iteration, value in shown if iteration == since]
    return bool(then) and median(value for _, value in shown[-3:]) > then[-1]


def _sum(seen: Observation) -> float:
    return sum(value * seen.weights.get(name, 1) for name, value in seen.losses.items())


def _plateau(train: list[Row]) -> Verdict | None:
    """The loss has never come down: it is where it started, or accuracies are those of chance."""
    seen = [row for row in train if not math.isnan(from_row(row).value)]
    by_chance = _by_chance(seen)
    if len(seen) < PLATEAU_DISPLAYS - by_chance or seen[-1].iter < PLATEAU_ITERATIONS:
        return None
    values = [from_row(row).value for row in seen]
    late = values[len(values) // 2 :]
    level = median(late)
    spread = sum(abs(value - level) for value in late) / len(late)
    if level < PLATEAU * values[0] or spread > FLAT * abs(level) or level <= 0:
        return None
    if seen[0].iter >= PLATEAU_ITERATIONS and not by_chance:
        return None  # flat in the midst of a run: it may be as low as it gets
    reason = f"the loss stays at {level:g}; it started at {values[0]:g}"
    return Verdict("plateau", seen[0].iter, "plateau", [reason])


def _by_chance(rows: list[Row]) -> bool:
    """Whether accuracies are shown, and none is above what guessing among many classes gives."""
    found = [value for row in rows for value in accuracies(row)]
    return bool(found) and max(found) <= BY_CHANCE


def accuracies(row: Row) -> list[float]:
    """What a row shows of accuracies: outputs of such a name that are no losses."""
    return [value for key, value in row.outputs.items() if key not in row.weights and "acc" in key[1].lower()]


def _ended(log: Log, train: list[Row], test: list[Row]) -> Verdict:
    """Nothing is wrong with what is seen; is it the whole, or an excerpt that says enough?"""
    last = train[-1].iter if train else 0
    if log.ended == "done" and len(train) > 1:
        return Verdict("healthy", last)
    if log.ended == "stopped":
        return Verdict("incomplete", last, "stopped", ["training was asked to stop"])
    shown = [row for row in train if row.loss is not None] + test
    enough = ENOUGH if log.runs or (shown and shown[0].iter == 0) else IN_THE_MIDST
    if log.ended is None and not log.solver_text and len(shown) >= enough:
        return Verdict("healthy", last)
    return Verdict("incomplete", last, "no end", ["the log ends without Caffe's last words"])
