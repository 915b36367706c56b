"""A parsed net without torch: phases, splits, shapes, parameters."""

from caffekit.graph.parameters import count_macs, count_parameters, known_costs, layer_costs
from caffekit.graph.phases import filter_net
from caffekit.graph.pooling import empty_window
from caffekit.graph.shapes import SHAPE_RULES, infer_shapes, layer_shapes, walk_shapes
from caffekit.graph.splits import insert_splits

__all__ = [
    "SHAPE_RULES",
    "count_macs",
    "count_parameters",
    "empty_window",
    "filter_net",
    "infer_shapes",
    "insert_splits",
    "known_costs",
    "layer_costs",
    "layer_shapes",
    "walk_shapes",
]
