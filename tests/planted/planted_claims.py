"""Evidence with known answers for claims: records as runs would leave them, read as runs are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import Record
from reports.claims.evidence import Evidence, Setting, gather
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_learning import curve

ON_CPU = Setting(device="cpu", threads=2, replicates=3, seeds=3)
ON_GPU = structs.replace(ON_CPU, device="cuda")
WOBBLE = (0.999, 1.0, 1.001)
"""Of the processes of one case around what is planted."""


def evidence(folder: Path, records: Iterable[Record], setting: Setting = ON_CPU) -> Evidence:
    """What these records say."""
    return gather(summarise([planted_records.write(folder, records)]), setting)


def timed(
    case: Case, seconds: float, phase: Phase = "step", wobble: Sequence[float] = WOBBLE
) -> list[Record]:
    """A process for each wobble, whose whole step takes so long."""
    environment = planted_records.GPU_MACHINE
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            planted_records.time(phase, seconds * factor),
            environment=environment,
        )
        for number, factor in enumerate(wobble, start=1)
    ]


def trained(
    case: Case,
    accuracies: Sequence[float],
    *,
    train: Sequence[Sequence[float]] = (),
    final: Sequence[float] = (),
    norms: Sequence[tuple[float, float]] = (),
) -> list[Record]:
    """A seed for each final test accuracy; beside it the train accuracy of its epochs and of the end, and its
    gradient norms, by default none."""
    records = []
    for place, accuracy in enumerate(accuracies):
        found = [curve("test_accuracy", "share", [accuracy]), curve("step_rate", "image/s", [100.0])]
        if train:
            found.append(curve("train_accuracy", "share", train[place]))
        if final:
            found.append(curve("final_train_accuracy", "share", [final[place]]))
        if norms:
            found.append(curve("gradient_norm_first", "1", [norms[place][0]]))
            found.append(curve("gradient_norm_last", "1", [norms[place][1]]))
        records.append(planted_records.record(structs.replace(case, replicate=place + 1), *found))
    return records
