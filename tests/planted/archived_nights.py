"""Planted nights as run folders, and as an archive that each was added to in its own night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from bench.archive import entries
from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.phases import WHOLE
from bench.schema.record import Environment, Measurement, Record
from tests.planted import planted_nights, planted_records
from tests.planted.planted_nights import LABEL, PlantedNights, began, since

ADDED_AFTER = timedelta(hours=3)
"""A run began, by a clock that is right."""


def archive(planted: PlantedNights, folder: Path) -> Path:
    """An archive in `folder` that holds every night, as `convbench archive add` leaves it."""
    for night, run in runs(planted, folder / "runs"):
        with _clock_at(began(night) + ADDED_AFTER):
            entries.add(folder / "archive", run, planted.labels.get(night, LABEL))
        shutil.rmtree(run)
    return folder / "archive"


def _clock_at(now: datetime) -> mock._patch[mock.MagicMock]:
    clock = mock.MagicMock(wraps=datetime)
    clock.now.return_value = now
    return mock.patch("bench.archive.entries.datetime", clock)


def runs(planted: PlantedNights, folder: Path) -> Iterator[tuple[int, Path]]:
    """Each night with its run folder, written when it is asked for."""
    numbered = [
        [structs.replace(case, replicate=number) for number in range(1, planted.processes + 1)]
        for case in planted_nights.cases(planted)
    ]
    for night, samples in planted_nights.samples(planted):
        yield night, planted_records.write(folder / str(night), _records(planted, night, numbered, samples))


def _records(
    planted: PlantedNights, night: int, numbered: list[list[Case]], samples: NDArray[np.float64]
) -> Iterator[Record]:
    environment = _environment(planted, night)
    clock = began(night) + planted.wrong_clocks.get(night, timedelta(0))
    for at, (processes, times) in enumerate(zip(numbered, samples.tolist(), strict=True)):
        if (at, night) in planted.lacking:
            continue
        structures = {first: name for (case, first), name in planted.networks.items() if case == at}
        network = _network(since(structures, night, "plain"))
        is_failed = (at, night) in planted.failed
        for case, own in zip(processes, times, strict=True):
            timed = Measurement(phase=WHOLE[case.workload], metric="device_time", unit="s", samples=own)
            started = clock + timedelta(seconds=20 * at + case.replicate)
            yield structs.replace(
                planted_records.record(case, environment=environment),
                status="oom" if is_failed else "ok",
                measurements=[] if is_failed else [timed],
                fingerprint=network,
                started_at=started.isoformat(timespec="seconds"),
                sequence=at * planted.processes + case.replicate,
            )


def _environment(planted: PlantedNights, night: int) -> Environment:
    gpu = structs.replace(
        planted_records.GPU,
        name=since(planted.gpus, night, planted_records.GPU.name),
        driver=since(planted.drivers, night, "550.1"),
        uuid=f"GPU-{max((first for first in planted.gpus if first <= night), default=0):08x}",
        locked_clocks_mhz=planted.locked.get(night),
    )
    return structs.replace(
        planted_records.MACHINE,
        gpu=gpu,
        host=since(planted.hosts, night, planted_records.MACHINE.host),
        libraries={"torch": since(planted.torches, night, "2.11.0")},
        commit=since(planted.commits, night, "abc1234"),
    )


def _network(structure: str) -> NetworkFingerprint:
    return NetworkFingerprint(structure=structure, weights="same", parameters=1, trainable=1, modules=1)
