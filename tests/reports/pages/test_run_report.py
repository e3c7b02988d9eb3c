"""The report of a planted run, as a reader gets it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import Effective, Record
from reports import formats
from reports.document import Document, Table
from reports.pages.run_report import build
from tests.planted import planted_records
from tests.planted.commands import ROOT
from tests.planted.golden import Golden
from tests.planted.shown_cells import rows_of

GOLDEN = ROOT / "tests" / "golden" / "report.md"
CPU = Case(model="vgg11", batch=8, threads=2)


def _report(tmp_path: Path, records: list[Record]) -> Document:
    return build([planted_records.write(tmp_path, records)])


def _table(document: Document, title: str) -> Table:
    return next(table for table in document.tables if table.title == title)


def _column(table: Table, name: str) -> list[object]:
    return [row[name] for row in rows_of(table)]


def test_markdown_is_the_golden_one(tmp_path: Path, golden: Golden) -> None:
    golden.check(GOLDEN, formats.render("md", _report(tmp_path, planted_records.example())))


def test_training_has_its_phases_in_one_row(tmp_path: Path) -> None:
    table = _table(_report(tmp_path, planted_records.example()), "Training on cpu, by phase")
    assert len(table.rows) == 1
    assert str(_column(table, "step (ms)")[0]).startswith("1,000 ±")
    assert str(_column(table, "backward (ms)")[0]).startswith("600 ±")


def test_one_process_is_marked_and_explained(tmp_path: Path) -> None:
    table = _table(_report(tmp_path, planted_records.replicates(CPU, [0.1])), "Inference on cpu")
    assert _column(table, "time (ms)") == ["100.0 †"]
    assert any(note.startswith("†") for note in table.notes)


def _plain(tmp_path: Path, records: list[Record]) -> Table:
    folder = planted_records.write(tmp_path, records)
    return _table(build([folder], plain_intervals=True), "Inference on cpu")


def test_a_wide_interval_shows_both_sides(tmp_path: Path) -> None:
    # t(1) = 12.706 x log(1.03)/2 on either side of log: x 1.207 and / 1.207
    table = _plain(tmp_path, planted_records.replicates(CPU, [0.1, 0.103]))
    assert _column(table, "time (ms)") == ["about 101 (84 to 122)"]


def test_a_figure_whose_interval_reaches_beyond_a_quarter_is_not_resolved_nor_what_follows_from_it(
    tmp_path: Path,
) -> None:
    # t(1) = 12.706 x log(1.1)/2 on either side of log: x 1.832 and / 1.832
    table = _plain(tmp_path, planted_records.replicates(CPU, [0.1, 0.11]))
    assert _column(table, "time (ms)") == ["not resolved (57 to 192; +1)"]
    assert _column(table, "images/s") == ["?"]
    assert any("more processes would resolve it" in note for note in table.notes)


def test_processes_that_disagree_have_no_ends(tmp_path: Path) -> None:
    table = _plain(tmp_path, planted_records.replicates(CPU, [0.1, 0.2]))
    assert _column(table, "time (ms)") == ["not resolved (+19)"]


def test_columns_that_do_not_vary_stand_in_the_note(tmp_path: Path) -> None:
    records = planted_records.replicates(CPU, [0.1]) + planted_records.replicates(
        msgspec.structs.replace(CPU, layout="channels-last"), [0.1]
    )
    table = _table(_report(tmp_path, records), "Inference on cpu")
    assert table.columns[:2] == ("model", "layout")
    assert "engine" not in table.columns
    assert table.footnotes[0] == (
        "All rows: fp32, eager, batch 8, 224 px, input channels: 3, 1000 classes, CPU threads: 2, 1 process."
    )


def test_one_model_at_two_image_sizes_has_a_column_for_them(tmp_path: Path) -> None:
    records = planted_records.replicates(CPU, [0.1]) + planted_records.replicates(
        msgspec.structs.replace(CPU, image=64), [0.1]
    )
    assert _column(_table(_report(tmp_path, records), "Inference on cpu"), "image") == [64, 224]


def _cuda(seconds: float, **axes: object) -> Record:
    case = msgspec.convert(msgspec.to_builtins(CPU) | {"device": "cuda"} | axes, Case)
    return planted_records.record(
        case, planted_records.time("forward", seconds), environment=planted_records.GPU_MACHINE
    )


def test_cuda_over_cpu_where_all_else_is_equal(tmp_path: Path) -> None:
    records = [
        *planted_records.replicates(CPU, [0.1]),
        _cuda(0.005),
        _cuda(0.005, batch=64),
        _cuda(0.004, precision="tf32"),
    ]
    table = _table(_report(tmp_path, records), "Speed-ups")
    assert _column(table, "comparison") == ["cpu → cuda"]
    # both sides +3% and -3% of the median: log(1.03) and log(1/0.97) in quadrature, so 4.3%
    assert _column(table, "speed-up") == ["20.00x †"]


def test_no_speed_up_between_precisions_that_were_read_back_differently(tmp_path: Path) -> None:
    case = msgspec.structs.replace(CPU, device="cuda")
    tf32 = planted_records.record(
        case,
        planted_records.time("forward", 0.005),
        environment=planted_records.GPU_MACHINE,
        effective=Effective(precision={"conv": "tf32", "matmul": "ieee", "cudnn_benchmark": "true"}),
    )
    report = _report(tmp_path, [*planted_records.replicates(CPU, [0.1]), tf32])
    assert not [table for table in report.tables if table.title.startswith("Speed-up")]


def test_what_only_the_cpu_reads_back_does_not_prevent_its_comparison_with_cuda(tmp_path: Path) -> None:
    shared = {"matmul": "ieee", "weights": "float32", "conv_output": "float32"}
    cpu = planted_records.record(
        CPU,
        planted_records.time("forward", 0.1),
        effective=Effective(precision=shared, machine={"threads": "2", "cpu_capability": "AVX512"}),
    )
    cuda = planted_records.record(
        msgspec.structs.replace(CPU, device="cuda"),
        planted_records.time("forward", 0.005),
        environment=planted_records.GPU_MACHINE,
        effective=Effective(precision=shared | {"conv": "ieee", "cudnn_benchmark": "true"}),
    )
    table = _table(_report(tmp_path, [cpu, cuda]), "Speed-ups")
    assert [str(cell).split()[0] for cell in _column(table, "speed-up")] == ["20.00x"]


def test_a_cuda_graph_is_no_compiled_engine(tmp_path: Path) -> None:
    records = [_cuda(0.004), _cuda(0.002, engine="compile-reduce-overhead"), _cuda(0.001, engine="cudagraph")]
    report = _report(tmp_path, records)
    table = _table(report, "Speed-ups")
    found = zip(_column(table, "comparison"), _column(table, "speed-up"), strict=True)
    assert {comparison: str(cell).split()[0] for comparison, cell in found} == {
        "eager → compiled": "2.000x",
        "eager → CUDA graph": "4.000x",
    }


def test_the_first_lines_say_where_how_much_and_whether_anything_failed(tmp_path: Path) -> None:
    assert _report(tmp_path, planted_records.example()).text[:2] == (
        "Machine: Test GPU, Test CPU (2 cores, 8.0 GiB), torch 2.11.0.",
        "6 of 8 cases measured (16 processes), 1 failed, 1 skipped on this machine.",
    )


def test_machines_that_are_alike_share_a_line(tmp_path: Path) -> None:
    environments = [
        planted_records.MACHINE,
        msgspec.structs.replace(planted_records.MACHINE, host="other"),
        msgspec.structs.replace(planted_records.MACHINE, cpu="Other CPU"),
    ]
    records = [
        planted_records.record(
            msgspec.structs.replace(CPU, replicate=number),
            planted_records.time("forward", 0.1),
            environment=each,
        )
        for number, each in enumerate(environments, start=1)
    ]
    assert _report(tmp_path, records).text[:2] == (
        "Machine A, B: Test CPU (2 cores, 8.0 GiB), torch 2.11.0.",
        "Machine C: Other CPU (2 cores, 8.0 GiB), torch 2.11.0.",
    )


def test_images_per_second_of_training_are_those_of_the_step(tmp_path: Path) -> None:
    report = _report(tmp_path, planted_records.example())
    assert _column(_table(report, "Training on cpu"), "images/s") == pytest.approx([8 / 1.0], rel=1e-3)
    lenet5_at_batch_1 = _column(_table(report, "Inference on cpu"), "images/s")[0]
    assert lenet5_at_batch_1 == pytest.approx(1 / 0.0005, rel=1e-3)


def test_speed_up_over_several_processes(tmp_path: Path) -> None:
    compiled = msgspec.structs.replace(CPU, engine="compile")
    records = planted_records.replicates(CPU, [0.2, 0.2]) + planted_records.replicates(compiled, [0.1, 0.1])
    table = _table(_report(tmp_path, records), "Speed-ups")
    assert str(_column(table, "speed-up")[0]).startswith("2.00x ±")


def test_the_cost_is_that_of_one_image(tmp_path: Path) -> None:
    table = _table(_report(tmp_path, planted_records.example()), "Parameters and FLOPs per image")
    assert _column(table, "parameters") == [61_706, 132_863_336]
    assert _column(table, "forward GMACs") == pytest.approx([0.000423432, 7.609090048])
    assert _column(table, "forward GFLOPs") == pytest.approx([0.000846864, 15.218180096])
    assert _column(table, "backward GFLOPs") == [None, pytest.approx(30.262951936)]


def test_training_and_inference_of_one_network_share_a_row_of_costs(tmp_path: Path) -> None:
    training = msgspec.structs.replace(CPU, workload="training", batch=2)
    records = [
        planted_records.record(CPU, planted_records.fact("forward", "flops", 800.0, "FLOP")),
        planted_records.record(training, planted_records.fact("backward", "flops", 400.0, "FLOP")),
    ]
    table = _table(_report(tmp_path, records), "Parameters and FLOPs per image")
    assert _column(table, "forward GFLOPs") == pytest.approx([100e-9])
    assert _column(table, "backward GFLOPs") == pytest.approx([200e-9])


def _peaks(forward: int, backward: int, optimizer: int, *, replicate: int = 1) -> Record:
    sizes: dict[Phase, int] = {"forward": forward, "backward": backward, "optimizer": optimizer}
    return planted_records.record(
        msgspec.structs.replace(CPU, workload="training", replicate=replicate),
        *(planted_records.fact(phase, "peak_resident", size) for phase, size in sizes.items()),
        planted_records.fact("step", "peak_resident", max(sizes.values())),
    )


@pytest.mark.parametrize(
    ("records", "phases"),
    [
        ([_peaks(100, 300, 200)], "backward"),
        ([_peaks(100, 200, 300)], "optimizer"),
        ([_peaks(100, 300, 300)], "backward, optimizer"),
        ([_peaks(100, 300, 200), _peaks(400, 300, 200, replicate=2)], "forward, backward"),
    ],
)
def test_the_phase_of_the_peak_is_named(tmp_path: Path, records: list[Record], phases: str) -> None:
    table = _table(_report(tmp_path, records), "Memory, training on cpu (MiB)")
    assert _column(table, "peak in") == [phases]


def test_inference_has_one_phase_and_so_no_column_for_it(tmp_path: Path) -> None:
    record = planted_records.record(CPU, planted_records.fact("forward", "peak_resident", 100))
    table = _table(_report(tmp_path, [record]), "Memory, inference on cpu (MiB)")
    assert "peak in" not in table.columns


def test_memory_is_that_of_the_whole_step_in_mebibytes(tmp_path: Path) -> None:
    table = _table(_report(tmp_path, planted_records.example()), "Memory, training on cpu (MiB)")
    assert _column(table, "weights") == pytest.approx([132_863_336 * 4 / 2**20])
    assert _column(table, "saved activations") == [512.0]
    assert _column(table, "peak resident") == [3072.0]


def test_rows_of_one_case_with_other_precision_in_force_say_so(tmp_path: Path) -> None:
    records = [
        planted_records.record(
            CPU, planted_records.time("forward", 0.1), effective=Effective(precision={"conv": "ieee"})
        ),
        planted_records.record(
            msgspec.structs.replace(CPU, replicate=2),
            planted_records.time("forward", 0.1),
            effective=Effective(precision={"conv": "tf32"}),
        ),
    ]
    table = _table(_report(tmp_path, records), "Inference on cpu")
    assert _column(table, "read back") == ["conv=ieee", "conv=tf32"]


def test_the_machine_has_the_capability_and_the_precision_table_has_precisions(tmp_path: Path) -> None:
    effective = Effective(
        precision={"matmul": "highest"}, machine={"threads": "2", "cpu_capability": "AVX512"}
    )
    record = planted_records.record(CPU, planted_records.time("forward", 0.1), effective=effective)
    report = _report(tmp_path, [record])
    assert ("CPU instructions", "AVX512") in _table(report, "System").rows
    assert _table(report, "Precision actually used").columns == (
        "device",
        "precision",
        "matmul",
    )


def test_streams_that_are_not_independent_are_labelled(tmp_path: Path) -> None:
    """Twenty samples of one speed, then twenty of another."""
    steps = planted_records.time("forward", 0.1)
    samples = [0.1 + 1e-4 * (n % 7) for n in range(20)] + [0.12 + 1e-4 * (n % 5) for n in range(20)]
    report = _report(tmp_path, [planted_records.record(CPU, msgspec.structs.replace(steps, samples=samples))])
    assert _column(_table(report, "Inference on cpu"), "remarks") == ["autocorrelated, bimodal"]
    warnings = _table(report, "Warnings")
    assert _column(warnings, "warning") == ["autocorrelated", "bimodal"]
    _, autocorrelated, bimodal = warnings.notes
    assert "40 samples count as 1 independent ones" in autocorrelated
    assert bimodal.startswith("bimodal: 50% of the samples of the wall_time of forward take 1.20x as long")


@pytest.mark.slow
def test_a_report_never_imports_torch(tmp_path: Path) -> None:
    directory = planted_records.write(tmp_path, planted_records.example())
    program = (
        "import sys, pathlib\n"
        "from reports import formats\n"
        "from reports.pages.run_report import build\n"
        f"document = build([pathlib.Path({str(directory)!r})])\n"
        "for name in filter(formats.is_text, formats.names()):\n"
        "    assert formats.render(name, document)\n"
        "assert not {'torch', 'torchvision', 'fvcore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.parametrize("seconds", [1e-318, 1e-300, 1e300])
def test_no_cell_of_a_time_beyond_all_measure_is_infinite(tmp_path: Path, seconds: float) -> None:
    """A planted clock gave it; its rate may be no number."""
    case = Case(model="lenet5")
    records = planted_records.replicates(case, [seconds * factor for factor in (1.0, 1.01, 1.02)])
    document = build([planted_records.write(tmp_path, records)])
    for name in filter(formats.is_text, formats.names()):
        assert not re.search(r"\b(inf|nan|Infinity|NaN)\b", formats.render(name, document)), name
