"""Costs from planted records: a plan is then estimated as it went, whatever was written down before."""

from __future__ import annotations

import itertools

import pytest
from msgspec import structs

from bench import devices
from bench.contracts.costs import Costs
from bench.plan.estimate import case_seconds
from bench.plan.fitted_costs import costs_from
from bench.schema.case import Case, MeasurementProtocol, Precision, Workload
from bench.schema.phases import whole
from bench.schema.record import Measurement, Record
from tests.planted import planted_records

WORKLOADS: tuple[Workload, ...] = ("inference", "training")
GFLOPS = {"alexnet": 1.43, "vgg11": 15.2, "vgg16": 30.9, "vgg19": 39.3}
"""Of one image, forward."""
TERAFLOPS: dict[Precision, float] = {"fp32": 20.0, "tf32": 60.0, "amp-bf16": 90.0}
"""What the planted GPU does: a third of what is assumed of one that was never seen."""
PROCESS_SECONDS = 2.5
PROTOCOL = MeasurementProtocol(
    warmup_seconds=0.5, warmup_limit_seconds=5, sampling_seconds=2, energy_seconds=0
)


def planted(model: str, workload: Workload, precision: Precision, seconds: float | None = None) -> Record:
    """A process on that GPU: a step by its FLOPs, with samples that differ by 0.2%."""
    case = Case(model=model, workload=workload, device="cuda", precision=precision, batch=64)
    directions = 3 if workload == "training" else 1
    step = directions * 64 * GFLOPS[model] * 1e9 / (TERAFLOPS[precision] * 1e12)
    samples = [step * factor for factor in (0.998, 1.0, 1.002, 0.999, 1.001)]
    phase = whole(case)
    assert phase is not None
    time = Measurement(phase=phase, metric="device_time", unit="s", samples=samples)
    steps = 8 + 17 + (20 * (2 + 5 + 1) if workload == "inference" else 12 * (4 + 6 + 2))
    record = planted_records.record(case, time, environment=planted_records.GPU_MACHINE)
    return structs.replace(
        record, protocol=PROTOCOL, seconds=seconds or PROCESS_SECONDS + max(0.5, steps * step)
    )


def run() -> list[Record]:
    return [
        planted(model, workload, precision)
        for model, workload, precision in itertools.product(GFLOPS, WORKLOADS, TERAFLOPS)
    ]


def total(costs: Costs) -> float:
    return sum(case_seconds(record.case, record.protocol, costs) for record in run())


def test_an_estimate_by_fitted_costs_is_within_half_as_much_again() -> None:
    """And that of the costs before is not: otherwise the fit would be of no use."""
    before = devices.traits("cuda").costs
    truth = sum(record.seconds or 0 for record in run())
    assert total(before) < truth / 1.5
    fitted = costs_from(run(), before)
    assert truth / 1.5 < total(fitted) < 1.5 * truth


def test_rates_and_noise_are_those_of_the_records() -> None:
    fitted = costs_from(run(), devices.traits("cuda").costs)
    for precision, rate in TERAFLOPS.items():
        arithmetic: Precision = "bf16" if precision == "amp-bf16" else precision
        assert fitted.flops_per_second[arithmetic] == pytest.approx(rate * 1e12, rel=0.1)
    assert fitted.noise == pytest.approx(0.0016, rel=0.05)
    assert fitted.source == "24 records of Test GPU"
    assert fitted.flops_per_second["fp16"] == devices.traits("cuda").costs.flops_per_second["fp16"]


def test_compiling_and_ceilings_are_those_of_the_records() -> None:
    compiled = planted("alexnet", "inference", "fp32", seconds=40.0)
    compiled = structs.replace(
        compiled,
        case=structs.replace(compiled.case, engine="compile"),
        measurements=[
            *compiled.measurements,
            planted_records.fact("model", "compile_cold", 24.0, "s"),
            planted_records.fact("model", "compile_warm", 4.0, "s"),
        ],
    )
    ceiling = structs.replace(
        planted_records.record(Case(model="ceilings", workload="ceiling")), seconds=33.0
    )
    fitted = costs_from([*run(), compiled, ceiling], devices.traits("cuda").costs)
    assert (fitted.compile_seconds, fitted.recompile_seconds) == (24 / 8, 4 / 8)
    assert fitted.ceiling_seconds == 33


def test_what_failed_or_was_not_timed_says_nothing() -> None:
    costs = devices.traits("cuda").costs
    failed = [structs.replace(record, status="oom") for record in run()]
    old = [structs.replace(record, seconds=None) for record in run()]
    assert costs_from([*failed, *old], costs) == costs
