"""`weights check|show|diff`: what is inside a .caffemodel (.h5) or .solverstate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FINDINGS
from caffekit.formats.weights import blob_array, read_caffemodel, read_solverstate
from caffekit.formats.weights_h5 import is_hdf5, read_hdf5
from caffekit.report import Report

Array = NDArray[np.floating[Any]]
NAMED = 5


def check(paths: Sequence[Path]) -> Report:
    """Blobs with nan or infinity in any of `paths`; exit code 3 if there are."""
    findings = []
    lines = []
    for path in paths:
        bad = {name: int((~np.isfinite(array)).sum()) for name, array in blobs(path).items()}
        bad = {name: number for name, number in bad.items() if number}
        findings += [{"file": str(path), "blob": name, "non_finite": number} for name, number in bad.items()]
        few = ", ".join(f"{name} ({number})" for name, number in list(bad.items())[:NAMED])
        more = f" and {len(bad) - NAMED} more blobs" if len(bad) > NAMED else ""
        lines.append(f"{path}: " + (f"values that are not finite: {few}{more}" if bad else "all finite"))
    code = FINDINGS if findings else 0
    return Report("weights check", {"findings": findings}, lines, exit_code=code)


def show(path: Path) -> Report:
    """Shape, L2 norm, mean, standard deviation and extremes of each blob."""
    rows = [{"blob": name, **_facts(array)} for name, array in blobs(path).items()]
    lines = [f"{'blob':<30} {'shape':<16} {'L2 norm':>9} {'mean':>9} {'std':>9}"]
    for row in rows:
        shape = "x".join(str(size) for size in row["shape"]) or "1"
        numbers = " ".join(f"{row[key]:>9.3g}" for key in ("norm", "mean", "std"))
        lines.append(f"{row['blob'][-30:]:<30} {shape:<16} {numbers}")
    total = sum(row["count"] for row in rows)
    lines.append(f"{len(rows)} blobs, {total:,} values")
    return Report("weights show", {"file": str(path), "blobs": rows, "values": total}, lines)


def diff(first: Path, second: Path) -> Report:
    """How far the blobs of the two files are from each other; exit code 3 if any is."""
    ours, theirs = blobs(first), blobs(second)
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in ours or name not in theirs:
            rows.append({"blob": name, "only_in": str(first if name in ours else second)})
        elif ours[name].shape != theirs[name].shape:
            rows.append({"blob": name, "shapes": [list(ours[name].shape), list(theirs[name].shape)]})
        else:
            rows.append({"blob": name, **_distance(ours[name], theirs[name])})
    different = [row for row in rows if row.get("largest") != 0]
    lines = [_told(row) for row in different]
    lines.append(
        f"{len(different)} of {len(rows)} blobs differ" if different else f"all {len(rows)} blobs equal"
    )
    summary = {"files": [str(first), str(second)], "blobs": rows, "different": len(different)}
    return Report("weights diff", summary, lines, exit_code=FINDINGS if different else 0)


def blobs(path: Path) -> dict[str, Array]:
    """Every blob by name: LAYER/INDEX of weights, "history N" of a solver state."""
    if path.name.endswith((".solverstate", ".solverstate.h5")):
        return {f"history {i}": blob_array(blob) for i, blob in enumerate(read_solverstate(path).history)}
    if is_hdf5(path):
        found = {
            f"{name}/{i}": array for name, values in read_hdf5(path).items() for i, array in enumerate(values)
        }
        return {name: array for name, array in found.items() if array is not None}
    layers = read_caffemodel(path).layer
    return {f"{layer.name}/{i}": blob_array(blob) for layer in layers for i, blob in enumerate(layer.blobs)}


def _facts(array: Array) -> dict[str, Any]:
    values = array.astype(np.float64).ravel()
    if not values.size:
        return {"shape": list(array.shape), "count": 0, "norm": 0.0, "mean": 0.0, "std": 0.0}
    with np.errstate(invalid="ignore"):  # what is not finite shows in the numbers
        numbers = {
            "norm": np.linalg.norm(values),
            "mean": values.mean(),
            "std": values.std(),
            "min": values.min(),
            "max": values.max(),
        }
    return {"shape": list(array.shape), "count": values.size, **{k: float(v) for k, v in numbers.items()}}


def _distance(ours: Array, theirs: Array) -> dict[str, float]:
    a, b = ours.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return {"largest": 0.0, "relative": 0.0}
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0, a - b)
        norm = max(np.linalg.norm(a), np.linalg.norm(b))
        return {"largest": float(np.abs(gap).max()), "relative": float(np.linalg.norm(gap) / norm)}


def _told(row: dict[str, Any]) -> str:
    if "only_in" in row:
        return f"{row['blob']}: only in {row['only_in']}"
    if "shapes" in row:
        ours, theirs = ("x".join(str(size) for size in shape) or "1" for shape in row["shapes"])
        return f"{row['blob']}: {ours} against {theirs}"
    return f"{row['blob']}: {row['relative']:.3g} of its norm, largest difference {row['largest']:.3g}"
