"""The memory ledger drawn: the bars of a case add up to its peak."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Record
from reports.document import Document
from reports.drawing import plots
from reports.pages.run_report import build
from reports.sections.ledger_plots import CASES_SHOWN
from tests.planted import planted_records

MIB = 2**20
TRAIN = Case(model="vgg11", workload="training", device="cuda", threads=2, batch=8)
SIZES = {
    "weights": 500,
    "gradients": 300,
    "buffers": 0,
    "saved_activations": 700,
    "workspace": 256,
    "peak": 1800,
}


def record(case: Case, **sizes: float) -> Record:
    """In MiB; a residual of 44 unless said otherwise."""
    named = SIZES | sizes
    facts = (planted_records.fact("backward", f"ledger_{name}", size * MIB) for name, size in named.items())
    return planted_records.record(case, *facts, environment=planted_records.GPU_MACHINE)


def report(folder: Path, *records: Record) -> Document:
    return build([planted_records.write(folder, records)])


def test_the_kinds_add_up_to_the_peak_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    larger = structs.replace(TRAIN, batch=16)
    document = report(tmp_path, record(TRAIN), record(larger, saved_activations=1400, peak=2500))
    (plot,) = (plot for plot in document.plots if plot.name.startswith("ledger"))
    assert {series.label: series.x for series in plot.series} == {
        "weights": (500.0, 500.0),
        "gradients": (300.0, 300.0),
        "saved activations": (700.0, 1400.0),
        "workspace": (256.0, 256.0),
        "residual": (44.0, 44.0),
    }
    assert {series.names for series in plot.series} == {("vgg11, batch 8", "vgg11, batch 16")}
    assert [table.title for table in document.tables if plot in document.plots_under(table)] == [
        "Peak memory by kind, training on cuda (MiB)"
    ]
    assert plots.draw(plot, "png").startswith(b"\x89PNG")


def test_without_a_ledger_there_is_no_picture(tmp_path: Path) -> None:
    document = report(tmp_path, *planted_records.replicates(Case(model="vgg11"), [0.1]))
    assert not [plot for plot in document.plots if plot.kind == "bars"]


def test_of_many_cases_the_first_are_drawn_and_the_note_says_so(tmp_path: Path) -> None:
    cases = [structs.replace(TRAIN, batch=n) for n in range(1, CASES_SHOWN + 2)]
    document = report(tmp_path, *map(record, cases))
    (plot,) = (plot for plot in document.plots if plot.kind == "bars")
    assert {len(series.x) for series in plot.series} == {CASES_SHOWN}
    assert plot.note == f"The first {CASES_SHOWN} of {CASES_SHOWN + 1} cases."
