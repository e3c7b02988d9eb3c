"""The report of jobs of several ranks, on planted parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.ranks import Traffic
from bench.schema.record import Record
from reports import formats
from reports.cells import readable
from reports.document import Document
from reports.pages import run_report
from tests.planted import planted_records
from tests.planted.planted_ranks import (
    ONE,
    WEAK,
    PlantedSize,
    strong_records,
    weak_records,
)

HOST = Case(model="vgg11", workload="training", device="cpu", batch=8)


def _report(folder: Path, records: list[Record]) -> Document:
    return run_report.build([planted_records.write(folder, records)])


def _table(document: Document, title: str) -> list[tuple[str, ...]]:
    (found,) = (each for each in document.tables if title in each.title)
    return [tuple(readable(cell) for cell in row) for row in found.rows]


@pytest.fixture
def weak(tmp_path: Path) -> Document:
    return _report(tmp_path, weak_records())


def test_the_headline_says_what_eight_give_and_what_is_lost(weak: Document) -> None:
    assert weak.answer is not None
    assert weak.answer.headlines[0] == (
        "VGG-16, ddp, batch 32 a GPU: 8 GPUs do 7.37x the images of 1 (7.22x to 7.53x), efficiency 92%. "
        "Lost: exposed communication 5%, skew 3%."
    )
    assert weak.title == "VGG-16, ddp, batch 32 a GPU: scaling"


def test_what_limits_and_from_which_n_a_bigger_batch_pays(weak: Document) -> None:
    assert weak.answer is not None
    assert weak.answer.headlines[1] == (
        "At 8 GPUs the step loses most to exposed communication, 5%. "
        "From 8 GPUs on a bigger batch pays: it does not change what is sent."
    )


def test_a_prediction_is_called_one_and_says_how_far_it_is_off(weak: Document) -> None:
    assert weak.answer is not None
    prediction = weak.answer.headlines[2]
    assert prediction.startswith("Prediction for 16 GPUs: ")
    assert "At 1, 2, 4 and 8 the same formula is off by at most 1%." in prediction
    rows = _table(weak, "prediction")
    assert [row[0] for row in rows] == ["1", "2", "4", "8", "16 (predicted)"]


def test_a_row_for_each_number_of_ranks(weak: Document) -> None:
    rows = _table(weak, "by number of ranks")
    assert [row[0] for row in rows] == ["1", "2", "4", "8"]
    assert rows[3][6:10] == ("1,000", "30.00", "55.00", "100%")
    # 8 GPUs: 969 MB over a step of 1.085 s, of 10 GB/s
    assert rows[3][10:] == ("0.8926", "9%")


def test_losses_and_efficiency_are_the_whole(weak: Document) -> None:
    rows = _table(weak, "what is lost")
    efficiency, exposed, skew, compute, open_ = (float(cell.split(" ")[0]) for cell in rows[2][1:])
    assert efficiency + exposed + skew + compute + open_ == pytest.approx(100, abs=0.2)


def test_the_ceilings_are_those_of_the_sweep(weak: Document) -> None:
    rows = _table(weak, "What the links reach")
    assert ("all-reduce", "nccl", "8", "28.00", "10.00", "256.0") in rows


def test_efficiency_is_drawn_with_its_interval_and_the_parts_as_bars(weak: Document) -> None:
    curve, bars = (next(p for p in weak.plots if p.name == name) for name in ("efficiency-1", "parts-1"))
    (series,) = curve.series
    assert series.x == (1.0, 2.0, 4.0, 8.0)
    assert series.y[3] == pytest.approx(92.2, abs=0.1)
    assert series.low[3] < series.y[3] < series.high[3]
    assert [each.label for each in bars.series] == ["compute", "skew", "exposed communication"]
    assert bars.series[2].x == pytest.approx((0, 20, 40, 55))


def test_parts_that_do_not_add_up_are_an_alarm(tmp_path: Path) -> None:
    sizes = [PlantedSize(ranks=1), PlantedSize(ranks=2, exposed=0.02, gap=0.1)]
    found = _report(tmp_path, weak_records(sizes))
    assert found.answer is not None
    (alarm,) = found.answer.alarms
    assert "add up to 91% of the step" in alarm
    assert _table(found, "by number of ranks")[1][9] == "91% !"


def test_ranks_of_one_host_are_labelled(tmp_path: Path) -> None:
    sizes = [PlantedSize(ranks=1), PlantedSize(ranks=2, compute=1.25)]
    found = _report(tmp_path, weak_records(sizes, case=HOST))
    assert found.answer is not None
    assert found.answer.headlines[0] == (
        "VGG-11, ddp, batch 8 a rank: 2 ranks do 1.60x the images of 1 (1.57x to 1.63x), efficiency 80%. "
        "Lost: slower compute 20%."
    )
    assert found.answer.warnings.startswith("! Ranks share one machine's memory bandwidth and cores")


def test_strong_scaling_counts_the_part_that_does_not_shrink(tmp_path: Path) -> None:
    sizes = [
        PlantedSize(ranks=1, compute=1.0),
        PlantedSize(ranks=2, compute=0.55, exposed=0.05),
        PlantedSize(ranks=4, compute=0.325, exposed=0.075),
    ]
    found = _report(tmp_path, strong_records(sizes))
    assert found.answer is not None
    first, limit, _ = found.answer.headlines
    assert first.startswith("VGG-16, ddp, batch 32 in all: 4 GPUs do 2.50x the images of 1")
    assert "Lost: exposed communication 19%, slower compute 19%." in first
    assert "From 2 GPUs on a bigger batch pays" in limit


def test_a_strategy_that_always_communicates_says_so(tmp_path: Path) -> None:
    found = _report(tmp_path, strong_records([PlantedSize(ranks=1), WEAK[1]], strategy="fsdp", quiet=False))
    assert found.answer is not None
    assert found.answer.headlines[0].endswith(
        "Where the rest goes was not measured: fsdp gathers its weights in every step."
    )
    (table,) = (each for each in found.tables if "by number of ranks" in each.title)
    assert any("fsdp gathers its weights in every step" in note for note in table.footnotes)


def test_one_number_of_ranks_alone_has_no_speed_up(tmp_path: Path) -> None:
    found = _report(tmp_path, weak_records([WEAK[2]]))
    assert found.answer is not None
    assert "a step of 4 GPUs takes 1.06 s" in found.answer.headlines[0]
    assert found.answer.headlines[0].endswith("fewer were not measured.")


def test_weak_and_strong_runs_of_one_folder_are_apart(tmp_path: Path) -> None:
    records = weak_records(WEAK[:2]) + strong_records([PlantedSize(ranks=2, compute=0.55)])
    titles = [each.title for each in _report(tmp_path, records).tables if "by number of ranks" in each.title]
    assert titles == [
        "VGG-16, ddp, batch 32 a GPU: by number of ranks",
        "VGG-16, ddp, batch 32 in all: by number of ranks",
    ]


def test_a_run_without_ranks_has_the_usual_report(tmp_path: Path) -> None:
    found = _report(tmp_path, weak_records([PlantedSize(ranks=1)], case=ONE))
    assert "scaling" not in found.title
    assert not any(part == "scaling" for part in (each.name for each in found.parts))


@pytest.mark.parametrize("format_", ["terminal", "md", "html", "csv", "json"])
def test_every_format_shows_it(weak: Document, format_: str) -> None:
    text = formats.render(format_, weak)
    assert "vgg16" in text or "VGG-16" in text
    assert "ddp" in text


def test_one_job_a_size_is_marked(tmp_path: Path) -> None:
    records = [record for record in weak_records(WEAK[:2]) if record.case.replicate == 1]
    found = _report(tmp_path, records)
    assert found.answer is not None
    assert "2 GPUs do 1.94x † the images of 1, efficiency 97%." in found.answer.headlines[0]


def test_what_is_not_resolved_is_no_number(tmp_path: Path) -> None:
    """Two jobs of two ranks of which one takes four times as long."""
    fast, slow = (
        weak_records([PlantedSize(ranks=2, compute=compute, exposed=0.1)]) for compute in (1.0, 4.0)
    )
    one = weak_records([PlantedSize(ranks=1)])
    found = _report(tmp_path, [*one, fast[0], slow[1]])
    assert found.answer is not None
    first, *others = found.answer.headlines
    assert "the speed-up of 2 GPUs over 1 is not resolved" in first
    assert others == []
    (row,) = _table(found, "what is lost")
    assert row[2:] == ("?",) * 4
    alone, both = (dict(zip(found.tables[0].columns, row, strict=True)) for row in _table(found, "by number"))
    for name in ("images/s", "link", "of ceiling"):
        assert both[name] == "?"
    assert alone["images/s"] != "?"
    two = _report(tmp_path / "two", [fast[0], slow[1]])
    assert two.answer is not None
    assert "a step of 2 GPUs is not resolved" in two.answer.headlines[0]


def _scattered(one: tuple[float, ...], two: list[PlantedSize]) -> list[Record]:
    """Jobs of one rank that take so long, and jobs of two, of which each is another."""
    alone = [strong_records([PlantedSize(ranks=1, compute=each)], HOST)[at] for at, each in enumerate(one)]
    return [*alone, *(strong_records([size], HOST)[at] for at, size in enumerate(two))]


def test_what_costs_most_is_not_said_where_intervals_do_not_tell(tmp_path: Path) -> None:
    """Two losses of about the same size, of jobs that scatter."""
    two = [PlantedSize(ranks=2, compute=0.5 + each, exposed=0.32) for each in (0.2, 0.34, 0.4)]
    found = _report(tmp_path, _scattered((1.0, 1.01, 0.99), two))
    assert found.answer is not None
    told = found.answer.headlines[1]
    assert told.startswith("At 2 ranks it is not resolved what costs most: exposed communication (28%, ")
    assert ") or slower compute (27%, " in told


def test_a_batch_pays_only_beyond_the_interval(tmp_path: Path) -> None:
    """Exposed communication of 2%, 6% and 10% may be above or below a twentieth."""
    two = [PlantedSize(ranks=2, compute=0.94 - each, exposed=each) for each in (0.02, 0.06, 0.10)]
    found = _report(tmp_path, _scattered((1.0, 1.01, 0.99), two))
    assert found.answer is not None
    assert "Whether a bigger batch pays is not resolved" in found.answer.headlines[1]


def test_what_grows_with_the_batch_is_not_said_to_stay(tmp_path: Path) -> None:
    maps = Traffic("activations into the linear layers", "broadcast", 10**8, 2)
    records = [
        structs.replace(each, traffic=(*each.traffic, maps)) if each.traffic else each
        for each in weak_records()
    ]
    found = _report(tmp_path, records)
    assert found.answer is not None
    assert found.answer.headlines[1].endswith("pays: it does not change most of what is sent.")


def test_wide_intervals_do_not_cut_the_first_screen(tmp_path: Path) -> None:
    two = [PlantedSize(ranks=2, compute=each, exposed=0.3) for each in (0.7, 0.62, 0.51)]
    found = _report(tmp_path, _scattered((0.588, 0.686, 0.688), two))
    lines = formats.render("terminal", found).splitlines()
    (header,) = (line for line in lines if line.startswith("ranks"))
    assert header.split()[-3:] == ["compute", "skew", "exposed"]


def test_errors_of_opposite_sign_are_an_alarm(tmp_path: Path) -> None:
    two = [PlantedSize(ranks=2, compute=0.6, exposed=0.3, gap=each) for each in (-0.12, 0.0, 0.12)]
    found = _report(tmp_path, _scattered((1.0, 1.01, 0.99), two))
    assert found.answer is not None
    (alarm,) = found.answer.alarms
    assert "are 9% off the step on average" in alarm


def test_no_prediction_where_what_is_sent_changes_with_the_ranks(tmp_path: Path) -> None:
    records = [
        structs.replace(
            each, traffic=tuple(structs.replace(sent, calls=2 * each.case.ranks) for sent in each.traffic)
        )
        for each in weak_records()
    ]
    found = _report(tmp_path, records)
    assert found.answer is not None
    assert not any("Prediction" in told for told in found.answer.headlines)
    assert not any("prediction" in table.title for table in found.tables)


def test_links_are_by_the_sweeps_of_all_strategies(tmp_path: Path) -> None:
    """Of two strategies of which one found links three times as slow: the median of both."""
    slow = [
        structs.replace(
            each,
            links=tuple(
                structs.replace(link, seconds=tuple(3 * seconds for seconds in link.seconds))
                for link in each.links
            ),
        )
        for each in weak_records([WEAK[1]], strategy="fsdp")
    ]
    found = _report(tmp_path, [*weak_records(WEAK[:2]), *slow])
    (row,) = (row for row in _table(found, "What the links reach") if row[0] == "point-to-point")
    assert row[3] == "4.000"


def test_nothing_is_predicted_in_words_from_what_is_not_resolved(tmp_path: Path) -> None:
    """Of the most ranks one job takes four times as long."""
    fast, slow = (
        weak_records([PlantedSize(ranks=4, compute=compute, exposed=0.1)]) for compute in (1.0, 4.0)
    )
    found = _report(tmp_path, [*weak_records(WEAK[:2]), fast[0], slow[1]])
    assert found.answer is not None
    assert "is not resolved" in found.answer.headlines[0]
    assert not any("Prediction" in told for told in found.answer.headlines)
