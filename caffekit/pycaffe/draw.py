"""Pictures of nets, through pydot (or pydotplus) and Graphviz, which caffekit does not depend on."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from caffekit.formats.caffe_pb2 import PoolingParameter

LAYER_STYLE_DEFAULT = {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}
NEURON_LAYER_STYLE = {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}
BLOB_STYLE = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}
COLORS = {
    "Convolution": "#FF5050",
    "Deconvolution": "#FF5050",
    "InnerProduct": "#CC33FF",
    "Pooling": "#FF9900",
}
LEARNING = ("Convolution", "Deconvolution", "InnerProduct")
NO_LABEL = '""'


def get_pooling_types_dict() -> dict[int, str]:
    """The names of PoolMethod's numbers."""
    return {value.number: value.name for value in PoolingParameter.PoolMethod.DESCRIPTOR.values}


def get_edge_label(layer: Any) -> str:
    """What stands at the arrow to a top: the number of outputs, or the batch of a Data layer."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    if layer.type in LEARNING:
        return str(layer.convolution_param.num_output)
    return NO_LABEL


def get_layer_lr_mult(layer: Any) -> tuple[float, float]:
    """The lr_mult of weights and bias; ValueError for a layer that has neither, or more than two."""
    if layer.type not in LEARNING:
        raise ValueError(f"{layer.type} layers do not have a learning rate multiplier")
    if len(layer.param) > 2:
        raise ValueError(
            f"layer '{layer.name}': Could not parse the learning rate multiplier of {len(layer.param)} params"
        )
    weight, bias = ([spec.lr_mult for spec in layer.param] + [1.0, 1.0])[:2]
    return weight, bias


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """Name, type and geometry of a layer: on one line where the graph is vertical, else on several."""
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    kind = layer.type
    if kind == "Pooling":
        kind += f" {get_pooling_types_dict()[layer.pooling_param.pool]}"
    parts = [layer.name, f"({kind})"]
    if layer.type in ("Convolution", "Deconvolution", "Pooling"):
        kernel, stride, pad = _geometry(layer)
        parts += [f"kernel size: {kernel}", f"stride: {stride}", f"pad: {pad}"]
    if display_lrm and layer.type in LEARNING:
        weight, bias = get_layer_lr_mult(layer)
        if weight or bias:
            parts.append(f"lr mult: {weight:.1f}, {bias:.1f}")
    return f'"{separator.join(parts)}"'  # quoted, because of the colons


def _geometry(layer: Any) -> tuple[int, int, int]:
    if layer.type == "Pooling":
        pooling = layer.pooling_param
        return pooling.kernel_size, pooling.stride, pooling.pad
    conv = layer.convolution_param
    kernel, stride, pad = (
        (list(values) + [default])[0]
        for values, default in ((conv.kernel_size, 1), (conv.stride, 1), (conv.pad, 0))
    )
    return kernel, stride, pad


def choose_color_by_layertype(layertype: str) -> str:
    """The colour of a layer's box."""
    return COLORS.get(layertype, LAYER_STYLE_DEFAULT["fillcolor"])


def get_pydot_graph(
    caffe_net: Any,
    rankdir: str,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
) -> Any:
    """The graph of a NetParameter, laid out LR, TB or BT; with `phase`, of that phase's layers only.

    ImportError without pydot; ValueError for a layer with both include and exclude rules.
    """
    pydot = _pydot()
    graph = pydot.Dot(caffe_net.name or "Net", graph_type="digraph", rankdir=rankdir)
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str, str]] = []
    for layer in caffe_net.layer:
        if phase is not None and not _in_phase(layer, phase):
            continue
        node = f"{layer.name}_{layer.type}"
        in_place = len(layer.bottom) == len(layer.top) == 1 and layer.bottom[0] == layer.top[0]
        color = choose_color_by_layertype(layer.type)
        style = NEURON_LAYER_STYLE if in_place else {**LAYER_STYLE_DEFAULT, "fillcolor": color}
        nodes[node] = pydot.Node(get_layer_label(layer, rankdir, display_lrm), **style)
        for blob in layer.bottom:
            nodes[f"{blob}_blob"] = pydot.Node(blob, **BLOB_STYLE)
            edges.append((f"{blob}_blob", node, NO_LABEL))
        for blob in layer.top:
            nodes[f"{blob}_blob"] = pydot.Node(blob)
            edges.append((node, f"{blob}_blob", get_edge_label(layer) if label_edges else NO_LABEL))
    for each in nodes.values():
        graph.add_node(each)
    for source, target, label in edges:
        graph.add_edge(pydot.Edge(nodes[source], nodes[target], label=label))
    return graph


def _in_phase(layer: Any, phase: int) -> bool:
    if layer.include and layer.exclude:
        raise ValueError(f"layer {layer.name} has both include and exclude specified.")
    if layer.include:
        return any(rule.phase == phase for rule in layer.include)
    return all(rule.phase != phase for rule in layer.exclude)


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """The picture of a NetParameter as the bytes of a file of type `ext`."""
    graph = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
    picture: bytes = graph.create(format=ext)
    return picture


def draw_net_to_file(
    caffe_net: Any, filename: str, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> None:
    """Write the picture of a NetParameter; the suffix says its type (.raw: Graphviz's own language)."""
    ext = filename[filename.rfind(".") + 1 :]
    Path(filename).write_bytes(draw_net(caffe_net, rankdir, ext, phase, display_lrm))


def _pydot() -> Any:
    for name in ("pydotplus", "pydot"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError("drawing nets needs pydot and Graphviz: pip install pydot, and install graphviz")
