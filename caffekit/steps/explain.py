"""`explain`: what a lint rule, an exit code or a famous loss value means."""

from __future__ import annotations

import textwrap

from caffekit import errors
from caffekit.config.problems import near
from caffekit.errors import FINDINGS, CaffekitError, UsageError
from caffekit.netgen.rules import RULES
from caffekit.report import Report

WIDTH = 80
STUCK = (
    "87.3365 = -log(FLT_MIN), the largest value that SoftmaxWithLoss can have: the probability of the "
    "true class has underflowed to 0. It is finite, so a check for nan passes, but nothing is learned "
    "from there on. At once: labels outside 0 … num_output - 1, inputs that are far too large, or "
    "weights that start too large. Later: the learning rate is too high. A loss of several images or "
    "terms shows a share or a multiple of it."
)
NUMBERS = {
    "87.3365": STUCK,
    "83.3365": f"A slip in some notes for 87.3365. {STUCK}",
}
CODES = {
    "0": "Done, or nothing to do.",
    str(FINDINGS): "A checker found something: lint, check, diagnose-nan, doctor, db check, weights check.",
    "6": "The gate was not passed: the new model is worse, the old one stays.",
}


def explain(code: str) -> Report:
    """The long text about a rule of `lint`, an exit code, or 87.3365; UsageError naming near codes."""
    word = code.strip().lower()
    if word in RULES:
        return _rule(word)
    text = NUMBERS.get(word) or CODES.get(word) or _exit_code(word)
    if not text:
        hint = "docs/lint.md lists the rules; exit codes and 87.3365 are explained, too"
        raise UsageError(f"nothing is known of {code!r}{near(word, [*RULES, *NUMBERS])}", hint)
    return Report("explain", {"code": word, "text": text}, [word, *_wrapped(text)])


def _rule(name: str) -> Report:
    rule = RULES[name]
    summary = {
        "code": name,
        "severity": rule.severity,
        "why": rule.why,
        "fix": rule.fix,
        "source": rule.source,
    }
    lines = [f"{name} ({rule.severity} of lint)"]
    for what in ("why", "fix", "source"):
        lines += _wrapped(summary[what], f"{what + ':':<8}")
    return Report("explain", summary, lines)


def _exit_code(word: str) -> str:
    """What ends a command with the exit code `word`."""
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CaffekitError)
    ]
    return " ".join((kind.__doc__ or "").split("\n")[0] for kind in kinds if str(kind.exit_code) == word)


def _wrapped(text: str, label: str = "") -> list[str]:
    indent = " " * (2 + len(label))
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {label}", subsequent_indent=indent)
