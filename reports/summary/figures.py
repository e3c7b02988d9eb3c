"""What records say, typed: the figures, and what came of the processes that gave none."""

from __future__ import annotations

import math

from msgspec import Struct, structs

from bench.schema.case import Caches, Case
from bench.schema.case_warnings import CaseWarning, Label
from bench.schema.ceiling_product import Product, product_name
from bench.schema.layer_phases import ALL_LAYERS, Layer
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.phases import Phase
from bench.schema.record import Environment, Status
from bench.schema.units import Unit
from bench.schema.window_clocks import WindowClocks
from bench.stats.estimates import Interval, Moderated
from bench.stats.levels import Levels, levels
from bench.stats.moderation import Scatter
from reports.cells import Scalar
from reports.document import Origin
from reports.summary.digests import Digested
from reports.summary.interval_fields import interval_fields, levels_fields, state_of, usable_interval
from reports.summary.machine_labels import machine_text

THROUGHPUT_METRICS = ("device_time", "wall_time")
"""Times of a whole batch, from which images per second follow."""

EPOCH: Phase = "epoch"
"""The phase of what a training run gives."""
ACCURACY = "test_accuracy"
"""What a training run is judged by: compared by differences, seed by seed."""
LEARNED = ("train_loss", "test_loss", "train_accuracy", ACCURACY)
"""What a training run ends with: of its epochs the last one counts."""
SPEEDS = ("step_rate", "loop_rate", "loop_time")
"""How fast it was: of its epochs the first one warms up."""
CURVES = (*LEARNED, "step_rate", "loop_rate")
"""What is kept of every epoch."""
RAW_UNITS = ("share", "nat")
"""Accuracies and losses: means and differences are of the values themselves, not of their logs."""


class ReadBack(Struct, frozen=True):
    """`Record.effective`, each part sorted by its names: the dtypes and flags that were really in force, and
    what was read back with them of the machine; `inputs` as it is there."""

    precision: tuple[tuple[str, str], ...] = ()
    machine: tuple[tuple[str, str], ...] = ()
    inputs: str = ""


class Figure(Struct, frozen=True, kw_only=True):
    """One metric in one phase of one case, or of one of its layers, or of one product of a ceiling.

    case       with replicate 0
    median     one process: the median of its samples; several: the geometric mean of their medians
               (`bench.stats.estimates.centre`), so that it is the centre of the interval; in `unit`. Of
               accuracies and losses (RAW_UNITS): the mean over the seeds. Of several units the mean over
               their nodes (`bench.stats.levels`)
    interval   across machines or GPUs where several units measured it, across processes from two up, else
               within the process; None where there is none
    medians    of each process; of what it learned (LEARNED) not the median but the last epoch's value,
               of SPEEDS without the first epoch
    replicates for each of the medians, the process's number
    units      for each of the medians, the GPU or the processor that it was measured on
    runs       for each of the medians, the index of the run that it came from
    pairs      for each of the medians, the number of its interleaved pair, or None
    clocks     for each of the medians of a time, the GPU's clocks in its window, or None; else empty
    samples    raw samples behind it, all processes together
    machine    labels of the environments the processes ran in (`Summary.environments`)
    network    which of several networks under the case's name: `1`, `2` ...; empty where there is one
    tags       the labels of these processes' warnings
    scatter    of a time or an energy, how processes of one unit and the samples within them scatter; None
               where a sample is zero or less
    of_processes  of several units, the moderated variance of processes of one of them
    caches     what the timed steps found; None for what is no latency
    """

    case: Case
    effective: ReadBack
    machine: tuple[str, ...]
    network: str = ""
    phase: Phase
    metric: str
    unit: str
    layer: Layer | None = None
    product: Product | None = None
    median: float
    interval: Interval | None
    medians: tuple[float, ...]
    replicates: tuple[int, ...]
    units: tuple[Unit, ...] = ()
    runs: tuple[int, ...]
    pairs: tuple[int | None, ...]
    clocks: tuple[WindowClocks | None, ...] = ()
    samples: int
    tags: tuple[Label, ...]
    scatter: Scatter | None = None
    of_processes: Moderated | None = None
    caches: Caches | None = None

    @property
    def levels(self) -> Levels | None:
        """Of a quantity that several units measured. What a network learns is no quantity of a machine."""
        if self.unit in RAW_UNITS or len(set(self.units)) < 2:
            return None
        return levels(self.medians, self.units, [unit.machine for unit in self.units])

    @property
    def independent(self) -> tuple[float, ...]:
        """What the interval is made from: the medians of processes, or, of several units, those of nodes or
        units. Processes of several machines are never independent of each other."""
        found = self.levels
        return found.outer if found else self.medians

    @property
    def images_per_second(self) -> float | None:
        """Only of the time of a network's batch, and one long enough for the rate to be a number."""
        if self.metric not in THROUGHPUT_METRICS or self.median <= 0 or self.case.workload == "ceiling":
            return None
        rate = self.case.batch / self.median
        return rate if math.isfinite(rate) else None

    def as_row(self) -> dict[str, Scalar]:
        """The flat row that programs read; the first fields are promised, the rest follow them."""
        by_shares = self.unit not in RAW_UNITS
        usable = usable_interval(self.median, self.interval, by_shares)
        fields: dict[str, Scalar] = {
            "phase": place(self),
            "metric": self.metric,
            "unit": self.unit,
            "median": self.median,
            "low": usable.low if usable else None,
            "high": usable.high if usable else None,
            "processes": len(self.medians),
            "samples": self.samples,
            "interval": self.interval.kind if self.interval else None,
            "images_per_second": self.images_per_second,
            "effective": effective_text(self.effective),
            "machine": machine_text(self.machine),
            "warnings": ", ".join(self.tags),
            "caches": self.caches,
            "state": state_of(self.median, self.interval, by_shares),
            **interval_fields(self.interval, self.independent, by_shares),
            **levels_fields(self.levels, self.units),
        }
        if self.network:
            fields["network"] = self.network
        return case_row(self.case, fields)


