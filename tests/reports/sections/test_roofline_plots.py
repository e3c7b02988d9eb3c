"""Rooflines as data and as pictures."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import LAYOUTS, Case
from bench.schema.record import Record
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.utilisation import reached
from reports.document import Plot, Series, TableKey
from reports.drawing import plots
from reports.sections.roofline_plots import CROWDED, Point, Roof, roofline, roofline_plots
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_ceilings import ceilings, step

ROOF = Roof(label="fp32", flops_per_second=100e9, bytes_per_second=10e9)
HALF = Roof(label="bf16", flops_per_second=400e9, bytes_per_second=10e9)
CASE = Case(model="vgg11", batch=8, threads=2)


def plotted(tmp_path: Path, *records: Record) -> tuple[Plot, ...]:
    summary = summarise([planted_records.write(tmp_path, records)])
    return roofline_plots(reached(summary.figures, ceilings_of(summary)))


def lines(plot: Plot) -> list[Series]:
    return [series for series in plot.series if series.kind == "lines"]


def points(plot: Plot) -> list[Series]:
    return [series for series in plot.series if series.kind is None]


def test_a_roof_rises_with_the_bandwidth_to_its_corner() -> None:
    assert ROOF.corner == 10
    assert [ROOF.at(intensity) for intensity in (1, 10, 1000)] == [10e9, 100e9, 100e9]
    (roof,) = lines(roofline("t", "n", [ROOF], [Point(name="a", flops=1e9, bytes=1e9, seconds=1)]))
    assert (roof.x[0], roof.x[-1]) == (0.5, 20)
    assert roof.y[roof.x.index(10)] == 100
    assert roof.y[0] == 5
    assert max(roof.y) == 100


def test_points_stand_at_their_intensity_and_rate_in_the_colour_of_their_roof() -> None:
    found = roofline(
        "Layers",
        "layers",
        [ROOF, HALF],
        [
            Point(name="conv1", flops=60e9, bytes=2e9, seconds=1, roof="bf16"),
            Point(name="fc1", flops=4e9, bytes=8e9, seconds=2, roof="fp32"),
        ],
        under=TableKey("time"),
    )
    conv, fc = points(found)
    assert (conv.x, conv.y, conv.names, conv.hue) == ((30.0,), (60.0,), ("conv1",), 1)
    assert (fc.x, fc.y, fc.names, fc.hue) == ((0.5,), (2.0,), ("fc1",), 0)
    assert [(roof.label, roof.hue) for roof in lines(found)] == [("fp32", 0), ("bf16", 1)]
    assert "bf16: 400.0 GFLOP/s, 10.00 GB/s" in found.note
    assert (found.log_x, found.log_y, found.under) == (True, True, TableKey("time"))


def test_what_has_no_flops_has_no_place() -> None:
    found = roofline(
        "t",
        "n",
        [ROOF],
        [Point(name="a", flops=1e9, bytes=1e9, seconds=1), Point(name="pool", flops=0, bytes=1e9, seconds=1)],
    )
    assert [series.names for series in points(found)] == [("a",)]


@pytest.mark.slow
def test_it_is_drawn() -> None:
    found = roofline("t", "n", [ROOF, HALF], [Point(name="a", flops=1e9, bytes=1e9, seconds=1, roof="fp32")])
    assert plots.draw(found, "png").startswith(b"\x89PNG")
    without = roofline("t", "n", [ROOF, HALF], [Point(name="", flops=1e9, bytes=1e9, seconds=1, roof="fp32")])
    assert plots.draw(found, "svg") != plots.draw(without, "svg")


def test_networks_stand_under_the_ceilings_of_their_device(tmp_path: Path) -> None:
    cuda = structs.replace(CASE, device="cuda")
    (cpu, gpu) = plotted(
        tmp_path,
        step(CASE, planted_records.time("forward", 0.1), flops=6e9, moved=2e8),
        ceilings(),
        step(
            cuda,
            planted_records.time("forward", 0.01),
            flops=6e9,
            moved=2e8,
            environment=planted_records.GPU_MACHINE,
        ),
        ceilings(flops_per_second=1e12, device="cuda", environment=planted_records.GPU_MACHINE),
    )
    assert (cpu.name, cpu.under) == (
        "roofline-of-inference-on-cpu",
        TableKey("utilisation", ("inference", "cpu")),
    )
    assert gpu.name == "roofline-of-inference-on-cuda"
    (point,) = points(cpu)
    assert [*point.x, *point.y] == pytest.approx([30, 60])
    assert point.names == ("vgg11",)
    assert max(lines(gpu)[0].y) == pytest.approx(1000)


def test_the_fastest_of_one_network_and_batch_is_named(tmp_path: Path) -> None:
    last = structs.replace(CASE, layout="channels-last")
    (plot,) = plotted(
        tmp_path,
        step(CASE, planted_records.time("forward", 0.1), flops=6e9, moved=2e8),
        step(last, planted_records.time("forward", 0.08), flops=6e9, moved=2e8),
        ceilings(),
    )
    (series,) = points(plot)
    assert sorted(series.names) == ["", "vgg11, channels-last"]


def test_many_points_stand_apart_by_dtype(tmp_path: Path) -> None:
    cases = [
        structs.replace(CASE, model=model, batch=batch, layout=layout, precision=precision)
        for model, batch, layout, precision in product(
            ("vgg11", "vgg16"), (1, 8, 64), LAYOUTS, ("fp32", "bf16")
        )
    ]
    assert len(cases) > CROWDED
    found = plotted(
        tmp_path,
        *(step(case, planted_records.time("forward", 0.1), flops=6e9, moved=2e8) for case in cases),
        ceilings(),
        ceilings(flops_per_second=400e9, precision="bf16"),
    )
    assert [plot.name for plot in found] == [
        "roofline-of-inference-on-cpu-fp32",
        "roofline-of-inference-on-cpu-bf16",
    ]
    assert [len(lines(plot)) for plot in found] == [1, 1]
    assert all(sum(len(series.x) for series in points(plot)) == 12 for plot in found)


def test_without_ceilings_or_counts_there_is_none(tmp_path: Path) -> None:
    one = step(CASE, planted_records.time("forward", 0.1), flops=6e9, moved=2e8)
    assert plotted(tmp_path / "a", one) == ()
    assert plotted(tmp_path / "b", *planted_records.replicates(CASE, [0.1]), ceilings()) == ()
