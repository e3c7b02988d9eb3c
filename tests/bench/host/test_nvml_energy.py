"""The energy counter with a planted driver: what cannot be said is absent, with the reason, from then on."""

from __future__ import annotations

from typing import Any

import pytest

from bench import devices
from bench.contracts.energy_source import NoCounter
from bench.devices.cuda import Cuda
from bench.host.nvml_energy import WHOLE_BOARD, EnergyCounter
from bench.host.rapl import RaplCounter
from tests.planted.fake_nvml import FakeGpu, FakeNvml, no_driver

UUID = "11111111-aaaa"


def readings(*values: float | str) -> Any:
    """A reading for each call; a text is the driver's refusal."""
    given = iter(values)
    return lambda: next(given)


def counter(**planted: Any) -> EnergyCounter:
    return EnergyCounter(lambda: FakeNvml((FakeGpu(**planted),)), UUID)


def test_joules_are_the_counters_and_nothing_is_absent() -> None:
    energy = counter(energy=readings(1000.0, 1000.0, 1250.5))
    assert [energy.joules() for _ in range(3)] == [1000.0, 1000.0, 1250.5]
    assert energy.why_absent is None


def test_a_counter_that_begins_at_zero_is_one() -> None:
    assert counter(energy=0.0).joules() == 0.0


def test_what_has_no_counter_says_why_of_joules_and_of_power() -> None:
    energy = NoCounter("no counter here")
    energy.joules()
    energy.watts()
    assert (energy.why_absent, energy.why_no_power) == ("no counter here", "no counter here")


def test_without_a_driver_and_for_a_gpu_that_it_does_not_know_the_reason_is_the_drivers() -> None:
    assert EnergyCounter(no_driver, UUID).why_absent == "NVML Shared Library Not Found"
    stranger = EnergyCounter(FakeNvml, "22222222-bbbb")
    assert (stranger.joules(), stranger.why_absent) == (None, "Not Found")


def test_a_gpu_that_is_too_old_says_so_once_it_is_asked() -> None:
    energy = counter(energy="Not Supported")
    assert energy.joules() is None
    assert energy.why_absent == "Not Supported"


@pytest.mark.parametrize("instance", [False, True])
def test_under_mig_the_boards_energy_is_nobodys(instance: bool) -> None:
    board = FakeGpu(mig=True, energy=5.0)
    nvml = FakeNvml((), {f"MIG-{UUID}": board}) if instance else FakeNvml((board,))
    energy = EnergyCounter(lambda: nvml, UUID)
    assert (energy.joules(), energy.why_absent) == (None, WHOLE_BOARD)


def test_a_gpu_that_knows_no_mig_has_its_energy() -> None:
    assert counter(mig="Not Supported", energy=5.0).joules() == 5.0


def test_a_gpu_that_is_lost_stays_absent_though_it_comes_back() -> None:
    energy = counter(energy=readings(10.0, "GPU is lost", 30.0))
    assert [energy.joules() for _ in range(4)] == [10.0, None, None, None]
    assert energy.why_absent == "GPU is lost"


def test_a_counter_that_goes_back_is_absent_and_no_energy_is_negative() -> None:
    energy = counter(energy=readings(1000.0, 3.0, 2000.0))
    assert [energy.joules() for _ in range(3)] == [1000.0, None, None]
    assert energy.why_absent == "the energy counter went back: the driver was loaded again"


def test_the_power_of_an_instant_and_why_there_is_none() -> None:
    assert counter(power=412.5).watts() == 412.5
    silent = counter(power="Not Supported")
    assert silent.watts() is None
    assert (silent.why_no_power, silent.why_absent) == ("Not Supported", None)


def test_without_a_driver_there_is_no_power_either() -> None:
    energy = EnergyCounter(no_driver, UUID)
    assert (energy.watts(), energy.why_no_power) == (None, "NVML Shared Library Not Found")


def test_a_gpu_is_asked_through_nvml_and_a_processor_through_rapl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cuda, "uuid", lambda device: UUID)
    assert isinstance(devices.get("cuda").energy_source(), EnergyCounter)
    assert isinstance(devices.get("cpu").energy_source(), RaplCounter)
