"""Figures that cannot all be right, found beyond their intervals."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.schema.layer_phases import Layer
from bench.schema.record import Record
from reports.analysis import contradictions
from reports.analysis.layer_shares import layers_of
from reports.analysis.measured_ceilings import ceilings_of
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_ceilings import ceilings

CASE = Case(model="lenet5", threads=2)


def layers(gap: float) -> list[Record]:
    """Layers that sum to so much more than their step, in two processes."""
    return [
        planted_records.record(
            structs.replace(CASE, replicate=number),
            planted_records.time("layers", 0.1, "whole_time"),
            planted_records.time("layers", 0.1 * (1 + gap), "sum_time"),
            planted_records.fact("layers", "sum_over_whole", 1 + gap, "1"),
        )
        for number in (1, 2)
    ]


def gaps(folder: Path, records: list[Record]) -> list[float]:
    summary = summarise([planted_records.write(folder, records)])
    found = layers_of(summary.figures, ceilings_of(summary))
    return [each.gap for each in contradictions.layers_apart(found, summary.figures)]


def test_layers_that_do_not_sum_to_their_step(tmp_path: Path) -> None:
    """Within 5% marks and profilers explain the difference."""
    assert gaps(tmp_path / "close", layers(0.04)) == []
    (gap,) = gaps(tmp_path / "apart", layers(0.3))
    assert round(gap, 2) == 0.3


def test_a_printed_sum_that_differs_from_its_step_is_one_too(tmp_path: Path) -> None:
    """Step by step the sums agree with their steps; the medians of the layers add up to half."""
    layer = structs.replace(planted_records.time("forward", 0.05, "layer_time"), layer=Layer("fc1", "Linear"))
    records = [structs.replace(each, measurements=[*each.measurements, layer]) for each in layers(0.0)]
    (gap,) = gaps(tmp_path, records)
    assert -0.5 <= gap < -0.4


def test_a_step_beside_its_layers_is_compared_with_the_cases_own_time(tmp_path: Path) -> None:
    """0.1 s beside the layers, and 0.2 s in processes that agree."""
    own = planted_records.replicates(CASE, [0.2, 0.2])
    both = [
        structs.replace(one, measurements=[*one.measurements, *other.measurements])
        for one, other in zip(layers(0.0), own, strict=True)
    ]
    (gap,) = gaps(tmp_path, both)
    assert gap < -0.4


def test_peaks_of_two_runs_that_differ(tmp_path: Path) -> None:
    """100 and 40 GFLOP/s on one machine: one of the runs was disturbed."""
    idle = planted_records.write(tmp_path / "idle", [ceilings(flops_per_second=100e9)])
    slow = ceilings(flops_per_second=100e9)
    times = [
        structs.replace(m, samples=[2.5 * sample for sample in m.samples]) if m.metric == "wall_time" else m
        for m in slow.measurements
    ]
    again = structs.replace(slow.case, replicate=2)
    busy = planted_records.write(tmp_path / "busy", [structs.replace(slow, case=again, measurements=times)])
    drop = contradictions.peak_drop(ceilings_of(summarise([busy, idle])))
    assert drop is not None
    assert (drop.high, drop.low) == (1, 0)
    assert round(drop.times, 1) == 2.5
    assert contradictions.peak_drop(ceilings_of(summarise([idle]))) is None
