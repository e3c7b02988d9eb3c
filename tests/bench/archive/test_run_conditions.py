"""What may explain a step is told by name, of the machines of one kind and of no others."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench.archive.run_conditions import conditions_of
from bench.schema.gpu_identity import Gpu
from bench.schema.record import Environment
from tests.planted.planted_records import GPU, GPU_MACHINE, MACHINE

KNOWN = structs.replace(GPU, uuid="GPU-1", vbios="96.00", power_limit_watts=700.0, ecc_mode=True)


def on(gpu: Gpu | None, **fields: object) -> Environment:
    return structs.replace(MACHINE, gpu=gpu, **fields)


def test_of_a_gpu_all_that_its_record_says() -> None:
    environment = on(
        structs.replace(KNOWN, locked_clocks_mhz=1410),
        libraries={"torch": "2.11.0", "convbench": "0.9"},
        variables={"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "0"},
        node="n7",
    )
    assert conditions_of([environment], "Test GPU") == {
        "driver": "550.1",
        "torch": "2.11.0",
        "clock setting": "SM locked at 1410 MHz",
        "VBIOS": "96.00",
        "power limit": "700 W",
        "ECC": "on",
        "CUDA": "12.8",
        "cuDNN": "9.1",
        "commit": "abc1234",
        "convbench": "0.9",
        "OMP_NUM_THREADS": "2",
        "GPUs measured at once": "1",
        "Python": "3.11.9",
        "system": "Linux-6.1",
        "CPU": "Test CPU",
        "usable cores": "2",
        "memory": "8 GiB",
        "GPU UUID": "GPU-1",
        "host": "n7",
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"locked_clocks_mhz": 1410, "application_sm_clock_mhz": 1980}, "SM locked at 1410 MHz"),
        (
            {"application_sm_clock_mhz": 1980, "application_memory_clock_mhz": 2619},
            "SM 1980 MHz, memory 2619 MHz",
        ),
        ({}, "not locked"),
        ({"uuid": None}, None),
    ],
)
def test_the_clock_setting_is_what_was_asked_for(settings: dict[str, object], said: str | None) -> None:
    gpu = structs.replace(KNOWN, **settings)
    assert conditions_of([on(gpu)], "Test GPU").get("clock setting") == said


def test_a_processor_has_none_of_the_gpu_beside_it() -> None:
    found = conditions_of([GPU_MACHINE, on(None, commit="def")], "Test CPU")
    assert found["commit"] == "def"
    assert "driver" not in found
    assert "driver" not in conditions_of([GPU_MACHINE], "Test CPU")


def test_another_kind_of_gpu_says_nothing() -> None:
    other = on(structs.replace(GPU, name="Other GPU", driver="999"), host="elsewhere")
    assert conditions_of([other, GPU_MACHINE], "Test GPU") == conditions_of([GPU_MACHINE], "Test GPU")
    assert conditions_of([other], "Test GPU") == {}


def test_several_machines_are_a_set_whatever_their_order() -> None:
    machines = [on(GPU, host=f"n{number}") for number in (2, 1)]
    found = conditions_of(machines, "Test GPU")
    assert (found["host"], found["driver"]) == ("n1 / n2", "550.1")
    assert conditions_of(reversed(machines), "Test GPU") == found


def test_of_many_machines_another_one_is_another_text() -> None:
    machines = [on(GPU, host=f"n{number:04}") for number in range(1000)]
    text = conditions_of(machines, "Test GPU")["host"]
    other = conditions_of([*machines[:-1], on(GPU, host="n1000")], "Test GPU")["host"]
    assert text.startswith("n0000 / n0001 and 998 more (")
    assert len(other) == len(text) < 50
    assert other != text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"governor": "performance", "turbo": False}, "governor performance, turbo off"),
        ({"turbo": True}, "turbo on"),
        ({}, None),
    ],
)
def test_of_a_processor_the_clock_setting_is_its_own(settings: dict[str, object], said: str | None) -> None:
    assert conditions_of([on(None, **settings)], "Test CPU").get("clock setting") == said
    beside_a_gpu = conditions_of([on(KNOWN, **settings)], "Test GPU")
    assert beside_a_gpu.get("CPU clock setting") == said
    assert beside_a_gpu["clock setting"] == "not locked"
