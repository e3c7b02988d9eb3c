"""Records of layers with planted times, FLOPs and bytes."""

from __future__ import annotations

from msgspec import structs

from bench.schema.case import Case
from bench.schema.layer_phases import BETWEEN, LOSS, UPDATE, Layer, Part
from bench.schema.record import Measurement, Record
from tests.planted import planted_records

CASE = Case(model="alexnet", workload="training", threads=2, batch=8)
FIRST, SECOND, FLAT = (
    Layer("conv1", "Conv2d 3->64, 11x11/4"),
    Layer("fc1", "Linear 64->10"),
    Layer("flat", "Flatten"),
)
MS = 1e-3


def layer(
    part: Part, of: Layer, ms: float, flops: float | None = None, moved: float | None = None, **apart: float
) -> list[Measurement]:
    """A layer of so many milliseconds; `apart` are milliseconds of its gradients."""
    measured = [planted_records.time(part, ms * MS, "layer_time")]
    if moved is not None:
        measured += [
            planted_records.fact(part, "calls", 1, "count"),
            planted_records.fact(part, "bytes_moved", moved),
        ]
    if flops is not None:
        measured.append(planted_records.fact(part, "flops", flops, "FLOP"))
    measured += [
        planted_records.time(part, each * MS, f"{name}_gradient_time") for name, each in apart.items()
    ]
    return [structs.replace(each, layer=of) for each in measured]


def together(sum_ms: float, whole_ms: float) -> list[Measurement]:
    return [
        planted_records.time("layers", sum_ms * MS, "sum_time"),
        planted_records.time("layers", whole_ms * MS, "whole_time"),
        Measurement(phase="layers", metric="sum_over_whole", unit="1", samples=[sum_ms / whole_ms] * 3),
    ]


def eager() -> Record:
    """100 ms of layers in a step of 98."""
    return planted_records.record(
        CASE,
        planted_records.time("step", 98 * MS),
        *layer("forward", BETWEEN, 1),
        *layer("forward", FIRST, 20, 1e9, 10e6),
        *layer("forward", FLAT, 1, None, 0),
        *layer("forward", SECOND, 10, 1e6, 80e6),
        *layer("backward", LOSS, 1),
        *layer("backward", SECOND, 17, 2e6, 160e6, input=7, weight=9),
        *layer("backward", FIRST, 40, 2e9, 20e6, input=22, weight=22, joint=40),
        *layer("optimizer", UPDATE, 10),
        *together(100, 98),
    )
