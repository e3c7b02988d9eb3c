"""Ceilings in a report: planted products give known rates, and stand in no table of networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.plan.ceiling_cases import case as ceiling_case
from bench.schema.case import Case, Precision
from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import GIB, Convolution, Copy, MatrixProduct
from bench.schema.record import Environment, Measurement, Record
from reports.analysis import datasheet
from reports.analysis.measured_ceilings import Ceilings, arithmetic_dtype, ceilings_of
from reports.compare import compare_report
from reports.document import Document, Table
from reports.pages import run_report
from reports.summary.figures import ReadBack
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.shown_cells import rows_of

CPU = ceiling_case("cpu", "fp32", 2)
H100 = structs.replace(
    planted_records.GPU_MACHINE,
    gpu=structs.replace(planted_records.GPU, name="NVIDIA H100 80GB HBM3"),
    host="gpu",
)
MATMUL, CONV, COPY = "matmul:100x100x100", "conv:64x56:b8:channels-last", "copy:1GiB"
PRODUCTS = {
    MATMUL: MatrixProduct(100, 100, 100),
    CONV: Convolution(64, 56, 8, "channels-last"),
    COPY: Copy(GIB),
}
"""By the name that a report prints."""


def of(name: str, *measurements: Measurement) -> list[Measurement]:
    return [structs.replace(measurement, product=PRODUCTS[name]) for measurement in measurements]


def product(name: str, work: float, seconds: float, metric: str = "wall_time") -> list[Measurement]:
    """`work` FLOP, or bytes of a copy, in so many seconds."""
    counted = ("bytes_moved", "bytes") if name == COPY else ("flops", "FLOP")
    return of(
        name,
        planted_records.fact("product", counted[0], work, counted[1]),
        planted_records.time("product", seconds, metric),
    )


def on_cpu(
    precision: Precision = "fp32",
    gigaflops: float = 90,
    threads: int = 2,
    machine: Environment = planted_records.MACHINE,
) -> Record:
    """A product, a convolution that is a third faster, and a copy at 20 GB/s."""
    return planted_records.record(
        ceiling_case("cpu", precision, threads),
        *product(MATMUL, 1e9, 1 / gigaflops),
        *product(CONV, 1e9, 0.75 / gigaflops),
        *product(COPY, 2e9, 0.1),
        environment=machine,
    )


def on_gpu(precision: Precision, teraflops: float) -> Record:
    """By the device's clock; by the wall's it is half as fast."""
    return planted_records.record(
        ceiling_case("cuda", precision, 1),
        *product(MATMUL, 1e12, 1 / teraflops, "device_time"),
        *of(MATMUL, planted_records.time("product", 2 / teraflops)),
        *of(MATMUL, planted_records.fact("product", "sm_clock", 1755, "MHz")),
        *product(COPY, 2e9, 2e9 / 2.68e12, "device_time"),
        environment=H100,
        warnings=[CaseWarning("power-cap", "the GPU ran at its power limit (matmul:100x100x100)")],
    )


def found(tmp_path: Path, *records: Record) -> Ceilings:
    return ceilings_of(summarise([planted_records.write(tmp_path, records)]))


def tables(document: Document) -> dict[str, Table]:
    return {table.title: table for table in document.tables}


def rows(table: Table) -> list[dict[str, object]]:
    return [{**row} for row in rows_of(table)]


# The rates


def test_the_best_of_products_and_convolutions_is_the_ceiling(tmp_path: Path) -> None:
    rate = found(tmp_path, on_cpu()).arithmetic(("A",), "cpu", "fp32", 2)
    assert rate is not None
    assert rate.per_second == pytest.approx(120e9)
    assert (rate.what, rate.processes) == (PRODUCTS[CONV], 1)
    assert rate.interval is not None
    # the time's interval is that of planted.SPREAD, whose inverse it is
    assert (rate.interval.low, rate.interval.high) == pytest.approx((120e9 / 1.03, 120e9 / 0.97))


def test_a_copy_gives_the_bandwidth(tmp_path: Path) -> None:
    rate = found(tmp_path, on_cpu()).bandwidth(("A",), "cpu", 2)
    assert rate is not None
    assert rate.per_second == pytest.approx(20e9)
    assert rate.what == PRODUCTS[COPY]


def test_several_processes_give_the_middle_of_their_rates(tmp_path: Path) -> None:
    twice = [
        structs.replace(on_cpu(gigaflops=g), case=structs.replace(CPU, replicate=n))
        for n, g in ((1, 90), (2, 40))
    ]
    rate = found(tmp_path, *twice).arithmetic(("A",), "cpu", "fp32", 2)
    assert rate is not None
    assert rate.per_second == pytest.approx(80e9)  # geometric mean of 120 and 53.3
    assert rate.processes == 2


def test_a_gpu_is_judged_by_its_own_clock(tmp_path: Path) -> None:
    rate = found(tmp_path, on_gpu("tf32", 400)).arithmetic(("A",), "cuda", "tf32", 7)
    assert rate is not None
    assert rate.per_second == pytest.approx(400e12)


@pytest.mark.parametrize(
    ("machine", "device", "dtype", "threads"),
    [
        (("B",), "cpu", "fp32", 2),
        ((), "cpu", "fp32", 2),
        (("A",), "cuda", "fp32", 2),
        (("A",), "cpu", "bf16", 2),
        (("A",), "cpu", "fp32", 4),
    ],
)
def test_no_ceiling_is_that_of_another_place(
    tmp_path: Path, machine: tuple[str, ...], device: str, dtype: str, threads: int
) -> None:
    ceilings = found(tmp_path, on_cpu())
    assert ceilings.arithmetic(machine, device, dtype, threads) is None
    if dtype == "fp32":  # the copy is the same in every dtype
        assert ceilings.bandwidth(machine, device, threads) is None


def test_two_machines_have_two_ceilings(tmp_path: Path) -> None:
    other = structs.replace(planted_records.MACHINE, cpu="Another CPU", host="other")
    ceilings = found(
        tmp_path,
        on_cpu(),
        structs.replace(on_cpu(gigaflops=9, machine=other), case=structs.replace(CPU, replicate=2)),
    )
    rates = [ceilings.arithmetic((label,), "cpu", "fp32", 2) for label in "AB"]
    assert [rate and round(rate.per_second / 1e9) for rate in rates] == [120, 12]


def test_what_was_not_timed_or_counted_is_no_ceiling(tmp_path: Path) -> None:
    record = planted_records.record(
        CPU,
        *of(MATMUL, planted_records.time("product", 1.0)),
        *of(CONV, planted_records.fact("product", "flops", 1e9, "FLOP")),
    )
    assert found(tmp_path, record).rates == ()


# The dtype that did the work


@pytest.mark.parametrize(
    ("precision", "effective", "dtype"),
    [
        (
            "fp32",
            {"conv": "ieee", "matmul": "ieee", "conv_output": "float32", "linear_output": "float32"},
            "fp32",
        ),
        (
            "tf32",
            {"conv": "tf32", "matmul": "tf32", "conv_output": "float32", "linear_output": "float32"},
            "tf32",
        ),
        (
            "fp32",
            {"conv": "tf32", "matmul": "ieee", "conv_output": "float32", "linear_output": "float32"},
            None,
        ),
        ("fp32", {"conv": "tf32", "matmul": "ieee", "conv_output": "float32"}, "tf32"),
        (
            "amp-bf16",
            {"conv": "ieee", "matmul": "ieee", "conv_output": "bfloat16", "linear_output": "bfloat16"},
            "bf16",
        ),
        (
            "amp-bf16",
            {"conv": "ieee", "matmul": "ieee", "conv_output": "bfloat16", "linear_output": "float32"},
            None,
        ),
        ("fp16", {"conv_output": "float16", "linear_output": "float16"}, "fp16"),
        ("fp32", {"matmul": "bf16", "linear_output": "float32"}, "bf16"),
        ("fp32", {"conv": "ieee", "conv_output": "float64"}, None),
        ("amp-fp16", {"conv": "ieee", "matmul": "ieee"}, "fp16"),
    ],
)
def test_the_dtype_that_did_the_work(
    precision: Precision, effective: dict[str, str], dtype: str | None
) -> None:
    read_back = ReadBack(precision=tuple(effective.items()))
    assert arithmetic_dtype(Case(model="vgg11", precision=precision), read_back) == dtype


# The tables


def test_a_datasheets_dense_figure_stands_beside_the_measured_one(tmp_path: Path) -> None:
    document = run_report.build(
        [planted_records.write(tmp_path, [on_gpu("tf32", 494.5 / 2), on_gpu("bf16", 700)])]
    )
    best = rows(tables(document)["Measured peak"])
    assert [row["what"] for row in best] == ["tf32 (TFLOP/s)", "bf16 (TFLOP/s)", "copy (GB/s)"]
    tf32, bf16, copy = best
    assert (tf32["datasheet"], tf32["% of datasheet"]) == (494.5, pytest.approx(50))
    assert (bf16["datasheet"], bf16["% of datasheet"]) == (989.5, pytest.approx(100 * 700 / 989.5))
    assert (copy["datasheet"], copy["% of datasheet"]) == (3350, pytest.approx(80))
    assert str(tf32["peak"]).startswith("247.2")
    assert (tf32["reached by"], tf32["SM clock (MHz)"], tf32["remarks"]) == (MATMUL, 1755, "power-cap")
    assert any("NVIDIA H100 Tensor Core GPU datasheet" in n for n in tables(document)["Measured peak"].notes)


@pytest.mark.parametrize(("teraflops", "explained"), [(66, False), (80, True)])
def test_more_than_a_datasheet_promises_is_explained(
    tmp_path: Path, teraflops: float, explained: bool
) -> None:
    """An H100 is promised 67 TFLOP/s in fp32, and Winograd's convolutions count more than they multiply."""
    document = run_report.build([planted_records.write(tmp_path, [on_gpu("fp32", teraflops)])])
    assert any("Winograd" in note for note in tables(document)["Measured peak"].notes) == explained


