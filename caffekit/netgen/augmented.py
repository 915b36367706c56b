"""A net whose training images are changed at random while it trains."""

from __future__ import annotations

import json
from typing import Any

from caffekit.errors import UsageError
from caffekit.netgen.structure import phases

READERS = ("Data", "ImageData")
FED = {"module": "augmented_data", "layer": "AugmentedData"}
"""What real Caffe runs instead: a Python layer of caffekit/inside_caffe, fed through a pipe."""


def augment_net(net: Any, changes: dict[str, Any], seed: int, native: bool) -> list[str]:
    """Put AugmentedData in the place of each layer of `net` that reads images to train on; their names.

    `native`: for the embedded engine, which has that layer; else as a Python layer for real Caffe.
    UsageError where there is nothing to augment, or where the same layer reads what is tested on.
    """
    names = []
    for layer in net.layer:
        if layer.type not in READERS or "TRAIN" not in phases(layer):
            continue
        if "TEST" in phases(layer):
            raise UsageError(
                f"train.augment: layer '{layer.name}' reads for training and for testing",
                "give each its own layer with include { phase: TRAIN } or include { phase: TEST }",
            )
        told = {"name": layer.name, "seed": seed, "changes": changes}
        layer.python_param.param_str = json.dumps(told, sort_keys=True)
        if native:
            layer.type = "AugmentedData"
        else:
            layer.type = "Python"
            layer.python_param.module, layer.python_param.layer = FED["module"], FED["layer"]
        names.append(layer.name)
    if not names:
        raise UsageError(
            "train.augment: no layer of the net reads images to train on", f"they are {', '.join(READERS)}"
        )
    return names
