"""Fleets with known answers: the records of N nodes x G GPUs x tests x processes, with slow GPUs, causes and
gaps planted. A template record is encoded once and its numbers are replaced, so that 288,000 take seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from msgspec import structs

from bench.fleet import fleet_folder
from bench.fleet.job_files import JobFiles, KeptJob, Seen
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.fleet_plan import FleetPlan, Site
from bench.schema.gpu_identity import EccErrors, Gpu, GpuReadings, PcieLink, RemappedRows
from bench.schema.kept_plan import KeptPlan
from bench.schema.phases import WHOLE
from bench.schema.record import Environment, Measurement, Record
from bench.store import RECORDS
from tests.planted import planted_records

Place = tuple[int, int]
"""Node from 1, GPU from 0."""
CLOCK_MHZ = 1980.0
SAMPLES = np.exp(np.linspace(-0.03, 0.03, 21))
"""Of a process, relative to their median."""
_TIME, _CLOCK, _THERMAL, _OTHERS = 1111.5, 2222.5, 3333.5, 4444.5
"""Markers in the template: no other number of it is one of these."""


@dataclass(frozen=True, kw_only=True)
class PlantedFleet:
    """What is planted.

    gpus            of a node; 0 measures the nodes' processors
    over_units      standard deviation of the logs of units, and over_processes of processes of a unit
    slow            by how much the time of a unit is longer: 0.05 is 5%; it is exactly that off the center
    lower_clock     by which share a GPU's SM clock is lower
    thermal         the share of time in thermal slowdown
    readings        what is read of a GPU when its records end
    others          the share of CPU time that other programs take
    missing         nodes without records
    lacking         units that never ran the last test
    drivers         of nodes that have another one
    settings        fields of `Gpu` that a GPU has otherwise
    machines        fields of `Environment` that a node has otherwise
    """

    nodes: int = 8
    gpus: int = 8
    tests: int = 12
    processes: int = 3
    over_units: float = 0.005
    over_processes: float = 0.005
    slow: Mapping[Place, float] = field(default_factory=dict)
    lower_clock: Mapping[Place, float] = field(default_factory=dict)
    thermal: Mapping[Place, float] = field(default_factory=dict)
    readings: Mapping[Place, GpuReadings] = field(default_factory=dict)
    others: Mapping[Place, float] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()
    lacking: frozenset[Place] = frozenset()
    drivers: Mapping[int, str] = field(default_factory=dict)
    settings: Mapping[Place, Mapping[str, object]] = field(default_factory=dict)
    machines: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    seconds: float = 0.01
    seed: int = 1

    @property
    def places(self) -> list[Place]:
        """All units that have records."""
        gpus = range(max(self.gpus, 1))
        return [(node, gpu) for node in range(1, self.nodes + 1) if node not in self.missing for gpu in gpus]


WITH_CAUSES = PlantedFleet(
    slow={(5, 3): 0.06, (2, 1): 0.08},
    lower_clock={(5, 3): 0.09},
    thermal={(5, 3): 0.41},
    readings={
        (2, 1): GpuReadings(
            index=1,
            pcie=PcieLink(generation=5, width=8, max_generation=5, max_width=16),
            ecc_errors=EccErrors(
                corrected_volatile=3, uncorrected_volatile=2, corrected_aggregate=9, uncorrected_aggregate=2
            ),
            remapped_rows=RemappedRows(correctable=0, uncorrectable=1, pending=True, failed=False),
        )
    },
)
"""64 GPUs, two of them slow with reasons."""


def uuid(place: Place) -> str:
    node, gpu = place
    return f"GPU-{node:04x}{gpu:04x}-0000-4000-8000-{node:06d}{gpu:06d}"


def cases(fleet: PlantedFleet) -> list[Case]:
    device = "cuda" if fleet.gpus else "cpu"
    models = ("lenet5", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19")
    return [
        Case(
            model=models[at % 6],
            workload=("inference", "training")[at // 6 % 2],
            device=device,
            batch=8 * (1 + at // 12),
        )
        for at in range(fleet.tests)
    ]


def write(directory: Path, fleet: PlantedFleet) -> Path:
    """A folder of run folders, one for each unit: `nodes/node5/1/GPU-00050003`."""
    logs = log_times(fleet)
    tests = cases(fleet)
    templates = [_Template(fleet, test) for test in tests]
    numbered = [
        [
            msgspec.json.encode(structs.replace(test, replicate=number))
            for number in range(1, fleet.processes + 1)
        ]
        for test in tests
    ]
    for place, unit in zip(fleet.places, logs, strict=True):
        environment, readings = (
            msgspec.json.encode(each) for each in (_environment(fleet, place), _readings(fleet, place))
        )
        folder = directory / "nodes" / f"node{place[0]}" / "1"
        folder = folder / uuid(place)[:12] if fleet.gpus else folder
        folder.mkdir(parents=True)
        lines = []
        for at, (template, own) in enumerate(zip(templates, numbered, strict=True)):
            if place in fleet.lacking and at == fleet.tests - 1:
                continue
            facts = _facts(fleet, place)
            lines += [
                template.line(case, environment, readings, seconds, facts)
                for case, seconds in zip(own, np.exp(unit[at]).tolist(), strict=True)
            ]
        (folder / RECORDS).write_bytes(b"".join(lines))
    return directory


def log_times(fleet: PlantedFleet) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """units x tests x processes, in the order of `places`: logs of medians in s."""
    random = np.random.default_rng(fleet.seed)
    places = fleet.places
    shape = (len(places), fleet.tests, fleet.processes)
    units = random.normal(0, fleet.over_units, len(places))
    for at, place in enumerate(places):
        if place in fleet.slow:
            units[at] = np.log1p(fleet.slow[place])
    center = np.log(fleet.seconds * (1 + np.arange(fleet.tests)))
    found: np.ndarray[tuple[int, int, int], np.dtype[np.float64]] = (
        center[None, :, None] + units[:, None, None] + random.normal(0, fleet.over_processes, shape)
    )
    return found


def _facts(fleet: PlantedFleet, place: Place) -> tuple[bytes, bytes, bytes]:
    clock = CLOCK_MHZ * (1 - fleet.lower_clock.get(place, 0.0))
    values = (clock, fleet.thermal.get(place, 0.0), fleet.others.get(place, 0.0))
    first, second, third = (repr(value).encode() for value in values)
    return first, second, third


def _environment(fleet: PlantedFleet, place: Place) -> Environment:
    node, _ = place
    machine = structs.replace(
        planted_records.MACHINE, host=f"node{node}", node=f"node{node}", machine_id=f"{node:032x}"
    )
    machine = structs.replace(machine, **fleet.machines.get(node, {}))
    if not fleet.gpus:
        return machine
    gpu = Gpu(
        name="Test GPU",
        memory_bytes=80 * 2**30,
        capability="9.0",
        driver=fleet.drivers.get(node, "580.1"),
        cuda="12.8",
        cudnn="9.1",
        uuid=uuid(place),
        power_limit_watts=700.0,
        vbios="96.00",
        ecc_mode=True,
    )
    return structs.replace(machine, gpu=structs.replace(gpu, **fleet.settings.get(place, {})))


def _readings(fleet: PlantedFleet, place: Place) -> GpuReadings | None:
    if not fleet.gpus:
        return None
    pcie = PcieLink(generation=5, width=16, max_generation=5, max_width=16)
    return fleet.readings.get(place, GpuReadings(index=place[1], temperature_celsius=60, pcie=pcie))


def _template(fleet: PlantedFleet, test: Case) -> Record:
    """With markers in the place of numbers, and null for what differs between units."""
    phase, clock = WHOLE[test.workload], "device_time" if fleet.gpus else "wall_time"
    other = [0.0123456789 * value for value in SAMPLES.tolist()]
    facts = {"others_share": (_OTHERS, "1")}
    if fleet.gpus:
        facts |= {"sm_clock": (_CLOCK, "MHz"), "thermal_slowdown_share": (_THERMAL, "1")}
    return Record(
        case=test,
        protocol=MeasurementProtocol(),
        status="ok",
        measurements=[
            Measurement(phase=phase, metric=clock, unit="s", samples=[_TIME]),
            Measurement(phase=phase, metric="host_time", unit="s", samples=other),
            *(
                Measurement(phase="window", metric=name, unit=unit, samples=[value], windows=[clock])
                for name, (value, unit) in facts.items()
            ),
            *(planted_records.fact("model", name, 1e8) for name in ("weights", "gradients")),
            planted_records.fact(phase, "flops", 1e10, "FLOP"),
        ],
        effective=planted_records.READ_BACK[test.device],
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:00:09Z",
        seconds=9.0,
    )


class _Template:
    """Lines of records of one test that differ in their process, unit, time and facts."""

    def __init__(self, fleet: PlantedFleet, test: Case) -> None:
        text = msgspec.json.encode(_template(fleet, test)) + b"\n"
        for marker, name in (
            (msgspec.json.encode(test), "case"),
            (b"[1111.5]", "times"),
            (b"2222.5", "clock"),
            (b"3333.5", "thermal"),
            (b"4444.5", "others"),
        ):
            text = text.replace(marker, b"\0" + name.encode() + b"\0")
        for name in ("environment", "gpu_readings"):
            key = b'"' + name.encode() + b'":'
            text = text.replace(key + b"null", key + b"\0" + name.encode() + b"\0")
        self._parts = text.split(b"\0")

    def line(
        self,
        case: bytes,
        environment: bytes,
        readings: bytes,
        seconds: float,
        facts: tuple[bytes, bytes, bytes],
    ) -> bytes:
        clock, thermal, others = facts
        known = {
            b"case": case,
            b"environment": environment,
            b"gpu_readings": readings,
            b"times": msgspec.json.encode((seconds * SAMPLES).tolist()),
            b"clock": clock,
            b"thermal": thermal,
            b"others": others,
        }
        return b"".join([known.get(part, part) for part in self._parts])


def folders(directory: Path) -> list[Path]:
    """The run folders of a fleet that was written, in their order."""
    return sorted(file.parent for file in directory.rglob(RECORDS))


def write_fleet(directory: Path, fleet: PlantedFleet) -> Path:
    """The folder of a fleet run: the same run folders with plan and jobs; missing nodes were lost."""
    write(directory, fleet)
    nodes = [f"node{number}" for number in range(1, fleet.nodes + 1)]
    fleet_folder.write(
        directory,
        FleetPlan(
            name="planted",
            command="convbench fleet run",
            arguments=(),
            plan=KeptPlan(
                suite="smoke",
                cases=cases(fleet),
                ceilings=False,
                auto=False,
                protocol=MeasurementProtocol(),
                replicates=fleet.processes,
                machine=None,
            ),
            executor="slurm",
            nodes=tuple(nodes),
            site=Site(convbench=("convbench",)),
            folder=str(directory),
            seconds=360.0,
            began_at="2026-01-01T00:00:00Z",
        ),
    )
    for number, node in enumerate(nodes, start=1):
        job = KeptJob(name=f"planted-{node}-1", node=node, attempt=1, seconds=3600.0, at=0.0, id=str(number))
        files = JobFiles(directory, job.name)
        files.path("json").write_bytes(msgspec.json.encode(job))
        if number in fleet.missing:
            lost = Seen(phase="ended", end="node lost", word="NODE_FAIL")
            files.path("seen").write_bytes(msgspec.json.encode(lost))
        else:
            files.path("exit").write_text("0\n")
    return directory
