"""Nightly runs with known answers: a step, a drift, outliers, missing nights, a new driver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from bench.schema.case import Case
from bench.schema.phases import WHOLE
from bench.schema.record import Environment, Measurement, Record
from tests.planted import planted_records

FIRST = datetime(2021, 1, 1, 2, tzinfo=UTC)
MODELS = ("lenet5", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11-bn", "vgg13-bn")


@dataclass(frozen=True, kw_only=True)
class PlantedNights:
    """What is planted, by case from 0 and night from 0.

    over_nights     standard deviation of the log of what all processes of a case share in a night
    over_processes  of the log of a process
    steps           from a night on a case takes longer by this share: 0.03 is 3%
    drifts          by this share longer with each night
    outliers        of single nights: longer by this share
    missing         nights without a run
    drivers         of the GPU from a night on
    samples         of a process
    """

    nights: int
    cases: int = 40
    processes: int = 5
    over_nights: float = 0.008
    over_processes: float = 0.005
    steps: Mapping[tuple[int, int], float] = field(default_factory=dict)
    drifts: Mapping[int, float] = field(default_factory=dict)
    outliers: Mapping[tuple[int, int], float] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()
    drivers: Mapping[int, str] = field(default_factory=dict)
    samples: int = 15
    seed: int = 1


def cases(planted: PlantedNights) -> list[Case]:
    workloads = ("inference", "training")
    return [
        Case(
            model=MODELS[at % len(MODELS)],
            device="cuda",
            workload=workloads[at // len(MODELS) % 2],  # type: ignore[arg-type]  # mypy sees a str
            batch=8 * (1 + at // (2 * len(MODELS))),
        )
        for at in range(planted.cases)
    ]


def runs(planted: PlantedNights, folder: Path) -> Iterator[tuple[int, Path]]:
    """Each night with its run folder, written when it is asked for."""
    tests, random = cases(planted), np.random.default_rng(planted.seed)
    shape = (planted.cases, planted.processes)
    for night in range(planted.nights):
        shared = random.normal(0, planted.over_nights, (planted.cases, 1))
        logs = shared + random.normal(0, planted.over_processes, shape)
        scatter = np.exp(random.normal(0, 0.01, (*shape, planted.samples)))
        if night not in planted.missing:
            times = np.exp(logs) * planted_seconds(planted, night)[:, np.newaxis]
            samples = (times[..., np.newaxis] * scatter).tolist()
            yield night, planted_records.write(folder / str(night), _records(planted, night, tests, samples))


def planted_seconds(planted: PlantedNights, night: int) -> NDArray[np.float64]:
    """Of each case the true time in a night."""
    seconds = np.array([0.01 * 2.0 ** (at % 8) for at in range(planted.cases)])
    for (case, since), share in planted.steps.items():
        seconds[case] *= 1 + share if night >= since else 1
    for case, share in planted.drifts.items():
        seconds[case] *= (1 + share) ** night
    for (case, at), share in planted.outliers.items():
        seconds[case] *= 1 + share if night == at else 1
    return seconds


def _records(
    planted: PlantedNights, night: int, tests: Sequence[Case], samples: list[list[list[float]]]
) -> Iterator[Record]:
    environment = _environment(planted, night)
    began = FIRST + timedelta(days=night)
    for at, (test, processes) in enumerate(zip(tests, samples, strict=True)):
        phase = WHOLE[test.workload]
        for number, own in enumerate(processes, start=1):
            timed = Measurement(phase=phase, metric="device_time", unit="s", samples=own)
            yield structs.replace(
                planted_records.record(
                    structs.replace(test, replicate=number), timed, environment=environment
                ),
                started_at=(began + timedelta(seconds=20 * at + number)).isoformat(timespec="seconds"),
                sequence=at * planted.processes + number,
            )


def _environment(planted: PlantedNights, night: int) -> Environment:
    drivers = [driver for since, driver in sorted(planted.drivers.items()) if night >= since]
    gpu = structs.replace(planted_records.GPU, driver=drivers[-1] if drivers else "550.1")
    return structs.replace(planted_records.MACHINE, gpu=gpu)
