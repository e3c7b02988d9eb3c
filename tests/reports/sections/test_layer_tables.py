"""The tables and pictures of layers, from planted records."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.layer_phases import BETWEEN, KERNEL, Layer
from bench.schema.record import Record
from reports import formats
from reports.cells import Scalar
from reports.compare import compare_report
from reports.document import Document, Plot, Table
from reports.drawing import plots
from reports.pages.run_report import build
from tests.planted import planted_records
from tests.planted.planted_ceilings import ceilings
from tests.planted.planted_layer_times import CASE, FIRST, MS, SECOND, eager, layer, together
from tests.planted.shown_cells import row_of, rows_of


def document(tmp_path: Path, *records: Record) -> Document:
    return build([planted_records.write(tmp_path, records)])


def the_table(found: Document, title: str) -> Table:
    return next(table for table in found.tables if table.title == title)


def cells(table: Table) -> dict[Scalar, dict[str, Scalar]]:
    """Of a table of layers: by the name of the layer, then by column."""
    return {row["layer"]: row for row in rows_of(table)}


def title(part: str, case: Case = CASE) -> str:
    """Of the table of FLOPs and bytes; without a part that of all layers."""
    name = f"AlexNet {case.workload}, batch {case.batch}"
    return f"{name}: {part}, FLOPs and bytes" if part else f"{name}: by layer"


def test_the_sum_stands_beside_the_whole_with_the_gap(tmp_path: Path) -> None:
    table = the_table(document(tmp_path, eager()), "Sum of the layers and the whole step")
    row = row_of(table)
    assert row["sum (ms)"] == pytest.approx(100)
    assert row["whole step (ms)"] == "98.00 †"
    assert row["gap"] == "+2.0%"
    assert [row[f"{part} (ms)"] for part in ("forward", "backward", "optimizer")] == pytest.approx(
        [32, 58, 10]
    )


def test_a_layer_has_its_time_share_and_limit(tmp_path: Path) -> None:
    """Under 100 GFLOP/s and 10 GB/s: conv1 takes 60 ms and would take 30, since 3 GFLOP need so long."""
    found = cells(the_table(document(tmp_path, eager(), ceilings()), title("")))
    assert list(found) == ["conv1", "flat", "fc1", "outside layers", "loss", "optimizer", "sum"]
    conv = found["conv1"]
    assert conv["kind"] == "Conv2d 3->64, 11x11/4"
    assert [conv[f"{name} (ms)"] for name in ("forward", "backward", "time")] == [
        "20.00 †",
        "40.00 †",
        "60.00 †",
    ]
    assert (conv["share"], conv["% of limit"]) == ("61.2%", "50% compute")
    assert conv["could save (ms)"] == "30.00"
    assert found["fc1"]["% of limit"] == "89% memory"
    assert found["outside layers"]["kind"] is None
    assert found["optimizer"]["time (ms)"] == "10.00 †"
    assert found["sum"]["time (ms)"] == pytest.approx(100)


def test_the_work_of_a_layer_has_its_shares_of_both_peaks(tmp_path: Path) -> None:
    """1 GFLOP in 20 ms is half of 100 GFLOP/s, 10 MB a twentieth of 10 GB/s."""
    forward = the_table(document(tmp_path, eager(), ceilings()), title("forward"))
    found = cells(forward)
    assert list(found) == ["conv1", "fc1", "sum"]
    conv = found["conv1"]
    assert (conv["time (ms)"], conv["GFLOPs"]) == ("20.00 †", 1.0)
    assert conv["GFLOP/s"] == pytest.approx(50)
    shares = (conv["% of peak compute"], conv["% of peak bandwidth"], conv["nearer"])
    assert shares == ("50.0%", "5.0%", "compute")
    assert (conv["MB"], conv["FLOP/byte"]) == (10.0, 100.0)
    assert (found["fc1"]["% of peak bandwidth"], found["fc1"]["nearer"]) == ("80.0%", "memory")
    assert found["sum"]["GFLOPs"] == pytest.approx(1.001)


def test_gradients_are_told_one_by_one_in_the_order_of_the_network(tmp_path: Path) -> None:
    table = the_table(document(tmp_path, eager()), "AlexNet training, batch 8: gradients one by one")
    found = cells(table)
    assert list(found) == ["conv1", "fc1"]
    conv, linear = found["conv1"], found["fc1"]
    assert [conv[f"{name} (ms)"] for name in ("input", "weight", "joint")] == pytest.approx([22, 22, 40])
    assert conv["alone vs joint"] == "+10%"
    assert (linear["joint (ms)"], linear["alone vs joint"]) == (None, None)


def test_without_ceilings_there_are_no_shares_of_them(tmp_path: Path) -> None:
    found = document(tmp_path, eager())
    forward = the_table(found, title("forward"))
    assert not {"% of peak compute", "% of peak bandwidth", "nearer"} & set(forward.columns)
    assert not any("% of peak" in note for note in forward.notes)
    assert not {"% of limit", "could save (ms)"} & set(the_table(found, title("")).columns)
    assert not [plot for plot in found.plots if plot.name.startswith("roofline-layers")]


def test_several_calls_of_a_layer_are_said(tmp_path: Path) -> None:
    once = eager().measurements
    twice = [
        structs.replace(m, samples=[2.0])
        if (m.phase, m.layer, m.metric) == ("forward", FIRST, "calls")
        else m
        for m in once
    ]
    record = planted_records.record(CASE, *twice)
    found = cells(the_table(document(tmp_path, record), title("forward")))
    assert (found["conv1"]["calls"], found["fc1"]["calls"]) == (2, 1)
    assert "calls" not in the_table(document(tmp_path / "once", eager()), title("forward")).columns


def test_the_parts_of_each_layer_lie_in_one_bar(tmp_path: Path) -> None:
    found = document(tmp_path, eager())
    bars = next(plot for plot in found.plots if plot.kind == "bars")
    forward, backward, optimizer = bars.series
    rows = {name: row for each in bars.series for name, row in zip(each.names, each.y, strict=True)}
    assert list(rows) == ["conv1", "flat", "fc1", "outside layers", "loss", "optimizer"]
    assert dict(zip(forward.names, forward.x, strict=True))["conv1"] == pytest.approx(20)
    assert dict(zip(backward.names, backward.x, strict=True))["conv1"] == pytest.approx(40)
    assert forward.y[0] == backward.y[0] == rows["conv1"]
    assert optimizer.names == ("optimizer",)
    assert [t.title for t in found.tables if bars in found.plots_under(t)] == [title("")]


def test_small_layers_have_no_bar_but_are_counted(tmp_path: Path) -> None:
    small = layer("forward", Layer("tiny", "ReLU"), 0.1, None, 8)
    record = planted_records.record(CASE, *eager().measurements, *small)
    bars = next(plot for plot in document(tmp_path, record).plots if plot.kind == "bars")
    assert "tiny" not in bars.series[0].names
    assert bars.note == "Not shown: 1 of less than 0.5% of the step."


def test_layers_stand_under_the_roof(tmp_path: Path) -> None:
    found = document(tmp_path, eager(), ceilings())
    drawn: list[Plot] = [plot for plot in found.plots if plot.name.startswith("roofline-layers")]
    assert [t.title for plot in drawn for t in found.tables if plot in found.plots_under(t)] == [
        title("forward"),
        title("backward"),
    ]
    points = [series for series in drawn[0].series if series.names]
    assert points[0].names == ("conv1", "fc1")
    assert points[0].x == pytest.approx((100, 1e6 / 80e6))
    assert points[0].y == pytest.approx((50, 0.1))


def test_kernels_keep_their_names_and_their_order(tmp_path: Path) -> None:
    fused = Layer("cpp_fused_relu_0", KERNEL)
    case = structs.replace(CASE, engine="compile", workload="inference")
    record = planted_records.record(
        case,
        planted_records.time("forward", 30 * MS),
        *layer("forward", BETWEEN, 1),
        *layer("forward", FIRST, 20, 1e9, 10e6),
        *layer("forward", fused, 5),
        *layer("forward", SECOND, 4, 1e6, 80e6),
        *together(30, 30),
    )
    table = the_table(document(tmp_path, record), title("", case))
    assert list(cells(table)) == ["conv1", "cpp_fused_relu_0", "fc1", "outside layers", "sum"]
    assert any(note.startswith("kernel:") for note in table.notes)


def test_kernels_of_no_weight_share_a_row_and_long_names_are_cut(tmp_path: Path) -> None:
    case = structs.replace(CASE, engine="compile", workload="inference")
    long = "cpp_fused_" + "_".join(["max_pool2d"] * 12)
    record = planted_records.record(
        case,
        planted_records.time("forward", 30 * MS),
        *layer("forward", Layer(long, KERNEL), 29.96),
        *layer("forward", Layer("aten::empty", KERNEL), 0.01),
        *layer("forward", Layer("aten::to", KERNEL), 0.02),
        *together(30, 30),
    )
    table = the_table(document(tmp_path, record), title("", case))
    cut, more, total = cells(table).values()
    assert len(str(cut["layer"])) <= 66
    assert str(cut["layer"]).startswith("cpp_fused_max_pool2d")
    assert more["layer"] == "2 more kernels"
    assert more["time (ms)"] == pytest.approx(0.03)
    assert total["time (ms)"] == pytest.approx(29.99)


def test_layers_are_in_no_other_table_and_not_compared(tmp_path: Path) -> None:
    found = document(tmp_path / "a", eager())
    others = [table for table in found.tables if not (table.part and table.part.name.startswith("layer"))]
    assert not [
        table for table in others if "conv1" in str(table.rows) or "bytes moved" in str(table.columns)
    ]
    planted_records.write(tmp_path / "b", [eager()])
    rows = compare_report.build([tmp_path / "a"], [tmp_path / "b"]).rows
    assert {row.phase for row in rows} == {"step"}


def test_the_flat_rows_have_every_layer(tmp_path: Path) -> None:
    rows = {(row["phase"], row["metric"]): row for row in document(tmp_path, eager()).rows}
    assert rows["forward:conv1 (Conv2d 3->64, 11x11/4)", "layer_time"]["median"] == pytest.approx(20 * MS)
    assert rows["layers", "sum_over_whole"]["median"] == pytest.approx(100 / 98)


def test_the_flat_rows_of_layers_have_the_shares_of_the_tables(tmp_path: Path) -> None:
    found = document(tmp_path, eager(), ceilings())
    rows = {(row["phase"], row["metric"]): row for row in found.rows}
    conv = rows["forward:conv1 (Conv2d 3->64, 11x11/4)", "layer_time"]
    assert (conv["utilisation"], conv["bandwidth_share"]) == pytest.approx((0.5, 0.05))
    assert conv["flops"] == 1e9


@pytest.mark.parametrize("format_", ["md", "terminal", "csv", "json"])
def test_every_format_renders(tmp_path: Path, format_: str) -> None:
    found = document(tmp_path, eager(), ceilings())
    assert "conv1" in formats.render(format_, structs.replace(found, whole=True))


def test_the_bars_can_be_drawn(tmp_path: Path) -> None:
    bars = next(plot for plot in document(tmp_path, eager()).plots if plot.kind == "bars")
    assert plots.draw(bars, "png").startswith(b"\x89PNG")
    text = plots.draw(bars, "svg", words_as_text=True).decode()
    for word in ("conv1", "optimizer", "forward", "backward", "time (ms)"):
        assert word in text
