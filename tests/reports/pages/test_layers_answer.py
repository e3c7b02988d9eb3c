"""The first screen of layers: what it claims of planted times, and what it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.layer_phases import ALL_LAYERS, KERNEL, Layer
from bench.schema.record import Record
from reports.analysis.layer_headroom import gap_of, headrooms, kind_of, kind_shares
from reports.analysis.layer_shares import Layers, layers_of
from reports.analysis.measured_ceilings import ceilings_of, is_ceiling
from reports.document import Answer
from reports.pages import layers_answer, run_report
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_ceilings import ceilings
from tests.planted.planted_layer_times import CASE, FIRST, MS, SECOND, eager, layer, together
from tests.planted.shown_cells import rows_of


def found(tmp_path: Path, *records: Record) -> tuple[Layers, ...]:
    summary = summarise([planted_records.write(tmp_path, records)])
    networks = [figure for figure in summary.figures if not is_ceiling(figure)]
    return layers_of(networks, ceilings_of(summary))


def answered(tmp_path: Path, *records: Record, alarms: tuple[str, ...] = ()) -> Answer:
    return layers_answer.answer("a machine", alarms, found(tmp_path, *records))[1]


def test_the_headline_says_the_step_its_largest_kind_and_its_share_of_the_peak(tmp_path: Path) -> None:
    """60 of 98 ms are convolution; 3.003 GFLOP in 98 ms are 31% of 100 GFLOP/s; 100 ms of layers are 102%."""
    told = answered(tmp_path, eager(), ceilings())
    assert told.headlines == (
        "AlexNet training, batch 8: a step takes 98.0 ms †, 61% of it in convolution; 31% of measured peak "
        "compute (fp32). The layers add up to 102% of the step.",
    )
    assert told.next_step is not None
    assert told.next_step.command == "convbench best alexnet --workload training --device cpu --batch 8"


def test_a_step_above_the_measured_peak_has_no_share_of_it(tmp_path: Path) -> None:
    """3.003 GFLOP in 98 ms are 31 GFLOP/s."""
    told = answered(tmp_path, eager(), ceilings(flops_per_second=20e9))
    assert "peak" not in told.headlines[0]


def test_bars_are_the_shares_by_kind(tmp_path: Path) -> None:
    chart = answered(tmp_path, eager()).chart
    assert chart is not None
    shares = {row.label: row.bars[0].value for row in chart.rows if row.bars[0]}
    assert shares["convolution"] == pytest.approx(100 * 60 / 98)
    assert shares["linear"] == pytest.approx(100 * 27 / 98)
    assert shares["optimizer"] == pytest.approx(100 * 10 / 98)
    assert shares["rest"] == pytest.approx(100 * 3 / 98)
    assert "Flatten" not in shares


def test_the_layer_that_would_save_the_most_comes_first(tmp_path: Path) -> None:
    table = answered(tmp_path, eager(), ceilings()).table
    assert table is not None
    rows = rows_of(table)
    assert [row["layer"] for row in rows] == ["conv1", "fc1"]
    assert (rows[0]["% of limit"], rows[0]["could save (ms)"]) == ("50% compute", "30.00")
    assert (rows[1]["% of limit"], rows[1]["could save (ms)"]) == ("89% memory", "3.000")


def test_without_a_peak_nothing_is_said_of_limits_and_the_next_command_measures_it(tmp_path: Path) -> None:
    told = answered(tmp_path, eager())
    assert "peak" not in told.headlines[0]
    assert told.table is not None
    assert told.table.title == "Longest layers"
    assert "could save (ms)" not in told.table.columns
    assert told.next_step is not None
    assert told.next_step.command.startswith("convbench layers alexnet --workload training")


def test_an_unresolved_step_has_no_shares(tmp_path: Path) -> None:
    measured = [
        structs.replace(each, samples=[20 * MS, 40 * MS, 60 * MS, 98 * MS, 140 * MS, 300 * MS, 500 * MS])
        if (each.phase, each.metric) == (ALL_LAYERS, "whole_time")
        else each
        for each in eager().measurements
    ]
    told = answered(tmp_path, planted_records.record(CASE, *measured), ceilings())
    assert "so no share of it is certain" in told.headlines[0]
    assert "%" not in told.headlines[0].replace("25%", "")
    assert told.chart is None
    assert told.next_step is not None
    assert "--replicates 3" in told.next_step.command


def test_an_unresolved_layer_is_in_no_ranking(tmp_path: Path) -> None:
    wide = [each * MS for each in (10, 20, 40, 60, 90, 140, 200)]
    measured = [
        structs.replace(each, samples=wide) if (each.layer, each.metric) == (FIRST, "layer_time") else each
        for each in eager().measurements
    ]
    table = answered(tmp_path, planted_records.record(CASE, *measured), ceilings()).table
    assert table is not None
    assert "conv1" not in [row["layer"] for row in rows_of(table)]
    assert "1 layer is without a resolved time." in table.notes


def test_several_cases_have_a_row_each_and_are_not_ranked(tmp_path: Path) -> None:
    other = structs.replace(CASE, model="vgg11")
    second = structs.replace(eager(), case=other)
    told = answered(tmp_path, eager(), second, ceilings())
    assert len(told.headlines) == 2
    assert told.table is not None
    assert [row["case"] for row in rows_of(told.table)] == [
        "AlexNet training, batch 8",
        "VGG-11 training, batch 8",
    ]
    assert told.chart is not None
    assert told.chart.series == ("AlexNet", "VGG-11")


@pytest.mark.parametrize(
    ("sum_ms", "whole_ms", "is_beyond"),
    [(100, 98, False), (100, 96, False), (100, 60, True), (100, 150, True)],
)
def test_the_sum_contradicts_the_step_only_beyond_five_percent_and_the_intervals(
    tmp_path: Path, sum_ms: float, whole_ms: float, is_beyond: bool
) -> None:
    others = [each for each in eager().measurements if each.phase != ALL_LAYERS]
    record = planted_records.record(CASE, *others, *together(sum_ms, whole_ms))
    (layers,) = found(tmp_path, record)
    gap = gap_of(layers)
    assert gap.is_beyond == is_beyond
    assert (gap.added, gap.whole) == pytest.approx((sum_ms * MS, whole_ms * MS))


@pytest.mark.parametrize(("whole_ms", "words"), [(150, "% less than"), (60, "% more than")])
def test_a_contradicting_sum_is_told_without_a_sign(tmp_path: Path, whole_ms: float, words: str) -> None:
    others = [each for each in eager().measurements if each.phase != ALL_LAYERS]
    record = planted_records.record(CASE, *others, *together(100, whole_ms))
    built = run_report.build([planted_records.write(tmp_path, [record])])
    assert built.answer is not None
    (alarm,) = built.answer.alarms
    told = rf"The layers of AlexNet training, batch 8 add up to at least \d+{words} the whole step: .*"
    assert re.fullmatch(told, alarm)


def test_a_gpu_that_idles_between_the_kernels_of_a_graph_contradicts_nothing(tmp_path: Path) -> None:
    case = structs.replace(CASE, device="cuda", engine="compile", workload="inference", threads=1)
    record = planted_records.record(
        case,
        planted_records.time("forward", 30 * MS),
        *layer("forward", Layer("fused", KERNEL), 10),
        *together(10, 30),
        environment=planted_records.GPU_MACHINE,
    )
    (layers,) = found(tmp_path, record)
    assert not gap_of(layers).is_beyond


def test_an_alarm_asks_to_measure_again(tmp_path: Path) -> None:
    told = answered(tmp_path, eager(), ceilings(), alarms=("busy",))
    assert told.alarms == ("busy",)
    assert told.next_step is not None
    assert told.next_step.command.startswith("convbench layers alexnet")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Conv2d 3->64, 3x3", "convolution"),
        ("AdaptiveAvgPool2d 7x7", "average pooling"),
        ("MaxPool2d 2x2/2", "max pooling"),
        ("BatchNorm2d 64", "normalization"),
        ("LocalResponseNorm", "normalization"),
        ("Linear 4096->10", "linear"),
        ("ReLU", "ReLU"),
        (KERNEL, "fused kernels"),
    ],
)
def test_kinds_are_called_as_the_field_calls_them(kind: str, words: str) -> None:
    assert kind_of(Layer("a", kind)) == words


def test_headrooms_count_all_parts_of_a_step(tmp_path: Path) -> None:
    (layers,) = found(tmp_path, eager(), ceilings())
    first, second, *_ = headrooms(layers)
    assert (first.layer, second.layer) == (FIRST, SECOND)
    assert first.seconds == pytest.approx(60 * MS)
    assert first.limit_seconds == pytest.approx(30 * MS)
    assert sum(kind_shares(layers).values()) == pytest.approx(100 / 98)


def test_a_run_has_the_first_screen_of_what_was_measured(tmp_path: Path) -> None:
    """Layers alone, ceilings alone, and beside another case neither."""
    other = planted_records.record(structs.replace(CASE, model="vgg11"), planted_records.time("step", 0.1))
    titles = [
        run_report.build([planted_records.write(tmp_path / name, records)]).title
        for name, records in (
            ("layers", [eager(), ceilings()]),
            ("ceilings", [ceilings()]),
            ("both", [eager(), ceilings(), other]),
        )
    ]
    assert titles[:2] == ["AlexNet training, batch 8: time by layer", "Measured peak"]
    assert "by layer" not in titles[2]
