"""The samples behind the latencies: which are kept, of which step, and what the picture says of them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import Measurement, Record
from reports.document import Plot
from reports.drawing import plots
from reports.pages.run_report import build
from reports.sections.distribution_plots import CASES_SHOWN, ROWS_IN_A_PLOT, distribution_plots
from reports.sections.latency_tables import key_of
from reports.summary.pooling import PROCESSES_SPREAD, summarise
from tests.planted import planted_records

VGG = Case(model="vgg11", batch=8)


def of(folder: Path, *records: Record) -> list[Plot]:
    return list(distribution_plots(summarise([planted_records.write(folder, records)])))


def stream(case: Case, samples: list[float], phase: Phase = "forward", metric: str = "wall_time") -> Record:
    return planted_records.record(case, Measurement(phase=phase, metric=metric, unit="s", samples=samples))


def test_few_samples_are_all_shown_relative_to_the_figure(tmp_path: Path) -> None:
    (plot,) = of(tmp_path, stream(VGG, [0.3, 0.1, 0.2, 0.2, 0.4]))
    (row,) = plot.series
    assert row.x == pytest.approx((0.5, 1.0, 1.0, 1.5, 2.0))
    assert set(row.y) == {1.0}
    assert row.label == "vgg11: 200 ms"
    assert (plot.kind, plot.under) == ("strips", key_of("inference", "cpu"))


def test_of_many_samples_every_twentieth_is_kept_with_the_extremes(tmp_path: Path) -> None:
    """Of 1 ... 2001 ms in any order: 1, 101, 201, ..., 2001 over the median 1001."""
    samples = [(7 * n % 2001 + 1) / 1000 for n in range(2001)]
    ((row,),) = (plot.series for plot in of(tmp_path, stream(VGG, samples)))
    assert [1001 * x for x in row.x] == pytest.approx([1 + 100 * n for n in range(21)])


def test_one_sample_is_a_distribution_too(tmp_path: Path) -> None:
    ((row,),) = (plot.series for plot in of(tmp_path, stream(VGG, [0.5])))
    assert row.x == (1.0,)


def test_each_process_has_a_line_up_to_a_few(tmp_path: Path) -> None:
    (plot,) = of(tmp_path, *planted_records.replicates(VGG, [0.1] * (PROCESSES_SPREAD + 5)))
    (row,) = plot.series
    assert sorted(set(row.y)) == [float(n) for n in range(1, PROCESSES_SPREAD + 1)]
    assert len(row.x) == len(planted_records.SPREAD) * PROCESSES_SPREAD


def test_only_the_whole_step_by_the_devices_own_clock(tmp_path: Path) -> None:
    train, cuda = structs.replace(VGG, workload="training"), structs.replace(VGG, device="cuda")
    parts = [planted_records.time("forward", 0.3), planted_records.time("step", 1.0)]
    clocks = [planted_records.time("forward", 0.01), planted_records.time("forward", 0.008, "device_time")]
    failed = planted_records.record(
        structs.replace(train, batch=16), planted_records.time("step", 2.0), status="oom", reason="too large"
    )
    found = of(tmp_path, planted_records.record(train, *parts), planted_records.record(cuda, *clocks), failed)
    assert {plot.under: [row.label for row in plot.series] for plot in found} == {
        key_of("training", "cpu"): ["vgg11: 1,000 ms †"],
        key_of("inference", "cuda"): ["vgg11: 8.00 ms †"],
    }
    assert [plot.x_label for plot in found] == [
        "device time of a forward / the case's figure",
        "wall time of a step / the case's figure",
    ]


def test_every_plot_stands_under_a_table_of_the_report(tmp_path: Path) -> None:
    document = build([planted_records.write(tmp_path, planted_records.example())])
    samples = [plot for plot in document.plots if plot.kind == "strips"]
    tables = [table for plot in samples for table in document.tables if plot in document.plots_under(table)]
    assert {table.title for table in tables} == {
        "Inference on cpu",
        "Inference on cuda",
        "Training on cpu",
    }
    assert len(tables) == len(samples)


def test_rows_are_told_apart_by_what_varies_and_names_are_bounded(tmp_path: Path) -> None:
    cases = [VGG, structs.replace(VGG, precision="bf16"), structs.replace(VGG, model="model-" * 80)]
    (plot,) = of(tmp_path, *(stream(case, [0.1, 0.1]) for case in cases))
    labels = [row.label for row in plot.series]
    assert labels[:2] == ["vgg11, fp32: 100 ms", "vgg11, bf16: 100 ms"]
    assert len(labels[2]) < 80
    assert plots.draw(plot, "png").startswith(b"\x89PNG")


def test_many_cases_make_few_pictures_and_the_note_says_so(tmp_path: Path) -> None:
    cases = [structs.replace(VGG, batch=n) for n in range(1, CASES_SHOWN + 3)]
    found = of(tmp_path, *(stream(case, [0.1, 0.2]) for case in cases))
    assert [len(plot.series) for plot in found] == [ROWS_IN_A_PLOT, CASES_SHOWN - ROWS_IN_A_PLOT]
    assert len({plot.name for plot in found}) == 2
    assert f"The first {CASES_SHOWN} of {CASES_SHOWN + 2} cases." in found[0].note


def test_samples_far_apart_stand_on_a_logarithmic_axis(tmp_path: Path) -> None:
    near, far = ([0.1, 0.1, 0.19], [0.1, 0.1, 0.21])
    assert not of(tmp_path / "near", stream(VGG, near))[0].log_x
    assert of(tmp_path / "far", stream(VGG, far))[0].log_x
    assert not of(tmp_path / "zero", stream(VGG, [0.0, 0.1, 0.1]))[0].log_x


def test_rows_are_drawn_from_the_top_and_samples_from_left_to_right(tmp_path: Path) -> None:
    """The slow tail of the second row is dark in the lower right quarter of the rows, and nowhere else."""
    from matplotlib.image import imread

    narrow, tailed = VGG, structs.replace(VGG, batch=16)
    records = [
        stream(narrow, [0.1] * 21),
        stream(tailed, [0.1] * 11 + [0.1 + 0.004 * n for n in range(1, 11)]),
    ]
    (plot,) = of(tmp_path, *records)
    image = imread(io.BytesIO(plots.draw(structs.replace(plot, title="", note=""), "png")))
    blue = (image[..., 2] - image[..., 0] > 0.2).nonzero()
    rows, columns = blue
    upper = rows < (rows.min() + rows.max()) / 2
    assert columns[upper].max() < columns[~upper].max() - 200
    assert abs(columns[upper].mean() - columns[~upper].min()) < 30
