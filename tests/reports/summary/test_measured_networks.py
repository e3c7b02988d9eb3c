"""One name that stands for several networks: rows apart, and what differs in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint, Part, SourceFile
from bench.schema.record import Record
from reports import formats
from reports.compare import compare_report
from reports.pages import run_report
from reports.sections.cost_tables import cost_table
from reports.summary.pooling import summarise
from tests.planted import planted_records

CASE = Case(model="net.py:build", batch=8, threads=2)
NARROW = NetworkFingerprint(
    structure="a1",
    weights="b1",
    parameters=314,
    trainable=314,
    modules=2,
    parts=(Part("", "Net", "c1"), Part("conv", "Conv2d(3, 8)", "d1")),
    flops=886_016,
    sources=(SourceFile("net.py", "e1"),),
)
WIDE = structs.replace(
    NARROW,
    weights="b2",
    parameters=618,
    trainable=618,
    parts=(Part("", "Net", "c2"), Part("conv", "Conv2d(3, 16)", "d2")),
    sources=(SourceFile("net.py", "e2"),),
)
COMMENTED = structs.replace(NARROW, sources=(SourceFile("net.py", "e3"),))
WHAT = "parameters 314 / 618; first difference: conv is Conv2d(3, 8) / Conv2d(3, 16)"


def run(folder: Path, networks: Sequence[NetworkFingerprint | None], case: Case = CASE) -> Path:
    """A process for each network, the next one 10 ms slower."""
    records: list[Record] = []
    for number, network in enumerate(networks, start=1):
        process = structs.replace(case, replicate=number)
        record = planted_records.record(process, planted_records.time("forward", 0.01 * number))
        records.append(structs.replace(record, fingerprint=network))
    return planted_records.write(folder, records)


def test_two_networks_of_one_name_are_two_rows_and_the_report_says_what_differs(tmp_path: Path) -> None:
    folder = run(tmp_path, [NARROW, NARROW, WIDE])
    assert [(f.network, len(f.medians)) for f in summarise([folder]).figures] == [("1", 2), ("2", 1)]
    document = run_report.build([folder])
    assert (
        f"net.py:build is two networks in these records, never pooled: network 1 / 2: {WHAT}."
        in document.text
    )
    assert [row["network"] for row in document.rows] == ["1", "2"]
    for format_ in formats.for_any():
        assert "network" in formats.render(format_, document)


def test_two_networks_of_one_name_have_a_row_of_costs_each(tmp_path: Path) -> None:
    records: list[Record] = []
    for number, network in enumerate([NARROW, WIDE], start=1):
        counted = planted_records.fact("model", "parameters", network.parameters, "count")
        record = planted_records.record(structs.replace(CASE, replicate=number), counted)
        records.append(structs.replace(record, fingerprint=network))
    (costs,) = cost_table(summarise([planted_records.write(tmp_path, records)]).figures)
    rows = [dict(zip(costs.columns, row, strict=True)) for row in costs.rows]
    assert [(row["network"], row["parameters"]) for row in rows] == [("1", 314), ("2", 618)]


def test_one_network_has_no_label_whatever_its_source_says(tmp_path: Path) -> None:
    folder = run(tmp_path, [NARROW, COMMENTED, NARROW])
    (figure,) = summarise([folder]).figures
    assert (figure.network, len(figure.medians)) == ("", 3)
    document = run_report.build([folder])
    note = "The source of net.py:build changed between its records (net.py), and not the network it builds."
    assert note in document.text
    assert all("network" not in row for row in document.rows)


def test_records_of_before_pool_as_they_did(tmp_path: Path) -> None:
    (figure,) = summarise([run(tmp_path / "old", [None, None])]).figures
    assert len(figure.medians) == 2
    (figure,) = summarise([run(tmp_path / "mixed", [None, NARROW])]).figures
    assert len(figure.medians) == 2
    figures = summarise([run(tmp_path / "both", [None, NARROW, WIDE])]).figures
    assert [figure.network for figure in figures] == ["not recorded", "1", "2"]


def test_unknown_flops_and_another_batch_make_no_other_network(tmp_path: Path) -> None:
    unknown = structs.replace(NARROW, flops=None)
    larger = run(tmp_path / "16", [structs.replace(NARROW, flops=1_772_032)], structs.replace(CASE, batch=16))
    figures = summarise([run(tmp_path / "8", [NARROW, unknown]), larger]).figures
    assert [(figure.case.batch, figure.network) for figure in figures] == [(8, ""), (16, "")]
    strided = structs.replace(NARROW, flops=221_504)
    figures = summarise([run(tmp_path / "strided", [NARROW, strided])]).figures
    assert [figure.network for figure in figures] == ["1", "2"]


def test_another_image_may_well_be_another_network(tmp_path: Path) -> None:
    larger = run(tmp_path / "32", [WIDE], structs.replace(CASE, image=32))
    figures = summarise([run(tmp_path / "224", [NARROW]), larger]).figures
    assert [figure.network for figure in figures] == ["", ""]


def test_a_comparison_says_first_what_differs_and_compares_all_the_same(tmp_path: Path) -> None:
    base, new = run(tmp_path / "a", [NARROW] * 3), run(tmp_path / "b", [WIDE] * 3)
    found = compare_report.build([base], [new])
    assert _alarms(found) == (f"net.py:build is another network on each side, BASE / NEW: {WHAT}.",)
    assert [row.verdict for row in found.rows] != [None]
    commented = run(tmp_path / "c", [COMMENTED] * 3)
    note = "The source of net.py:build changed between its records (net.py), and not the network it builds."
    assert _alarms(compare_report.build([base], [commented])) == (note,)
    same = run(tmp_path / "d", [NARROW] * 3)
    assert _alarms(compare_report.build([base], [same])) == ()


def _alarms(found: compare_report.RunComparison) -> tuple[str, ...]:
    assert found.document.answer is not None
    return found.document.answer.alarms


def test_a_side_of_two_networks_is_not_compared(tmp_path: Path) -> None:
    base, new = run(tmp_path / "a", [NARROW, WIDE]), run(tmp_path / "b", [NARROW] * 2)
    reasons = {row.reason for row in compare_report.build([base], [new]).rows}
    assert all(reason and "networks" in reason for reason in reasons)


def test_speedups_stay_within_one_network(tmp_path: Path) -> None:
    compiled = run(tmp_path / "compiled", [WIDE, WIDE], structs.replace(CASE, engine="compile"))
    document = run_report.build([run(tmp_path / "eager", [NARROW, NARROW]), compiled])
    assert "speed-ups" not in {part.name for part in document.parts}
    alike = run(tmp_path / "alike", [NARROW, NARROW], structs.replace(CASE, engine="compile"))
    document = run_report.build([tmp_path / "eager", alike])
    assert "speed-ups" in {part.name for part in document.parts}


def test_a_later_process_belongs_to_the_network_whose_files_it_came_from(tmp_path: Path) -> None:
    """FLOPs, by which alone these two differ, are asked of the first process of each run."""
    twice = structs.replace(NARROW, flops=2 * 886_016, sources=(SourceFile("net.py", "e4"),))
    runs = [
        run(tmp_path / name, [network, structs.replace(network, flops=None)])
        for name, network in (("one", NARROW), ("two", twice))
    ]
    for folders in (runs, runs[::-1]):
        figures = summarise(folders).figures
        assert sorted((f.network, f.runs) for f in figures) == [("1", (0, 0)), ("2", (1, 1))]
