"""The lint rules, one theme a file."""

from caffekit.netgen.rules import (
    capacity,
    classes,
    data,
    deploy,
    fillers,
    geometry,
    losses,
    pooling,
    solver,
    targets,
    text,
    units,
    wiring,
)
from caffekit.netgen.rules.rule import Rule

THEMES = {
    "The text": text.RULES,
    "How layers are wired": wiring.RULES,
    "Kernels, padding and sizes": geometry.RULES,
    "Pooling": pooling.RULES,
    "Activations, normalisation, dropout": units.RULES,
    "How weights start": fillers.RULES,
    "Losses": losses.RULES,
    "Classes and labels": classes.RULES,
    "The net's size against its data": capacity.RULES,
    "Data layers": data.RULES,
    "The solver": solver.RULES,
    "The deployed net": deploy.RULES,
    "Targets": targets.RULES,
}
RULES: dict[str, Rule] = {name: rule for rules in THEMES.values() for name, rule in sorted(rules.items())}

__all__ = ["RULES", "THEMES", "Rule"]