def test_a_processor_has_no_datasheet_and_no_clocks(tmp_path: Path) -> None:
    document = run_report.build([planted_records.write(tmp_path, [on_cpu()])])
    best = tables(document)["Measured peak"]
    assert best.columns == ("device", "threads", "what", "peak", "reached by")
    assert "1 process" in best.shared
    every = rows(tables(document)["Peak by matrix and convolution size, cpu, 2 threads"])
    assert [(row["product"], row["unit"]) for row in every] == [
        (MATMUL, "TFLOP/s"),
        (CONV, "TFLOP/s"),
        (COPY, "GB/s"),
    ]
    assert str(every[0]["fp32"]).startswith("0.09000")


def test_each_arithmetic_is_a_column_of_the_products(tmp_path: Path) -> None:
    document = run_report.build([planted_records.write(tmp_path, [on_cpu(), on_cpu("bf16", 900)])])
    columns = tables(document)["Peak by matrix and convolution size, cpu, 2 threads"].columns
    assert columns == ("product", "unit", "fp32", "bf16")


def test_ceilings_are_in_no_table_of_networks(tmp_path: Path) -> None:
    networks = planted_records.example()
    alone = run_report.build([planted_records.write(tmp_path / "alone", networks)])
    both = run_report.build([planted_records.write(tmp_path / "both", [on_cpu(), *networks])])
    added = set(tables(both)) - set(tables(alone))
    assert {"Measured peak", "Peak by matrix and convolution size, cpu, 2 threads"} <= added
    memory, cost = "Memory, inference on cpu (MiB)", "Parameters and FLOPs per image"
    for title in ("Inference on cpu", memory, cost, "Warnings"):
        assert tables(both)[title] == tables(alone)[title]
    assert tables(both)["Precision actually used"] == tables(alone)["Precision actually used"]


