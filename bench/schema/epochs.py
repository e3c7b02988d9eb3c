"""What a training run has to show, epoch by epoch, and the measurements that follow from it. No torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from msgspec import Struct

from bench.schema.record import Measurement

ENERGY_SECONDS = 1.0
"""An epoch's energy is told from so many seconds up: the GPU's counter moves about every 100 ms."""


LEARNED = (
    *("train_loss", "train_accuracy", "test_loss", "test_accuracy", "final_train_accuracy"),
    *("gradient_norm_first", "gradient_norm_last", "time_to_target", "energy_to_target"),
)
"""What only a run on data has from which something can be learned."""


class Epoch(Struct, frozen=True, kw_only=True):
    """One epoch: losses in nats and accuracies as shares, means over its images.

    number          from 1
    images          that were learned from
    loop_seconds    of the whole loop, its data included, evaluation excluded
    step_seconds    of forward, backward and optimizer alone
    train_loss, train_accuracy    of the training steps themselves, while they learned
    energy_joules   of the loop, or None where the GPU's counter cannot be read
    skipped_steps   by the GradScaler, because gradients overflowed
    """

    number: int
    images: int
    loop_seconds: float
    step_seconds: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    energy_joules: float | None = None
    skipped_steps: int = 0


class History(Struct, frozen=True, kw_only=True):
    """All finished epochs, and what was found once.

    peaks                 peak memory in bytes, by metric, of the epoch in which it was lowest
    final_train_accuracy  of training images in eval mode after the last epoch, as a share
    gradient_norms        of the first and of the last weight, before anything was learned
    """

    epochs: tuple[Epoch, ...] = ()
    peaks: dict[str, int] = {}
    final_train_accuracy: float | None = None
    gradient_norms: tuple[float, float] | None = None


def why_no_energy(epochs: Sequence[Epoch]) -> str | None:
    """A sentence when an epoch was over before the GPU's counter could tell what it took."""
    shortest = min((epoch.loop_seconds for epoch in epochs), default=ENERGY_SECONDS)
    if shortest >= ENERGY_SECONDS:
        return None
    return f"an epoch of {shortest:.2g} s is too short for the GPU's counter, which moves about every 100 ms"


def measurements(history: History, target: float | None, *, learns: bool) -> list[Measurement]:
    """The record's measurements: a sample an epoch, then what is one figure of the whole run.

    `learns` is False for data from which nothing can be learned: then only speed and memory are told.
    """
    epochs = history.epochs
    found: list[Measurement] = []
    if learns:
        found += [
            _curve("train_loss", "nat", [e.train_loss for e in epochs]),
            _curve("train_accuracy", "share", [e.train_accuracy for e in epochs]),
            _curve("test_loss", "nat", [e.test_loss for e in epochs]),
            _curve("test_accuracy", "share", [e.test_accuracy for e in epochs]),
        ]
    found += [
        _curve("step_rate", "image/s", [e.images / e.step_seconds for e in epochs]),
        _curve("loop_rate", "image/s", [e.images / e.loop_seconds for e in epochs]),
        _curve("loop_time", "s", [e.loop_seconds for e in epochs]),
        _curve("training_time", "s", [math.fsum(e.loop_seconds for e in epochs)] if epochs else []),
        _curve("skipped_steps", "count", [sum(e.skipped_steps for e in epochs)] if epochs else []),
    ]
    found += [_curve(name, "bytes", [value]) for name, value in history.peaks.items()]
    if learns and history.final_train_accuracy is not None:
        found.append(_curve("final_train_accuracy", "share", [history.final_train_accuracy]))
    if learns and history.gradient_norms is not None:
        first, last = history.gradient_norms
        found.append(_curve("gradient_norm_first", "1", [first]))
        found.append(_curve("gradient_norm_last", "1", [last]))
    known = () if why_no_energy(epochs) else epochs
    energies = [e.energy_joules for e in known if e.energy_joules is not None]
    if len(energies) == len(epochs):
        found.append(_curve("energy", "J", energies))
    if learns and target is not None:
        found += _to_target(epochs, energies, target)
    return [measurement for measurement in found if measurement.samples]


def why_absent(history: History, target: float | None, energy: str | None, *, learns: bool) -> dict[str, str]:
    """Why figures of a run are not among its `measurements`: metric -> sentence; `energy` is why joules
    could not be read, or None."""
    absent: dict[str, str] = {}
    if not learns:
        absent |= dict.fromkeys(LEARNED, "nothing can be learned from these data")
    if history.final_train_accuracy is None:
        absent.setdefault("final_train_accuracy", "the run did not come to its end")
    if history.gradient_norms is None:
        names = ("gradient_norm_first", "gradient_norm_last")
        sentence = (
            "taken before the first step alone, and of a network of ours, as another may remember a pass"
        )
        absent |= {name: sentence for name in names if name not in absent}
    energy = energy or why_no_energy(history.epochs)
    if energy is None and any(epoch.energy_joules is None for epoch in history.epochs):
        energy = "the counter could not be read in every epoch"
    if energy is not None:
        absent["energy"] = energy
    if target is not None and not any(epoch.test_accuracy >= target for epoch in history.epochs):
        absent |= dict.fromkeys(("time_to_target", "energy_to_target"), "no epoch reached the target")
    return absent


def _to_target(epochs: Sequence[Epoch], energies: Sequence[float], target: float) -> list[Measurement]:
    """Time and energy of training until the end of the first epoch that reached the target; or nothing."""
    reached = next((i for i, e in enumerate(epochs, start=1) if e.test_accuracy >= target), None)
    if reached is None:
        return []
    found = [_curve("time_to_target", "s", [math.fsum(e.loop_seconds for e in epochs[:reached])])]
    if len(energies) == len(epochs):
        found.append(_curve("energy_to_target", "J", [math.fsum(itertools.islice(energies, reached))]))
    return found


def _curve(metric: str, unit: str, samples: Sequence[float]) -> Measurement:
    return Measurement(phase="epoch", metric=metric, unit=unit, samples=[float(value) for value in samples])


class StepsDone(Struct, frozen=True, tag="step"):
    """So many of the epoch's steps are enqueued."""

    epoch: int
    step: int
    steps: int


class EpochDone(Struct, frozen=True, tag="epoch"):
    """An epoch is over, and was saved."""

    epoch: Epoch


TrainingEvent = StepsDone | EpochDone
