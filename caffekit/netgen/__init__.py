"""Settings and facts of the data → train_val.prototxt, deploy.prototxt, solver.prototxt; and lint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen.activations import ACTIVATIONS
from caffekit.netgen.by_layer import adjusted
from caffekit.netgen.catalogue import TEMPLATES
from caffekit.netgen.choices import check_options
from caffekit.netgen.finetune import Finetune, Row, finetuned, summary_lines
from caffekit.netgen.own import own_texts
from caffekit.netgen.solver import plan_solver, solver_text
from caffekit.netgen.subject import Subject
from caffekit.netgen.templates import Data, NetOptions, deploy_text, train_val_text

__all__ = ["ACTIVATIONS", "TEMPLATES", "Data", "Finetune", "Generated", "NetOptions", "generate"]

PLAIN = NetOptions()


class Generated(NamedTuple):
    """The three texts, a line for each choice that was made, and what layers begin with when fine-tuning."""

    train_val: str
    deploy: str
    solver: str
    notes: list[str]
    plan: list[Row] = []


def generate(
    net: str | Path,
    data: Data,
    options: NetOptions = PLAIN,
    solver: Mapping[str, Any] = MappingProxyType({}),
    *,
    net_path: str = "train_val.prototxt",
    snapshot_prefix: str = "snapshot",
    mode: str = "CPU",
    layers: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    finetune: Finetune | None = None,
) -> Generated:
    """The files for `data`; `net` is a template's name, or the path of a train_val.prototxt to fill in.

    `solver` has Caffe's own names plus epochs, batch_size and test_batch_size; what is missing or None
    is chosen. `net_path` and `snapshot_prefix` are written into the solver. `layers`: lr_mult, decay_mult
    and filler by patterns of layers' names. Errors: UsageError for unknown names, FormatError for a net
    that cannot be filled in or whose shapes do not fit.
    """
    plan = plan_solver(solver, data.train_images, data.test_images)
    if isinstance(net, Path):
        train_val, deploy, notes = own_texts(net, data, plan)
    else:
        notes = check_options(net, data, options)
        train_val = train_val_text(net, data, options, plan.batch_size, plan.test_batch_size)
        deploy = deploy_text(net, data, options)
    rows: list[Row] = []
    shape = (data.channels, data.height, data.width)
    if layers:
        train_val = adjusted(train_val, layers)
    if finetune:
        train_val, deploy, rows = finetuned(train_val, deploy, finetune, shape)
        notes += summary_lines(rows, finetune)
    text = solver_text(plan, net_path, snapshot_prefix, mode)
    made = Generated(train_val, deploy, text, notes + plan.notes, rows)
    _verify(made, str(net), shape)
    return made


def _verify(made: Generated, name: str, shape: tuple[int, int, int]) -> None:
    """What was written can be read, and its layers fit each other. FormatError naming the layer."""
    parse(made.solver, SolverParameter(), "solver.prototxt")
    for text in (made.train_val, made.deploy):
        subject = Subject(parse(text, NetParameter(), name), shapes={"TRAIN": shape, "TEST": shape})
        for phase, net in subject.phase_nets():
            for problem in subject.blob_shapes(phase, net)[1]:
                raise FormatError(f"{name}: layer {problem.layer}: {problem.message}", problem.fix)
