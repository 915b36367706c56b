"""Raw pixels 0…255 enter the net: no mean, no scale."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence


def preprocessing(e: Evidence) -> Cause | None:
    """A data layer without mean and scale, in a training that broke early."""
    if not e.bad or e.at_once or len(e.healthy) > 3:
        return None
    for layer in e.layers("Data", "ImageData"):
        given = layer.transform_param
        if not (given.mean_value or given.mean_file or given.HasField("scale")):
            evidence = [f"layer {layer.name} has neither mean nor scale: pixels of 0…255 enter the net"]
            do = f"give {layer.name} a transform_param with the mean and the scale of the training set"
            return Cause("preprocessing", 0.4, evidence, {"do": do}, layer=layer.name)
    return None
