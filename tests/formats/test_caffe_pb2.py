"""caffe.proto is Caffe's, to the last field, and lives in a pool of its own."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from caffekit.formats import caffe_pb2
from caffekit.formats.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter, Phase, PoolingParameter
from caffekit.formats.proto import file_descriptor, forks

ROOT = Path(__file__).parent.parent.parent
DUMP = "import sys; import caffe.proto.caffe_pb2 as p; sys.stdout.buffer.write(p.DESCRIPTOR.serialized_pb)"


def facts(message: DescriptorProto) -> dict[str, Any]:
    """What the wire format and the defaults depend on."""
    found: dict[str, Any] = {enum.name: values(enum) for enum in message.enum_type}
    for field in message.field:
        found[field.name] = (
            field.number,
            field.type,
            field.label,
            field.type_name,
            default(field),
            field.options.packed if field.options.HasField("packed") else None,
            field.options.deprecated,
        )
    return found


def default(field: FieldDescriptorProto) -> Any:
    """Floats as the float32 that they stand for: .999 and 0.999000013 are one."""
    if not field.HasField("default_value"):
        return None
    return np.float32(field.default_value) if field.type == field.TYPE_FLOAT else field.default_value


def values(enum: EnumDescriptorProto) -> dict[str, int]:
    return {value.name: value.number for value in enum.value}


@pytest.mark.bvlc
def test_every_message_is_real_caffes(bvlc: Path) -> None:
    theirs = FileDescriptorProto.FromString(
        subprocess.run([bvlc, "-c", DUMP], capture_output=True, check=True).stdout
    )
    ours = FileDescriptorProto()
    file_descriptor().CopyToProto(ours)
    assert {m.name for m in ours.message_type} == {m.name for m in theirs.message_type}
    real = {message.name: message for message in theirs.message_type}
    for message in ours.message_type:
        assert facts(message) == facts(real[message.name]), message.name
    assert {e.name: values(e) for e in ours.enum_type} == {e.name: values(e) for e in theirs.enum_type}
    assert (ours.package, ours.syntax) == (theirs.package, theirs.syntax)


def test_the_compiled_descriptor_is_not_stale() -> None:
    run = compile_proto("--check")
    assert run.returncode == 0, run.stderr


def test_compile_proto_explains_itself() -> None:
    assert "--check" in compile_proto("--help").stdout
    assert compile_proto("--chek").returncode == 2


def compile_proto(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "compile-proto"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)


def test_messages_enums_and_values_are_attributes() -> None:
    assert (TRAIN, TEST) == (0, 1)
    assert Phase.Name(TEST) == "TEST"
    assert PoolingParameter.AVE == PoolingParameter.PoolMethod.Value("AVE") == 1
    assert LayerParameter().lrn_param.local_size == 5
    with pytest.raises(AttributeError, match="caffe.proto has no NetParametre"):
        caffe_pb2.NetParametre  # noqa: B018


def test_messages_can_be_copied_and_pickled() -> None:
    net = NetParameter(name="net", layer=[LayerParameter(name="a")])
    assert copy.deepcopy(net) == net
    assert pickle.loads(pickle.dumps(net)) == net


def test_another_caffe_pb2_may_live_beside_ours() -> None:
    """Real Caffe's module registers the same names in the default pool; ours must not be there."""
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")


def test_forks_lay_their_fields_over_bvlcs() -> None:
    base = file_descriptor().message_types_by_name["LayerParameter"]
    for fork in forks():
        file = file_descriptor(fork)
        layer = file.message_types_by_name["LayerParameter"]
        numbers = [field.number for field in layer.fields]
        assert len(numbers) == len(set(numbers)), fork
        assert layer.fields_by_name["convolution_param"].number == 106
        assert set(layer.fields_by_name) - set(base.fields_by_name), f"{fork} adds nothing to LayerParameter"
