"""Every metric that a record may hold: its name on the disk, unit, family, and what tables call it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Family = Literal[
    "time",
    "layer",
    "memory",
    "ledger",
    "count",
    "compilation",
    "energy",
    "learning",
    "conditions",
    "sampling",
]


class Metric(Struct, frozen=True):
    """What a measurement is of.

    unit    of its samples: s, bytes, FLOP, J, W, MHz, Celsius, image/s, nat (of a loss), share (of an
            accuracy), count, or 1 where it has none
    family  time: of a step by one clock; layer: of a layer and of all layers together; memory: sizes and
            peaks; ledger: what the peak is made of; count: what a network has, does and moves; compilation;
            energy; learning: what a training run gives; conditions: what happened to the machine meanwhile;
            sampling: how much was measured
    title   in tables; `brief` in a table of its family alone
    """

    name: str
    unit: str
    family: Family
    title: str
    brief: str


_TABLE: tuple[tuple[Family, str, tuple[str, ...]], ...] = (
    ("time", "s", ("device_time", "wall_time", "host_time")),
    ("time", "1", ("device_idle_share",)),
    ("layer", "s", ("layer_time", "sum_time", "whole_time")),
    ("layer", "s", ("input_gradient_time", "weight_gradient_time", "joint_gradient_time")),
    ("layer", "1", ("sum_over_whole",)),
    ("layer", "count", ("calls",)),
    (
        "memory",
        "bytes",
        ("weights", "buffers", "gradients", "optimizer_state", "inputs", "saved_activations"),
    ),
    (
        "memory",
        "bytes",
        ("peak_resident", "peak_allocated", "peak_requested", "peak_reserved", "driver_other"),
    ),
    ("memory", "count", ("allocation_retries",)),
    ("count", "count", ("parameters", "casts")),
    ("count", "FLOP", ("flops",)),
    ("count", "bytes", ("bytes_moved",)),
    ("count", "s", ("cast_time",)),
    ("compilation", "s", ("compile_cold", "compile_warm")),
    ("compilation", "count", ("graph_breaks", "compile_cache_hits", "recompiles")),
    ("energy", "J", ("energy", "energy_total", "energy_to_target")),
    ("energy", "W", ("idle_power", "average_power", "sampled_power", "peak_power")),
    ("energy", "s", ("energy_window", "energy_tick_period", "power_sensor_period")),
    ("energy", "count", ("energy_steps",)),
    ("learning", "nat", ("train_loss", "test_loss")),
    ("learning", "share", ("train_accuracy", "test_accuracy", "final_train_accuracy")),
    ("learning", "image/s", ("step_rate", "loop_rate")),
    ("learning", "s", ("loop_time", "training_time", "time_to_target")),
    ("learning", "1", ("gradient_norm_first", "gradient_norm_last")),
    ("learning", "count", ("skipped_steps",)),
    ("conditions", "1", ("steal_share", "others_share", "cpu_utilisation", "load_average")),
    ("conditions", "1", ("software_power_cap_share", "thermal_slowdown_share", "power_cap_at_work")),
    ("conditions", "MHz", ("sm_clock", "memory_clock", "sm_clock_at_rest", "memory_clock_at_rest")),
    ("conditions", "W", ("power", "power_at_rest")),
    ("conditions", "Celsius", ("temperature",)),
    ("conditions", "count", ("involuntary_switches", "retakes")),
    ("sampling", "count", ("warmup_steps", "trace_steps")),
)


TENSORS = (
    "weights",
    "buffers",
    "gradients",
    "optimizer_state",
    "inputs",
    "saved_activations",
    "other_tensors",
)
"""Kinds of tensors that are alive at the instant of a step's peak. A storage that is of several counts as the
first of them."""
BESIDE = ("workspace", "library_workspace", "rounding")
"""What else an allocator counts at that instant: what the operator takes for itself, what libraries keep, and
what blocks have beyond what was asked for."""
LEDGER = {kind: f"ledger_{kind}" for kind in (*TENSORS, *BESIDE, "residual", "peak")}
"""What the peak is made of, and the peak -> metric."""


def _metrics() -> Iterator[Metric]:
    for family, unit, names in _TABLE:
        for name in names:
            words = name.replace("_", " ")
            yield Metric(name, unit, family, words, words)
    for kind, name in LEDGER.items():
        words = kind.replace("_", " ")
        yield Metric(name, "bytes", "ledger", f"ledger {words}", words)


SIZES_OF_TENSORS = (
    *("weights", "buffers", "gradients", "optimizer_state", "inputs", "saved_activations"),
    *(LEDGER[kind] for kind in TENSORS),
)
"""What shapes and dtypes decide: equal in all processes of a case."""
GPU_CONDITIONS = (
    *("software_power_cap_share", "thermal_slowdown_share", "power_cap_at_work"),
    *("sm_clock", "memory_clock", "sm_clock_at_rest", "memory_clock_at_rest"),
    *("power", "power_at_rest", "temperature"),
)
"""What the driver of a GPU says of it."""
METRICS: dict[str, Metric] = {metric.name: metric for metric in _metrics()}

_SPEAKERS: dict[str, str] = {
    **{name: "energy" for name, metric in METRICS.items() if metric.family == "energy" and name != "energy"},
    **{
        name: "layer_time"
        for name, each in METRICS.items()
        if each.family == "layer" and name != "layer_time"
    },
    **{LEDGER[kind]: LEDGER["peak"] for kind in (*TENSORS, "workspace")},
    **{LEDGER[kind]: LEDGER["workspace"] for kind in ("library_workspace", "rounding", "residual")},
    **dict.fromkeys(("peak_requested", "peak_reserved", "allocation_retries"), "peak_allocated"),
    "sampled_power": "peak_power",
}


def speakers(name: str) -> Iterator[str]:
    """A metric, and those whose reason for being absent is its own too: `energy` speaks for all of energy."""
    said: str | None = name
    while said is not None:
        yield said
        said = _SPEAKERS.get(said)


def title_of(name: str) -> str:
    """What tables call a metric; its bare name where a version that is not this one measured it."""
    return METRICS[name].title if name in METRICS else name


def is_of(name: str, family: Family) -> bool:
    """Whether a metric belongs to a family."""
    return name in METRICS and METRICS[name].family == family


SCATTERING = frozenset(
    name
    for name, metric in METRICS.items()
    if (metric.family in ("time", "layer") and metric.unit == "s") or name in ("energy", "energy_total")
)
"""Times of steps, layers and products, and energies of a step: what processes differ in."""
CLOCKS = {"device_time": "device", "wall_time": "wall", "host_time": "host"}
KINDS = (
    "weights",
    "buffers",
    "gradients",
    "optimizer_state",
    "saved_activations",
    "peak_resident",
    "peak_allocated",
    "peak_requested",
    "peak_reserved",
    "driver_other",
)
"""The columns' order; kinds that are not named here follow them."""
PEAKS = ("peak_allocated", "peak_resident")
"""What `peak in` is about: the first of these that a table has."""
