"""Lint rules about the text of a net or solver."""

from __future__ import annotations

from collections.abc import Iterator

from caffekit.netgen.rules.rule import CAFFE, Rule
from caffekit.netgen.subject import Problem, Subject


def unknown_field(subject: Subject) -> Iterator[Problem]:
    """Fields and values that BVLC's caffe.proto does not have."""
    for key, found in (("", subject.unknown), ("?", subject.solver_unknown)):
        for one in found:
            ours = "the embedded engine, or " if one.kept else ""
            fix = f"train with {ours}that fork, or leave it out" if one.forks else ""
            severity = "note" if one.kept else ""
            text = one.message + (f"; a field of {' and '.join(one.forks)}" if one.forks else "")
            yield Problem(text, fix, one.layer, key, severity, line=one.line)


def old_form(subject: Subject) -> Iterator[Problem]:
    """Nets of 2013 and 2014, which Caffe upgrades each time it reads them."""
    if subject.old_form:
        yield Problem(f"written in the old form {subject.old_form}")


RULES = {
    "old-form": Rule(
        old_form, "note",
        "Caffe upgrades such a net each time it reads it; other tools may not.",
        "caffekit upgrade IN -o OUT", f"{CAFFE} upgrade_proto.cpp"),
    "unknown-field": Rule(
        unknown_field, "error",
        "BVLC's Caffe does not read a file with a field that caffe.proto does not have.",
        "correct the name, or leave the field out", f"{CAFFE} caffe.proto"),
}  # fmt: skip
