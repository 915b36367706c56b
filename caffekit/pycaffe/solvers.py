"""The solver types by pycaffe's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffekit.formats.prototxt import read_solver
from caffekit.pycaffe.solver import Solver


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum."""

    type = "SGD"


class NesterovSolver(Solver):
    """Nesterov's accelerated gradient."""

    type = "Nesterov"


class AdaGradSolver(Solver):
    """Adaptive gradient (Duchi et al. 2011)."""

    type = "AdaGrad"


class RMSPropSolver(Solver):
    """RMSProp (Tieleman and Hinton 2012)."""

    type = "RMSProp"


class AdaDeltaSolver(Solver):
    """AdaDelta (Zeiler 2012)."""

    type = "AdaDelta"


class AdamSolver(Solver):
    """Adam (Kingma and Ba 2015)."""

    type = "Adam"


SOLVERS: dict[str, type[Solver]] = {
    solver.type: solver
    for solver in (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver)
}


def get_solver(solver_file: Any) -> Solver:
    """The solver that a solver.prototxt asks for by its `type`."""
    solver_type = read_solver(Path(solver_file)).type
    if solver_type not in SOLVERS:
        raise ValueError(f"Unknown solver type: {solver_type} (known types: {', '.join(sorted(SOLVERS))})")
    return SOLVERS[solver_type](solver_file)
