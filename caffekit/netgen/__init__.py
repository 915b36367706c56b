"""Settings and facts of the data → train_val.prototxt, deploy.prototxt, solver.prototxt; and lint."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from caffekit.netgen.activations import ACTIVATIONS
from caffekit.netgen.solver import plan_solver, solver_text
from caffekit.netgen.templates import TEMPLATES, Data, NetOptions, deploy_text, train_val_text

__all__ = ["ACTIVATIONS", "TEMPLATES", "Data", "Generated", "NetOptions", "generate"]


PLAIN = NetOptions()


class Generated(NamedTuple):
    """The three texts, and a line for each choice that was made."""

    train_val: str
    deploy: str
    solver: str
    notes: list[str]


def generate(
    template: str,
    data: Data,
    options: NetOptions = PLAIN,
    solver: Mapping[str, Any] = MappingProxyType({}),
    *,
    net: str = "train_val.prototxt",
    snapshot_prefix: str = "snapshot",
    mode: str = "CPU",
) -> Generated:
    """The files of template `template` for `data`; `net` and `snapshot_prefix` as the solver shall name them.

    `solver` has Caffe's own names plus epochs, batch_size and test_batch_size; what is missing or None
    is chosen. UsageError: unknown names, images too small for the template.
    """
    plan = plan_solver(solver, data.train_images, data.test_images)
    train_val = train_val_text(template, data, options, plan.batch_size, plan.test_batch_size)
    deploy = deploy_text(template, data, options)
    return Generated(train_val, deploy, solver_text(plan, net, snapshot_prefix, mode), plan.notes)
