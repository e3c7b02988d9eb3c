"""What a record says of its GPU: by planted drivers, with two GPUs of one name and with refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.host import gpu_facts
from bench.host.nvml import UnreadableError
from bench.schema.gpu_identity import MigInstance, Peer
from tests.planted.fake_nvml import FULL_LINK, NO_ERRORS, NO_ROWS, FakeGpu, FakeNvml, no_driver

ONE = FakeGpu()
TWIN = FakeGpu("GPU-22222222-bbbb", number=1, bus="0000:af:00.0", limit=350.0)
PAIR = FakeNvml((ONE, TWIN), nvlinks=4)


def test_two_gpus_of_one_name_are_told_apart() -> None:
    one, twin = (gpu_facts.identity(lambda: PAIR, uuid) for uuid in ("11111111-aaaa", "22222222-bbbb"))
    assert (one["uuid"], twin["uuid"]) == ("GPU-11111111-aaaa", "GPU-22222222-bbbb")
    assert (one["power_limit_watts"], twin["power_limit_watts"]) == (700.0, 350.0)


def test_who_the_gpu_is_and_how_it_is_set() -> None:
    assert gpu_facts.identity(lambda: PAIR, "11111111-aaaa") == {
        "uuid": "GPU-11111111-aaaa",
        "driver": "580.65.06",
        "vbios": "96.00.74.00.01",
        "power_limit_watts": 700.0,
        "application_sm_clock_mhz": 1980,
        "application_memory_clock_mhz": 2619,
        "max_sm_clock_mhz": 1980,
        "max_memory_clock_mhz": 2619,
        "ecc_mode": True,
        "mig_mode": False,
    }


def test_what_is_read_of_it(tmp_path: Path) -> None:
    (tmp_path / "0000:3b:00.0").mkdir()
    (tmp_path / "0000:3b:00.0" / "numa_node").write_text("1\n")
    seen = gpu_facts.readings(lambda: PAIR, "11111111-aaaa", tmp_path)
    assert (seen.index, seen.pci_bus_id, seen.numa_node) == (0, "0000:3b:00.0", 1)
    assert (seen.sm_clock_mhz, seen.memory_clock_mhz, seen.temperature_celsius) == (1980, 2619, 61)
    assert (seen.pending_ecc_mode, seen.ecc_errors, seen.remapped_rows) == (True, NO_ERRORS, NO_ROWS)
    assert (seen.pcie, seen.persistence_mode, seen.compute_mode) == (FULL_LINK, True, "default")
    assert seen.absent == {"driver_model": "Not Supported", "mig_instance": "Invalid Argument"}


def test_a_refusal_of_a_setting_or_a_reading_is_none_with_its_reason() -> None:
    no, forbidden = "Not Supported", "Insufficient Permissions"
    driver = FakeNvml((FakeGpu(application_clocks=no, errors=forbidden, ecc=no),))
    found = gpu_facts.identity(lambda: driver, "11111111-aaaa")
    assert {"application_sm_clock_mhz", "application_memory_clock_mhz", "ecc_mode"}.isdisjoint(found)
    absent = gpu_facts.readings(lambda: driver, "11111111-aaaa").absent
    assert absent["application_sm_clock_mhz"] == absent["ecc_mode"] == no
    assert absent["ecc_errors"] == forbidden


def test_without_a_driver_the_gpu_has_torchs_uuid_and_everything_else_a_reason() -> None:
    assert gpu_facts.identity(no_driver, "11111111-aaaa") == {"uuid": "GPU-11111111-aaaa"}
    seen = gpu_facts.readings(no_driver, "11111111-aaaa")
    assert set(seen.absent.values()) == {"NVML Shared Library Not Found"}
    assert {"power_limit_watts", "ecc_errors", "numa_node", "peers"} <= seen.absent.keys()


def test_an_instance_of_mig_is_known_by_its_own_uuid_and_set_as_its_board() -> None:
    driver = FakeNvml((TWIN,), instances={"MIG-33333333-cccc": TWIN})
    found = gpu_facts.identity(lambda: driver, "33333333-cccc")
    assert (found["uuid"], found["power_limit_watts"]) == ("MIG-33333333-cccc", 350.0)
    seen = gpu_facts.readings(lambda: driver, "33333333-cccc")
    assert seen.mig_instance == MigInstance(gpu_instance=7, compute_instance=0)
    assert seen.peers == (), "the board of an instance is no peer of it"


def test_the_ways_to_the_other_gpus() -> None:
    (peer,) = gpu_facts.readings(lambda: PAIR, "11111111-aaaa").peers
    assert peer == Peer(uuid="GPU-22222222-bbbb", path="one PCIe switch", nvlinks=4, peer_access=True)


def test_a_way_that_the_driver_does_not_know_has_its_reason() -> None:
    driver = FakeNvml((ONE, TWIN), path=UnreadableError("Not Supported"), nvlinks="Not Supported")
    (peer,) = gpu_facts.peers(driver, ONE.gpu_uuid)
    assert (peer.path, peer.nvlinks, peer.peer_access) == (None, None, True)
    assert peer.absent == {"path": "Not Supported", "nvlinks": "Not Supported"}


@pytest.mark.parametrize("content", [None, "-1\n", "many"])
def test_a_numa_node_that_linux_does_not_know_is_a_reason(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "0000:3b:00.0").mkdir()
    if content is not None:
        (tmp_path / "0000:3b:00.0" / "numa_node").write_text(content)
    with pytest.raises(UnreadableError):
        gpu_facts.numa_node("0000:3b:00.0", tmp_path)