class Curve(Struct, frozen=True, kw_only=True):
    """One metric over the epochs of one case: `samples` has a tuple for each process, in `unit`."""

    case: Case
    effective: ReadBack
    machine: tuple[str, ...]
    network: str = ""
    metric: str
    unit: str
    samples: tuple[tuple[float, ...], ...]


class Spread(Struct, frozen=True, kw_only=True):
    """The time of one case's whole step: of each process some of its samples in s, evenly by rank."""

    case: Case
    effective: ReadBack
    machine: tuple[str, ...]
    network: str = ""
    metric: str
    samples: tuple[tuple[float, ...], ...]


class FailedProcesses(Struct, frozen=True, kw_only=True):
    """Processes of one case that ended alike without a figure, and their numbers."""

    case: Case
    status: Status
    reason: str
    replicates: tuple[int, ...]

    @property
    def processes(self) -> int:
        """How many they are."""
        return len(self.replicates)


class Absence(Struct, frozen=True, kw_only=True):
    """A metric that processes of one case could not measure, for this reason; how many they are."""

    case: Case
    metric: str
    reason: str
    processes: int

    def as_row(self) -> dict[str, Scalar]:
        """The flat row that programs read: a figure's, without its value."""
        return case_row(
            self.case,
            {
                "phase": None,
                "metric": self.metric,
                "unit": None,
                "median": None,
                "processes": self.processes,
                "reason": self.reason,
            },
        )


class WarningCount(Struct, frozen=True, kw_only=True):
    """One warning over all the cases that carry it; `example` is what the first of them says."""

    label: Label
    example: CaseWarning
    cases: tuple[Case, ...]
    processes: int


class MeasuredNetwork(Struct, frozen=True):
    """A network and a case, with replicate 0, of which it was measured."""

    case: Case
    fingerprint: NetworkFingerprint


class Summary(Struct, frozen=True, kw_only=True):
    """All that a report prints. `notes` are about the record files themselves, those in `damaged` about lines
    that are no records; `caches` are what all timed
    steps found, None where none was timed; `networks` are those of which records say what they were;
    `digests` are those of deterministic steps;
    `seconds` are what a process of a case takes, in the mean; `spent` are those of all processes and of the
    commands between them, by what they went to (`bench.schema.spending`); `origin` is by which commands they
    were made, and when."""

    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...] = ()
    spreads: tuple[Spread, ...] = ()
    environments: dict[str, Environment]
    outcomes: tuple[FailedProcesses, ...]
    absences: tuple[Absence, ...] = ()
    warnings: tuple[WarningCount, ...]
    notes: tuple[str, ...]
    damaged: tuple[str, ...] = ()
    records: int
    caches: Caches | None = None
    networks: tuple[MeasuredNetwork, ...] = ()
    digests: tuple[Digested, ...] = ()
    seconds: dict[Case, float] = {}
    spent: dict[str, float] = {}
    origin: Origin = Origin()


def case_row(case: Case, fields: dict[str, Scalar]) -> dict[str, Scalar]:
    """A flat row for programs: the axes of the case, then `fields`, then what a training run adds."""
    row: dict[str, Scalar] = structs.asdict(case)
    del row["replicate"], row["task"]
    row |= fields
    if case.task is not None:
        recipe = case.task.recipe
        row |= {
            "dataset": case.task.dataset,
            "recipe": recipe.name,
            "epochs": recipe.epochs,
            "target": case.task.target,
            "deterministic": case.task.deterministic,
        }
    return row


def is_of_layers(figure: Figure) -> bool:
    """Whether it belongs to the layers' measurement and not to the case's own."""
    return figure.layer is not None or figure.phase == ALL_LAYERS


def place(figure: Figure) -> str:
    """`forward`, `forward:conv1 (Conv2d 3->64, 11x11/4)` or `conv:64x224:b2:nchw`: the phase in a row that
    programs read."""
    if figure.product is not None:
        return product_name(figure.product)
    if figure.layer is None:
        return figure.phase
    kind = f" ({figure.layer.kind})" if figure.layer.kind else ""
    return f"{figure.phase}:{figure.layer.name}{kind}"


def same_precision(one: ReadBack, other: ReadBack) -> bool:
    """Whether all precision that both sides read back is equal; a device has facts that another has not."""
    first, second = dict(one.precision), dict(other.precision)
    return all(first[key] == second[key] for key in first.keys() & second.keys())


def effective_text(effective: ReadBack) -> str:
    """`conv=tf32, matmul=ieee, ...`, by name."""
    inputs = (("inputs", effective.inputs),) if effective.inputs else ()
    found = sorted(effective.precision + effective.machine + inputs)
    return ", ".join(f"{key}={value}" for key, value in found)