def test_programs_get_the_rates_as_rows(tmp_path: Path) -> None:
    document = run_report.build([planted_records.write(tmp_path, [on_cpu()])])
    rates = {row["phase"]: row for row in document.rows if row["metric"] == "flops_per_second"}
    assert rates[CONV]["median"] == pytest.approx(120e9)
    assert rates[CONV]["unit"] == "FLOP/s"
    (copy,) = (row for row in document.rows if row["metric"] == "bytes_per_second")
    assert copy["median"] == pytest.approx(20e9)
    assert copy["unit"] == "byte/s"


def test_ceilings_of_two_runs_are_compared(tmp_path: Path) -> None:
    """Whether the machine itself became slower is the first question at a slower network."""
    runs = []
    for name, gigaflops in (("before", 90.0), ("after", 45.0)):
        processes = [
            structs.replace(on_cpu(gigaflops=gigaflops * wobble), case=structs.replace(CPU, replicate=n))
            for n, wobble in enumerate((0.99, 1.0, 1.01, 1.0), start=1)
        ]
        runs.append(planted_records.write(tmp_path / name, processes))
    compared = compare_report.build([runs[0]], [runs[1]])
    verdicts = {(row.phase, row.metric): row.verdict for row in compared.rows}
    assert verdicts[MATMUL, "wall_time"] == "slower"
    assert verdicts[COPY, "wall_time"] == "equivalent"
    assert verdicts[MATMUL, "flops"] == verdicts[COPY, "bytes_moved"] == "equal"


