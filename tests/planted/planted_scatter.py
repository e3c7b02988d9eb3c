"""Records of processes whose medians, and whose samples within a process, scatter as was planted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Environment, Measurement, Record
from tests.planted import planted_records

SHAPE = np.array([-1.5, -0.5, 0.0, 0.5, 1.5])
"""Logs of five samples around their median, of unit variance once they are divided by it."""
_UNIT = (SHAPE / SHAPE.std(ddof=1)).tolist()
STEP_SECONDS = 0.1


def cases(count: int) -> list[Case]:
    """So many that are told apart by their batch."""
    return [Case(model="vgg11", batch=batch, threads=2) for batch in range(1, count + 1)]


def processes(
    case: Case,
    logs: Sequence[float],
    withins: Sequence[float],
    *,
    seconds: float | None = None,
    environment: Environment = planted_records.MACHINE,
) -> list[Record]:
    """A process for each of `logs`, by which its median differs from STEP_SECONDS; `withins` are the
    variances of the logs of its five samples, `seconds` what each process took."""
    return [
        structs.replace(
            planted_records.record(
                structs.replace(case, replicate=number),
                Measurement(
                    phase="forward", metric="wall_time", unit="s", samples=_samples(log, math.sqrt(within))
                ),
                environment=environment,
            ),
            seconds=seconds,
        )
        for number, (log, within) in enumerate(zip(logs, withins, strict=True), start=1)
    ]


def _samples(log: float, sd: float) -> list[float]:
    return [STEP_SECONDS * math.exp(log + sd * at) for at in _UNIT]
