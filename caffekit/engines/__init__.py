"""Find and start an engine: caffekit's own, or real BVLC Caffe, both through the same worker."""

from caffekit.engines.device import choose_device, choose_devices
from caffekit.engines.engine import Engine, Outcome
from caffekit.engines.find import find_engine
from caffekit.engines.job import Job, batches_to_skip

__all__ = [
    "Engine",
    "Job",
    "Outcome",
    "batches_to_skip",
    "choose_device",
    "choose_devices",
    "find_engine",
]
