"""Published rows next to planted measurements of the same work, and no others."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.schema.case import Case, Precision
from bench.schema.record import Record
from models import catalogue
from models.arch import Dropout
from reports import formats
from reports.cells import Scalar
from reports.document import Document
from reports.drawing import plots
from reports.history import then_and_now
from reports.history.history_report import PLOT_NAME, document
from reports.history.then_and_now import OURS, Published, case_of, processes, published, step_flops, too_long
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.shown_cells import shown


def row_of(model: str, library: str, device: str = "Titan X (Maxwell)") -> Published:
    return next(
        row for row in published() if (row.model, row.library, row.device) == (model, library, device)
    )


CUDNN = row_of("alexnet-owt", "cuDNN R4 fp32 (Torch)")
CUDNN_HALF = row_of("alexnet-owt", "cuDNN R4 fp16 (Torch)")


def measured(case: Case, forward: float, backward: float, processes: int = 1) -> list[Record]:
    """Seconds; the optimizer and the whole step, which no old table has, are long."""
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            planted_records.time("forward", forward),
            planted_records.time("backward", backward),
            planted_records.time("optimizer", 100.0),
            planted_records.time("step", 200.0),
            environment=planted_records.GPU_MACHINE,
        )
        for number in range(1, processes + 1)
    ]


def built(folder: Path, records: Sequence[Record]) -> Document:
    return document(summarise([planted_records.write(folder, records)]))


def rows_with(page: Document, **fields: Scalar) -> list[dict[str, Scalar]]:
    return [row for row in page.rows if fields.items() <= row.items()]


def test_every_row_of_the_file_is_read_as_it_stands() -> None:
    lines = (
        Path(then_and_now.__file__)
        .with_name("published_latencies.csv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    raw = list(csv.DictReader(lines))
    assert len(published()) == len(raw) == 37
    assert (CUDNN.year, CUDNN.batch, CUDNN.forward_ms, CUDNN.backward_ms, CUDNN.total_ms) == (
        2016,
        128,
        27,
        53,
        81,
    )
    assert (CUDNN.precision, CUDNN_HALF.precision) == ("fp32", "fp16")
    assert [row.precision for row in published()] == [row["precision"] for row in raw]
    assert {row.model for row in published()} == set(OURS)


def test_the_work_is_theirs_without_dropout() -> None:
    case = case_of(CUDNN, "cuda", "fp32", 4)
    assert (case.model, case.workload, case.batch, case.image) == ("alexnet+dropout=0", "training", 128, 224)
    for model in OURS.values():
        arch = catalogue.arch_of(model)
        assert arch is not None
        assert not any(isinstance(layer, Dropout) for layer in arch.layers)


def test_a_processor_takes_the_shortest_steps_first_and_leaves_out_the_longest() -> None:
    cases = processes("cpu", 2, 2)
    flops = [step_flops(case) for case in cases if case.replicate == 1]
    assert flops == sorted(flops)
    assert [case.replicate for case in cases] == sorted(case.replicate for case in cases)
    assert {case.model for case in cases} == {
        "alexnet-grouped+dropout=0",
        "alexnet+dropout=0",
        "vgg16+dropout=0",
    }
    on_gpu = processes("cuda", 2, 1)
    assert {case.model for case in on_gpu} == set(OURS.values())
    assert {case.precision for case in on_gpu} == {"fp32", "tf32", "amp-fp16", "amp-bf16"}
    assert not any(too_long(case) for case in on_gpu)


def test_the_arithmetic_of_a_step_is_three_forward_passes_but_for_the_images() -> None:
    """AlexNet: 0.714 GMAC an image; the first convolution needs no gradient of its input."""
    first = 2 * 64 * 55 * 55 * 3 * 11 * 11
    forward = 2 * 714_188_480
    assert step_flops(case_of(CUDNN, "cpu", "fp32", 1)) == 128 * (3 * forward - first)


def test_the_speed_up_is_of_forward_and_backward_alone(tmp_path: Path) -> None:
    case = case_of(CUDNN, "cuda", "fp32", 2)
    page = built(tmp_path, measured(case, 0.001, 0.002, processes=3))
    [row] = rows_with(page, model="alexnet-owt", library="cuDNN R4 fp32 (Torch)")
    assert row["speed_up"] == pytest.approx(27.0)  # 81 ms over 3 ms
    assert isinstance(row["low"], float)
    assert 20 < row["low"] < 27.0
    assert row["here_total_ms"] == pytest.approx(3.0)
    assert (row["same_precision"], row["processes"]) == ("yes", 3)
    [other] = rows_with(page, model="vgg16", library="cuDNN 5.1.10 (Torch)")
    assert other["speed_up"] is None
    assert other["processes"] == 0


def test_the_interval_is_that_of_the_processes(tmp_path: Path) -> None:
    case = case_of(CUDNN, "cuda", "fp32", 2)
    records = [
        structs.replace(measured(case, seconds, 2 * seconds)[0], case=structs.replace(case, replicate=number))
        for number, seconds in enumerate((0.001, 0.0012, 0.0014), start=1)
    ]
    [row] = rows_with(built(tmp_path, records), library="cuDNN R4 fp32 (Torch)", model="alexnet-owt")
    assert isinstance(row["low"], float)
    assert isinstance(row["high"], float)
    assert isinstance(row["speed_up"], float)
    assert row["low"] < row["speed_up"] < row["high"]
    # what the run leads to expect is that of the whole step, whose own processes do not differ
    [step] = [f for f in summarise([tmp_path]).figures if (f.phase, f.metric) == ("step", "wall_time")]
    assert step.interval is not None
    assert step.interval.parts is not None
    prior, own = step.interval.parts, np.var(np.log([0.003, 0.0036, 0.0042]), ddof=1)
    pooled = (prior.prior_freedom * prior.prior_sd**2 + 2 * own) / (prior.prior_freedom + 2)
    half = oracle.t.ppf(0.975, prior.prior_freedom + 2) * np.sqrt(pooled / 3)
    assert row["high"] / row["speed_up"] == pytest.approx(np.exp(half))


def test_what_is_not_resolved_here_has_no_speed_up(tmp_path: Path) -> None:
    case = case_of(CUDNN, "cuda", "fp32", 2)
    records = [
        structs.replace(measured(case, seconds, 2 * seconds)[0], case=structs.replace(case, replicate=number))
        for number, seconds in enumerate((0.001, 0.002, 0.004), start=1)
    ]
    page = built(tmp_path, records)
    [table] = [each for each in page.tables if any(row[0] == "now" for row in each.rows)]
    here = next(row for row in table.rows if row[0] == "now")
    assert [shown(cell) for cell in here[4:6]] == ["?", "?"]
    assert str(shown(here[6])).startswith("not resolved (")
    published_row = next(row for row in table.rows if row[2] == CUDNN.library)
    assert str(shown(published_row[7])).startswith("not resolved (")
    assert shown(published_row[8]) == "not resolved (fp32)"


@pytest.mark.parametrize(
    ("precision", "fp32", "fp16"),
    [("fp32", "yes", "no"), ("tf32", "no", "no"), ("amp-fp16", "no", "yes"), ("amp-bf16", "no", "no")],
)
def test_only_the_same_precision_is_the_same(
    tmp_path: Path, precision: Precision, fp32: str, fp16: str
) -> None:
    page = built(tmp_path, measured(case_of(CUDNN, "cuda", precision, 2), 0.001, 0.002))
    found = {row["library"]: row["same_precision"] for row in rows_with(page, model="alexnet-owt")}
    assert (found[CUDNN.library], found[CUDNN_HALF.library]) == (fp32, fp16)


def test_the_table_has_the_same_precision_and_the_fastest_here(tmp_path: Path) -> None:
    full, half = (case_of(CUDNN, "cuda", precision, 2) for precision in ("fp32", "amp-bf16"))
    page = built(tmp_path, [*measured(full, 0.001, 0.002), *measured(half, 0.0005, 0.001)])
    table = next(each for each in page.tables if each.title.startswith("AlexNet, batch"))
    rows = [tuple(map(shown, row)) for row in table.rows]
    line = next(row for row in rows if row[2] == CUDNN.library)
    assert line[-2:] == ("27.00x", "54.00x (amp-bf16)")
    line = next(row for row in rows if row[2] == CUDNN_HALF.library)
    assert line[-2:] == (None, "47.33x (amp-bf16)")
    here = [row for row in table.rows if row[0] == "now"]
    assert [row[3] for row in here] == ["amp-bf16", "fp32"]
    other = next(each for each in page.tables if each.title.startswith("VGG-16"))
    assert any("Not measured here: vgg16+dropout=0" in note for note in other.notes)


@pytest.mark.parametrize(
    "other", [{"model": "alexnet"}, {"batch": 64}, {"image": 227}, {"workload": "inference"}, {"classes": 10}]
)
def test_other_work_is_not_compared(tmp_path: Path, other: dict[str, object]) -> None:
    case = structs.replace(case_of(CUDNN, "cuda", "fp32", 2), **other)
    page = built(tmp_path, measured(case, 0.001, 0.002))
    assert not [row for row in page.rows if row["speed_up"] is not None]
    assert page.answer is not None
    assert "none of them was measured here" in page.answer.headlines[0]
    assert not page.plots


def test_the_plot_has_a_point_for_each_row_of_the_same_precision(tmp_path: Path) -> None:
    page = built(tmp_path / "run", measured(case_of(CUDNN, "cpu", "fp32", 2), 1.0, 2.0))
    [plot] = page.plots
    [series] = plot.series
    rows = [row for row in published() if row.model == "alexnet-owt" and row.precision == "fp32"]
    assert plot.log_y
    assert series.x == tuple(row.year for row in rows)
    assert series.y == pytest.approx([row.total_ms / 3000 for row in rows])
    assert "Measured on a CPU" in " ".join(page.text)
    plots.write(page, tmp_path / "plots")
    assert (tmp_path / "plots" / f"{PLOT_NAME}.svg").exists()


def test_every_format_shows_what_was_published() -> None:
    page = document(None)
    assert len(page.rows) == 37
    for name in formats.for_any():
        assert "cudaconvnet2" in formats.render(name, structs.replace(page, whole=True))
