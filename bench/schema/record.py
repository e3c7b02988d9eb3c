"""What a finished case leaves behind: raw samples and where they were taken. Never changed afterwards.

History of the schema:
1  the first: case, protocol, environment, effective, status, reason, measurements, warnings.
2  training runs: `case.task`, the workload `accuracy`, the phase `epoch`, the status `diverged`.
3  `case.tuning`, the workload `ceiling`, `absent`: why a metric was not measured, and the stop `worse`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bench.schema.case import Case, MeasurementProtocol

SCHEMA = 3

Status = Literal["ok", "oom", "timeout", "crashed", "skipped", "invalid", "diverged"]
FAILED: tuple[Status, ...] = ("oom", "timeout", "crashed", "invalid", "diverged")
"""The statuses that make a run end with exit code 1."""

Stopped = Literal["target", "limit", "worse"]


class Measurement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Raw samples of one metric in one phase.

    phase    forward, backward, optimizer, step, or `model` for what no phase owns; `epoch` for what a
             training run gives, one sample an epoch; `window` and `energy` for what happened to the machine
             while times were taken, and while energy was counted; `forward:conv1 (Conv2d 3->64, 11x11/4)`
             for a layer, and `layers` for all of them together (`bench.schema.layer_phases`)
    metric   device_time, wall_time, host_time (s per step); parameters (count); flops (FLOP);
             sizes in bytes (weights, gradients, ..., peak_...); compile_cold, compile_warm (s);
             train_loss, test_loss (nat), train_accuracy, test_accuracy (share), step_rate, loop_rate
             (image/s), time_to_target (s); of a layer layer_time, input_gradient_time,
             weight_gradient_time, joint_gradient_time (s per step), calls (count), bytes_moved ...
    repeats  steps averaged within one sample (small steps are batched)
    stopped  why sampling ended: the interval was narrow enough, the limit was reached, or it was worse than
             `MeasurementProtocol.give_up_seconds`
    """

    phase: str
    metric: str
    unit: str
    samples: list[float]
    repeats: int = 1
    stopped: Stopped | None = None


class Gpu(Struct, frozen=True, kw_only=True):
    """One CUDA device as torch and the driver name it."""

    name: str
    memory_bytes: int
    capability: str
    driver: str | None
    cuda: str | None
    cudnn: str | None


class Environment(Struct, frozen=True, kw_only=True):
    """The machine and the software of a record; equal between two runs when nothing changed."""

    host: str
    os: str
    python: str
    cpu: str
    cores_physical: int
    cores_usable: int
    memory_bytes: int
    gpu: Gpu | None
    libraries: dict[str, str]
    variables: dict[str, str]
    """Environment variables that move timings: OMP_*, KMP_*, MALLOC_*, LD_PRELOAD ..."""
    commit: str | None


class Record(Struct, frozen=True, kw_only=True):
    """One line of records.jsonl.

    effective  what was read back in the child after the precision was set: dtypes and TF32 flags
    absent     metric -> the reason why it could not be measured here (`energy`: no NVML)
    warnings   labels and sentences, e.g. `launch-bound`, `not-stationary: ...`
    started_at UTC, ISO 8601
    sequence   the record's place in its file, from 1
    pair       the number of the interleaved pair that it belongs to, or None
    """

    schema: int = SCHEMA
    case: Case
    protocol: MeasurementProtocol
    status: Status
    reason: str | None = None
    measurements: list[Measurement] = []
    environment: Environment | None = None
    effective: dict[str, str] = {}
    absent: dict[str, str] = {}
    warnings: list[str] = []
    started_at: str
    sequence: int = 0
    pair: int | None = None


def single(phase: str, metric: str, value: float, unit: str) -> Measurement:
    """A measurement of one sample."""
    return Measurement(phase=phase, metric=metric, unit=unit, samples=[float(value)])
