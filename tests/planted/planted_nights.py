"""Nightly runs with known answers: what is planted in them, and the times that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from bench.schema.case import Case

FIRST = datetime(2021, 1, 1, 2, tzinfo=UTC)
BOOST_MHZ = 1980
"""The clock of a GPU that nobody locked; times follow it."""
LABEL = "nightly"
MODELS = ("lenet5", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11-bn", "vgg13-bn")

CaseNight = tuple[int, int]
"""A case and a night, each from 0."""


@dataclass(frozen=True, kw_only=True)
class PlantedNights:
    """What is planted, by case from 0 and night from 0; what is "from a night on" stays until the next.

    over_nights     standard deviation of the log of what all processes of a case share in a night
    over_processes  of the log of a process
    samples         of a process
    steps           from a night on a case takes longer by this share: 0.03 is 3%
    drifts          by this share longer with each night
    outliers        of single nights: longer by this share
    missing         nights without a run
    lacking         cases that a night has no record of
    failed          cases all of whose processes ran out of memory
    labels          of nights that have another than LABEL
    wrong_clocks    by how much the clock of the host was wrong in a night
    locked          clock in MHz that the GPU was locked at in a night
    drivers, torches, commits, hosts  from a night on
    gpus            names of the GPU from a night on
    networks        structure of a case's network from a night on
    """

    nights: int
    cases: int = 40
    processes: int = 5
    over_nights: float = 0.008
    over_processes: float = 0.005
    samples: int = 15
    seed: int = 1
    steps: Mapping[CaseNight, float] = field(default_factory=dict)
    drifts: Mapping[int, float] = field(default_factory=dict)
    outliers: Mapping[CaseNight, float] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()
    lacking: frozenset[CaseNight] = frozenset()
    failed: frozenset[CaseNight] = frozenset()
    labels: Mapping[int, str] = field(default_factory=dict)
    wrong_clocks: Mapping[int, timedelta] = field(default_factory=dict)
    locked: Mapping[int, int] = field(default_factory=dict)
    drivers: Mapping[int, str] = field(default_factory=dict)
    torches: Mapping[int, str] = field(default_factory=dict)
    commits: Mapping[int, str] = field(default_factory=dict)
    hosts: Mapping[int, str] = field(default_factory=dict)
    gpus: Mapping[int, str] = field(default_factory=dict)
    networks: Mapping[CaseNight, str] = field(default_factory=dict)


YEAR = PlantedNights(
    nights=365,
    cases=8,
    processes=3,
    samples=5,
    steps={(0, 120): 0.03, (1, 180): 0.01, (4, 240): -0.05, (6, 200): 0.1},
    drifts={2: 0.0002},
    outliers={(3, 60): 0.15, (3, 200): 0.12, (3, 290): -0.1},
    missing=frozenset({30, 31, 32, 250, 251, 252, 253, 300}),
    lacking=frozenset({(5, 90), (0, 90), (0, 91), (5, 121)}),
    failed=frozenset({(2, 150), (2, 151)}),
    labels={100: "release", 210: "release", 320: "release"},
    wrong_clocks={
        140: datetime(1970, 1, 1, tzinfo=UTC) - FIRST - timedelta(days=140),
        141: timedelta(days=3650),
    },
    locked=dict.fromkeys(range(310, 314), 1410),
    drivers={240: "560.1"},
    torches={280: "2.12.0"},
    commits={120: "def5678", 180: "0123abc"},
    hosts={45: "lab2"},
    gpus={345: "New GPU"},
    networks={(6, 200): "wider"},
)
"""What each case has:

0  a step of 3% in night 120, with another commit
1  a step of 1% in night 180, with another commit
2  a drift: 0.02% in each night
3  three outliers
4  5% faster from night 240 on, with another driver that moves no other case
6  another network from night 200 on
5, 7  nothing of their own

In nights 310 to 313 the GPU is locked at 1410 MHz, and all cases take 40% longer. In night 280 torch changes,
and in night 45 the host; neither moves a time. From night 345 on another GPU measures. The host's clock is
at 1970 in night 140, and ten years ahead in night 141.
"""


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


def began(night: int) -> datetime:
    """By a clock that is right."""
    return FIRST + timedelta(days=night)


def since(changes: Mapping[int, str], night: int, otherwise: str) -> str:
    """What stands in a night, of what changes from a night on."""
    return max((each for each in changes.items() if each[0] <= night), default=(0, otherwise))[1]


def samples(planted: PlantedNights) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Each night that has a run, with its times in s: cases x processes x samples. Nights are drawn whether
    they have a run or not, so a night that is missing changes no other."""
    random = np.random.default_rng(planted.seed)
    shape = (planted.cases, planted.processes)
    for night in range(planted.nights):
        shared = random.normal(0, planted.over_nights, (planted.cases, 1))
        logs = shared + random.normal(0, planted.over_processes, shape)
        scatter = np.exp(random.normal(0, 0.01, (*shape, planted.samples)))
        if night not in planted.missing:
            times = np.exp(logs) * true_seconds(planted, night)[:, np.newaxis]
            yield night, times[..., np.newaxis] * scatter


def true_seconds(planted: PlantedNights, night: int) -> NDArray[np.float64]:
    """Of each case, without what differs by chance."""
    seconds = np.array([0.01 * 2.0 ** (at % 8) for at in range(planted.cases)])
    for (case, first), share in planted.steps.items():
        seconds[case] *= 1 + share if night >= first else 1
    for case, share in planted.drifts.items():
        seconds[case] *= (1 + share) ** night
    for (case, at), share in planted.outliers.items():
        seconds[case] *= 1 + share if night == at else 1
    return seconds * BOOST_MHZ / planted.locked.get(night, BOOST_MHZ)
