"""The net starts badly: constant weights do not learn, far too large ones start far above chance."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence


def initialisation(e: Evidence) -> Cause | None:
    """Weight fillers left at Caffe's default, a constant 0, in a training that does not learn."""
    if e.verdict.kind != "plateau" or e.net is None:
        return None
    params = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}
    zero = []
    for layer in e.layers(*params):
        filler = getattr(layer, params[layer.type]).weight_filler
        if filler.type == "constant" and filler.value == 0:
            zero.append(layer.name)
    if not zero:
        return None
    evidence = [f"{', '.join(zero[:5])}: no weight_filler, so all weights start at 0"]
    do = 'give each of these layers weight_filler { type: "xavier" } (or "msra" before ReLU)'
    return Cause("initialisation", 0.7, evidence, {"do": do}, layer=zero[0])
