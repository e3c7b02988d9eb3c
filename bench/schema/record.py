"""What a finished case leaves behind: raw samples and where they were taken. Never changed afterwards.

History of the schema (docs/schema.md; `bench.schema.migrations` reads the older ones):
1  the first: case, protocol, environment, effective, status, reason, measurements, warnings.
2  training runs: `case.task`, the workload `accuracy`, the phase `epoch`, the status `diverged`.
3  `case.tuning`, the workload `ceiling`, `absent`: why a metric was not measured, and the stop `worse`.
4  fields for what stood in text: a warning's `label` and `detail`, a measurement's `layer`, `product` and
   `disturbed`, and `effective` in two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import Product
from bench.schema.gpu_identity import Gpu, GpuReadings
from bench.schema.layer_phases import Layer
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.phases import Phase
from bench.schema.ranks import LinkSamples, RankFacts, Traffic
from bench.schema.step_digest import StepDigest

SCHEMA = 4

Status = Literal["ok", "oom", "timeout", "crashed", "skipped", "invalid", "diverged"]
FAILED: tuple[Status, ...] = ("oom", "timeout", "crashed", "invalid", "diverged")
"""The statuses that make a run end with exit code 1."""

Stopped = Literal["target", "limit", "worse"]


class Measurement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Raw samples of one metric in one phase.

    phase      of the step, or what else they belong to (`bench.schema.phases`)
    metric     one of `bench.schema.metrics`, which gives its unit too
    unit       of the samples
    samples    in the order in which they were taken; in the phase `epoch` one for each epoch
    repeats    steps averaged within one sample (small steps are batched)
    stopped    why sampling ended: the interval was narrow enough, the limit was reached, or it was worse than
               `MeasurementProtocol.give_up_seconds`
    layer      whose part of the phase this is, or None for the whole network
    product    that a ceiling timed, in the phase `product`
    disturbed  whether the window was taken again: its samples are kept, and stand for nothing
    windows    in the phase `window`: the clock in whose window each sample was taken, `wall_time`
    """

    phase: Phase
    metric: str
    unit: str
    samples: list[float]
    repeats: int = 1
    stopped: Stopped | None = None
    layer: Layer | None = None
    product: Product | None = None
    disturbed: bool = False
    windows: list[str] = []


class Environment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The machine and the software of a record; equal between two runs when nothing changed.

    node        the name that its cluster gives the machine, where it gives one (`--node-name`)
    machine_id  the machine's own, hashed; None where it has none, and in older records
    gpus_at_once  GPUs of this host that the same command measured at the same time (`--together`)
    governor    what decides how the processor's clocks follow the load, `performance`; `turbo`: whether they
                may go above the base clock. None where the kernel does not say, and in older records
    """

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
    node: str | None = None
    machine_id: str | None = None
    gpus_at_once: int = 1
    governor: str | None = None
    turbo: bool | None = None


class Effective(Struct, frozen=True, kw_only=True):
    """What was read back in the child after the precision was set.

    precision  what the figures depend on: `conv` and `matmul` (how fp32 tensors are multiplied: ieee, tf32,
               bf16), `weights`, `conv_output` and `linear_output` (float32, bfloat16, float16), and what else
               the device sets
    machine    what is no precision: `threads`, `cpu_capability` (the vector instructions torch uses) and, of
               compiled code, `conv_layout` (in which its convolutions run)
    inputs     shapes and dtypes of what a user's own `inputs` made, `4x12 int64`; "" for others
    """

    precision: dict[str, str] = {}
    machine: dict[str, str] = {}
    inputs: str = ""


class Record(Struct, frozen=True, kw_only=True):
    """One line of records.jsonl.

    gpu_readings  of the GPU when the measurements had ended: facts beside them, which decide nothing
    effective     what was read back in the child after the precision was set
    fingerprint   of the network that was measured; None in older records, and where no network was built
    absent        metric -> the reason why it could not be measured here (`energy`: no NVML)
    warnings      what to beware of, in the order in which it was found
    step_digest   of a deterministic training step, made at the end; None where nobody asked for it
    ranks         of a job of several ranks: what each found, in their order; empty in other records
    links         likewise: how long messages between its ranks took
    traffic       likewise: what one rank sends in a step, by arithmetic
    facts         whether this process said what one process says for all of its case: counts, the ledger, and
                  on a CPU sizes and peaks. Where it was not asked, or failed to, another record may have them
    started_at    UTC, ISO 8601; finished_at too, None in older records
    sequence      the record's place in its file, from 1
    pair          the number of the interleaved pair that it belongs to, or None
    seconds       that its processes took, from launch to end; None where none was launched
    spent         what those seconds went to (`bench.schema.spending`), all of them; empty in older records
    command       by which the record was made, as one types it; None in older records, and where a program
                  called convbench
    between       seconds that the command took since the record before, or since it began, by what they went
                  to: servers, questions before the run; empty in older records, and where other commands than
                  those that measure a plan wrote it
    """

    schema: int = SCHEMA
    case: Case
    protocol: MeasurementProtocol
    status: Status
    reason: str | None = None
    measurements: list[Measurement] = []
    environment: Environment | None = None
    gpu_readings: GpuReadings | None = None
    effective: Effective = Effective()
    fingerprint: NetworkFingerprint | None = None
    absent: dict[str, str] = {}
    warnings: list[CaseWarning] = []
    step_digest: StepDigest | None = None
    ranks: tuple[RankFacts, ...] = ()
    links: tuple[LinkSamples, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    facts: bool = True
    started_at: str
    sequence: int = 0
    pair: int | None = None
    seconds: float | None = None
    spent: dict[str, float] = {}
    between: dict[str, float] = {}
    command: str | None = None
    finished_at: str | None = None


def single(phase: Phase, metric: str, value: float, unit: str) -> Measurement:
    """A measurement of one sample."""
    return Measurement(phase=phase, metric=metric, unit=unit, samples=[float(value)])


def find(measurements: Iterable[Measurement], phase: Phase | None, metric: str) -> Measurement | None:
    """Of the whole network, from a window that is used; None where it was not measured."""
    return next((m for m in measurements if m.phase == phase and m.metric == metric and _counts(m)), None)


def _counts(measurement: Measurement) -> bool:
    return measurement.layer is None and measurement.product is None and not measurement.disturbed
