"""A GPU is its UUID; a processor is its machine; old records have host and name."""

from __future__ import annotations

import msgspec
from msgspec import structs

from bench.schema.gpu_identity import Gpu
from bench.schema.record import Environment
from bench.schema.units import UNKNOWN, Unit, unit_of
from tests.planted.planted_records import MACHINE

GPU = Gpu(name="H200", memory_bytes=1, capability="9.0", driver=None, cuda=None, cudnn=None)
UUID = "GPU-3f0c12ab-7b1c-4a55-9d20-1f3e5a7b9c0d"
ONE = structs.replace(MACHINE, host="pod-17", node="node3", machine_id="ab12")


def test_a_gpu_is_its_uuid_wherever_it_sits() -> None:
    here = structs.replace(ONE, gpu=structs.replace(GPU, uuid=UUID))
    there = structs.replace(here, host="pod-18", node="node4")
    assert unit_of(here, uses_gpu=True) == Unit(UUID, "node3")
    assert unit_of(there, uses_gpu=True).id == UUID
    assert unit_of(here, uses_gpu=True).name == "GPU-3f0c12ab"


def test_a_processor_is_the_machine_and_the_node() -> None:
    """Machines from one image may share an id, and nodes of two clusters a name."""
    others = [structs.replace(ONE, node="node4"), structs.replace(ONE, machine_id="cd34")]
    assert len({unit_of(each, uses_gpu=False).id for each in (ONE, *others)}) == 3
    assert unit_of(structs.replace(ONE, host="pod-18"), uses_gpu=False) == unit_of(ONE, uses_gpu=False)
    assert unit_of(structs.replace(ONE, gpu=GPU), uses_gpu=False) == unit_of(ONE, uses_gpu=False)
    assert unit_of(ONE, uses_gpu=False).name == "node3"


def test_records_without_either_are_host_and_name() -> None:
    old = structs.replace(MACHINE, host="left")
    assert unit_of(old, uses_gpu=False) == Unit(f"left/{MACHINE.cpu}", "left")
    assert unit_of(structs.replace(old, gpu=GPU), uses_gpu=True) == Unit("left/H200", "left")
    assert unit_of(structs.replace(old, host="right"), uses_gpu=False).id != unit_of(old, uses_gpu=False).id
    assert unit_of(None, uses_gpu=False) == UNKNOWN


def test_a_record_without_the_new_fields_is_written_as_before() -> None:
    assert not {"node", "machine_id"} & msgspec.to_builtins(MACHINE).keys()
    assert msgspec.json.decode(msgspec.json.encode(ONE), type=Environment) == ONE
