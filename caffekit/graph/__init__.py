"""A parsed net without torch: phases, splits, shapes, parameters."""

from caffekit.graph.phases import filter_net
from caffekit.graph.splits import insert_splits

__all__ = ["filter_net", "insert_splits"]
