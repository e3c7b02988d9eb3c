"""What must be equal for two units to give the same bits, and what may differ between them."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Environment
from bench.schema.step_digest import StepDigest
from reports.summary.digests import Digested, digested
from tests.planted.planted_records import GPU, MACHINE

DIGEST = StepDigest(loss="a", gradients="b", weights="c")
LENET = Case(model="lenet5", device="cuda", image=28, channels=1, classes=10)
NODE = structs.replace(MACHINE, gpu=structs.replace(GPU, uuid="GPU-1"), node="node1", machine_id="1")


def of(environment: Environment, case: Case = LENET) -> Digested:
    found = digested(case, msgspec.json.encode(environment), None, DIGEST)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "other",
    [
        structs.replace(NODE, host="b", node="node2", machine_id="2", commit="other", os="Linux-6.2"),
        structs.replace(NODE, memory_bytes=1, cores_usable=1, cores_physical=1, gpus_at_once=8),
        structs.replace(
            NODE, gpu=structs.replace(GPU, uuid="GPU-2", power_limit_watts=300.0, ecc_mode=False)
        ),
        structs.replace(NODE, variables={"CUDA_VISIBLE_DEVICES": "3"}),
    ],
    ids=["names", "size", "settings", "which GPU"],
)
def test_of_one_kind(other: Environment) -> None:
    assert of(other).kind == of(NODE).kind


@pytest.mark.parametrize(
    "other",
    [
        structs.replace(NODE, libraries={"torch": "2.12.0"}),
        structs.replace(NODE, cpu="Another CPU"),
        structs.replace(NODE, variables={"NVIDIA_TF32_OVERRIDE": "1"}),
        structs.replace(NODE, gpu=structs.replace(GPU, uuid="GPU-1", driver="560.2")),
        structs.replace(NODE, gpu=structs.replace(GPU, uuid="GPU-1", name="Another GPU")),
        structs.replace(NODE, gpu=structs.replace(GPU, uuid="GPU-1", cudnn="9.9")),
    ],
    ids=["torch", "CPU", "variable", "driver", "GPU", "cuDNN"],
)
def test_of_another_kind(other: Environment) -> None:
    assert of(other).kind != of(NODE).kind


def test_on_a_cpu_the_gpu_beside_it_decides_nothing() -> None:
    on_cpu = structs.replace(LENET, device="cpu")
    other = structs.replace(NODE, gpu=None)
    assert of(other, on_cpu) == of(NODE, on_cpu)
    assert of(other, on_cpu).unit.id == "node1/1"


def test_cases_that_share_a_step_are_one_and_a_record_without_a_machine_is_none() -> None:
    compiled = structs.replace(LENET, workload="training", engine="compile", replicate=4)
    assert of(NODE, compiled) == of(NODE)
    assert digested(LENET, b"null", None, DIGEST) is None
