"""The nets of a solver: which ones its SolverParameter asks for, in which state, with which weights."""

from __future__ import annotations

from typing import Any

from caffekit.formats import caffe_log
from caffekit.formats.caffe_pb2 import TEST, TRAIN, NetState
from caffekit.pycaffe.log import log
from caffekit.pycaffe.net import Net
from caffekit.pycaffe.net_source import read_network

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


def train_net(param: Any) -> Net:
    """The train net, its weights loaded. ValueError unless exactly one is named."""
    given = [field for field in TRAIN_FIELDS if param.HasField(field)]
    names = ", ".join(TRAIN_FIELDS)
    if not given:
        raise ValueError(f"SolverParameter must specify a train net using one of these fields: {names}")
    if len(given) > 1:
        raise ValueError(
            "SolverParameter must not contain more than one of these fields specifying a train_net:"
            f" {names}; got {', '.join(given)}"
        )
    source = getattr(param, given[0])
    log(*caffe_log.creating_train_net(given[0], source))
    return _net(param, read_network(source), TRAIN, param.train_state)


def test_nets(param: Any) -> list[Net]:
    """The test nets: test_net_param, then test_net, then the generic net for each test_iter that remains.

    ValueError where test_iter, test_state or test_interval do not go with them.
    """
    sources = [("test_net_param", each) for each in param.test_net_param]
    sources += [("test_net", each) for each in param.test_net]
    generic = [(field, getattr(param, field)) for field in ("net_param", "net") if param.HasField(field)]
    count, wanted = len(param.test_iter), len(sources)
    if count < wanted or (count > wanted and not generic):
        raise ValueError(
            f"test_iter must be specified for each test network: {wanted} of them, {count} test_iter"
        )
    sources += generic * (count - wanted)
    if param.test_state and len(param.test_state) != count:
        raise ValueError(
            "test_state must be unspecified or specified once per test net:"
            f" {count} of them, {len(param.test_state)} test_state"
        )
    if count and param.test_interval <= 0:
        raise ValueError(
            f"test_interval must be above 0 where there is a test net, got {param.test_interval}"
        )
    states = list(param.test_state) or [NetState()] * count
    read = [read_network(source) for _, source in sources]
    nets = []
    for index, (field, source) in enumerate(sources):
        log(*caffe_log.creating_test_net(index, field, source))
        nets.append(_net(param, read[index], TEST, states[index]))
    return nets


def _net(param: Any, read: Any, phase: int, own_state: Any) -> Net:
    """A net in the phase's state, that of its file merged in and the solver's after it; stages add up."""
    net = type(read)()
    net.CopyFrom(read)
    state = NetState(phase=phase)
    for each in (net.state, own_state):
        state.MergeFromString(each.SerializeToString())  # a fork's message merges with no other
    net.state.Clear()
    net.state.MergeFromString(state.SerializeToString())
    built = Net(net)
    for names in param.weights:
        for name in names.split(","):
            log(*caffe_log.finetuning(name.strip()))
            built.copy_from(name.strip())
    return built
