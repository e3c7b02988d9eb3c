"""What is said to make a GPU slow: facts in which it differs from its kind, and nothing of a healthy one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.schema.gpu_identity import EccErrors, GpuReadings, PcieLink, RemappedRows
from reports.fleet.fleet_found import found_in
from reports.fleet.fleet_records import read_fleet
from tests.planted.planted_fleet import Place, PlantedFleet, folders, uuid, write

FULL = PcieLink(generation=5, width=16, max_generation=5, max_width=16)
CLEAN = EccErrors(
    corrected_volatile=0, uncorrected_volatile=0, corrected_aggregate=4, uncorrected_aggregate=0
)
CORRECTED = EccErrors(
    corrected_volatile=7, uncorrected_volatile=0, corrected_aggregate=7, uncorrected_aggregate=0
)
FLEET = PlantedFleet(
    nodes=3,
    gpus=4,
    tests=2,
    lower_clock={(1, 0): 0.05, (1, 1): 0.01},
    thermal={(1, 2): 0.3},
    settings={
        (2, 0): {"power_limit_watts": 500.0},
        (2, 1): {"vbios": "95.00"},
        (2, 2): {"ecc_mode": False},
    },
    readings={
        (3, 0): GpuReadings(index=0, temperature_celsius=84, pcie=FULL),
        (3, 1): GpuReadings(
            index=1, pcie=PcieLink(generation=3, width=16, max_generation=5, max_width=16), ecc_errors=CLEAN
        ),
        (3, 2): GpuReadings(index=2, pcie=FULL, ecc_errors=CORRECTED),
        (3, 3): GpuReadings(
            index=3,
            pcie=FULL,
            remapped_rows=RemappedRows(correctable=1, uncorrectable=1, pending=False, failed=True),
        ),
    },
)


@pytest.fixture(scope="module")
def causes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """UUID -> what is said of the GPU."""
    directory: Path = write(tmp_path_factory.mktemp("causes"), FLEET)
    found = found_in([directory], read_fleet(folders(directory)), margin=0.03)
    return {unit.measured.unit.id: [cause.words for cause in unit.causes] for unit in found.units}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((1, 0), ["SM clock 5% lower"]),
        ((1, 1), []),
        ((1, 2), ["thermal slowdown in 30% of the time"]),
        ((1, 3), []),
        ((2, 0), ["power limit 500 W, others 700 W"]),
        ((2, 1), ["VBIOS 95.00, others 96.00"]),
        ((2, 2), ["ECC off, others on"]),
        ((3, 0), ["24 °C hotter"]),
        ((3, 1), ["PCIe generation 3, others 5"]),
        ((3, 2), ["7 corrected ECC errors"]),
        ((3, 3), ["2 remapped memory rows, one not replaced"]),
    ],
)
def test_a_gpu_is_said_to_differ_where_it_does_and_nowhere_else(
    causes: Mapping[str, list[str]], place: Place, words: list[str]
) -> None:
    assert causes[uuid(place)] == words


def test_what_is_set_on_a_gpu_makes_no_other_kind(causes: Mapping[str, list[str]]) -> None:
    """Else it would be compared with itself alone."""
    assert len(causes) == 12


def test_a_processor_whose_clocks_are_set_otherwise_is_of_the_same_kind(tmp_path: Path) -> None:
    usual = {"governor": "performance", "turbo": False}
    other = {"governor": "powersave", "turbo": True}
    fleet = PlantedFleet(nodes=4, gpus=0, tests=2, machines={1: usual, 2: other, 3: usual})
    folder = write(tmp_path / "fleet", fleet)
    found = found_in([folder], read_fleet(folders(folder)), margin=0.03)
    assert {unit.measured.unit.node: [cause.words for cause in unit.causes] for unit in found.units} == {
        "node1": [],
        "node2": ["CPU governor powersave, others performance", "CPU turbo on, others off"],
        "node3": [],
        "node4": [],  # its kernel does not say
    }