# The datasheets


def test_every_datasheet_is_whole() -> None:
    sheets = datasheet.datasheets()
    names = [sheet.device for sheet in sheets]
    assert len(names) == len(set(names)) >= 24
    for sheet in sheets:
        figures = [sheet.fp32, sheet.tf32, sheet.fp16]
        assert all(figure is None or figure > 0 for figure in figures)
        known = [figure for figure in figures if figure is not None]
        assert known == sorted(known), f"{sheet.device}: fp32 <= tf32 <= fp16"
        assert sheet.bf16 in (None, sheet.fp16)
        assert sheet.bandwidth is None or 100 < sheet.bandwidth < 10_000  # GB/s, not TB/s
        assert sheet.source.startswith("NVIDIA ")


@pytest.mark.parametrize(
    ("gpu", "processors", "fma_per_clock", "gigahertz"),
    [
        ("Tesla V100-SXM2-16GB", 80, 512, 1.53),
        ("Tesla T4", 40, 512, 1.59),
        ("NVIDIA A100-SXM4-40GB", 108, 1024, 1.41),
        ("NVIDIA A10", 72, 512, 1.695),
        ("NVIDIA GeForce RTX 3090", 82, 256, 1.695),
        ("NVIDIA GeForce RTX 4090", 128, 256, 2.52),
        ("NVIDIA L4", 58, 512, 2.04),
        ("NVIDIA H100 80GB HBM3", 132, 2048, 1.83),
        ("NVIDIA H100 PCIe", 114, 2048, 1.62),
        ("NVIDIA GeForce RTX 5090", 170, 256, 2.407),
    ],
)
def test_figures_are_dense(gpu: str, processors: int, fma_per_clock: int, gigahertz: float) -> None:
    """Multiprocessors x multiply-adds of their tensor cores a clock x boost clock: half of a sparse one."""
    sheet = datasheet.datasheet_of(gpu)
    assert sheet is not None
    assert sheet.fp16 == pytest.approx(processors * fma_per_clock * 2 * gigahertz / 1e3, rel=0.02)


@pytest.mark.parametrize(
    ("gpu", "device"),
    [
        ("NVIDIA A100 80GB PCIe", "A100 80GB PCIe"),
        ("A100-SXM4-40GB", "A100-SXM4-40GB"),
        ("Tesla V100-SXM2-32GB", "Tesla V100-SXM2-*"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA A10G", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
    ],
)
def test_a_datasheet_is_that_of_the_very_device(gpu: str, device: str | None) -> None:
    sheet = datasheet.datasheet_of(gpu)
    assert (sheet and sheet.device) == device
