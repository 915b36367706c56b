"""The weights that training started from are broken, or are another net's."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence


def weights(e: Evidence) -> Cause | None:
    """Non-finite values in a given file; or Caffe's refusal to copy a layer."""
    for path, blobs in e.bad_weights.items():
        if blobs:
            evidence = [f"{path}: not finite in {', '.join(blobs[:5])}" + (" …" if len(blobs) > 5 else "")]
            do = "start from another file; this one is beyond repair"
            return Cause("weights", 0.98, evidence, {"do": do})
    refused = [text for text in e.fatals if "Cannot copy param" in text or "length of history" in text]
    if refused:
        do = "rename the layer to learn it anew, or give the weights of the same net"
        return Cause("weights", 0.95, refused[:1], {"do": do})
    return None
