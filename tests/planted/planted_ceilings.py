"""Ceilings, and steps that stand under them at known shares."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.plan import ceiling_cases
from bench.schema.case import Case, Precision
from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import GIB, Copy, MatrixProduct, Product
from bench.schema.record import Environment, Measurement, Record
from tests.planted import planted_records

PRODUCT, COPY = MatrixProduct(1024, 1024, 1024), Copy(GIB)
SECONDS = 0.01


def of(product: Product, *measurements: Measurement) -> list[Measurement]:
    """These measurements as those of a product."""
    return [structs.replace(measurement, product=product) for measurement in measurements]


def ceilings(
    *,
    flops_per_second: float = 100e9,
    bytes_per_second: float = 10e9,
    device: str = "cpu",
    precision: Precision = "fp32",
    threads: int = 2,
    environment: Environment = planted_records.MACHINE,
) -> Record:
    """A product and a copy at these rates, timed in seven samples as everything else is."""
    clock = "wall_time" if device == "cpu" else "device_time"
    return planted_records.record(
        ceiling_cases.case(device, precision, threads),
        *of(PRODUCT, planted_records.time("product", SECONDS, clock)),
        *of(PRODUCT, planted_records.fact("product", "flops", flops_per_second * SECONDS, "FLOP")),
        *of(COPY, planted_records.time("product", SECONDS, clock)),
        *of(COPY, planted_records.fact("product", "bytes_moved", bytes_per_second * SECONDS)),
        environment=environment,
    )


def step(
    case: Case,
    *times: Measurement,
    flops: float,
    moved: float,
    warnings: Sequence[CaseWarning] = (),
    environment: Environment = planted_records.MACHINE,
) -> Record:
    """An inference that counts so many FLOPs and bytes."""
    return planted_records.record(
        case,
        *times,
        planted_records.fact("forward", "flops", flops, "FLOP"),
        planted_records.fact("forward", "bytes_moved", moved),
        warnings=warnings,
        environment=environment,
    )
