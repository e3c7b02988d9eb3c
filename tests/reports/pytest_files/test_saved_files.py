"""`convbench report` and `compare` of files of pytest-benchmark: ours, foreign, hostile and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from tests.planted import planted_records, planted_sessions
from tests.planted.commands import Command, is_one_sentence
from tests.planted.planted_sessions import benchmark, of_case

CASE = Case(model="vgg11", batch=8, threads=2)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """One benchmark of our plugin, one of another suite."""
    return planted_sessions.write(
        tmp_path / "mixed.json", [of_case("test_vgg", CASE, 0.2), benchmark("test_sum", 1e-5)]
    )


def test_a_file_is_reported_as_one_process(command_line: Command, mixed: Path) -> None:
    ours, foreign = command_line("report", mixed, "--format", "json").rows()
    assert (ours["model"], ours["batch"], ours["phase"]) == ("vgg11", 8, "forward")
    assert ours["images_per_second"] == pytest.approx(8 / 0.2)
    assert ours["share_of_peak"] == pytest.approx(10**9 / 0.2 / 10**11)
    for row in (ours, foreign):
        assert (row["processes"], row["interval"], row["state"]) == (1, "within-process", "one process")
        assert row["source"] == str(mixed)
    assert (foreign["low"], foreign["high"]) == pytest.approx((0.97e-5, 1.03e-5))
    assert "model" not in foreign
    shown = " ".join(command_line("report", mixed).out.split())
    assert "one process of pytest" in shown
    assert "One process measured each file" in shown


def test_each_kind_of_work_has_a_table_of_its_own(command_line: Command, mixed: Path) -> None:
    shown = command_line("report", mixed, "--full").out
    assert shown.index("inference forward\n") < shown.index("other benchmarks\n")
    assert "launch-bound" in shown
    assert "† one process" in shown


def test_a_median_without_its_rounds_has_no_interval(command_line: Command, tmp_path: Path) -> None:
    """`--benchmark-autosave` keeps none unless it is told to."""
    file = planted_sessions.write(tmp_path / "0001.json", [benchmark("test_sum", 0.1, saves_data=False)])
    (row,) = command_line("report", file, "--format", "json").rows()
    assert (row["median"], row["low"], row["samples"]) == (0.1, None, 7)


def test_a_timer_that_is_not_the_walls_is_named(command_line: Command, tmp_path: Path) -> None:
    other = benchmark("test_sum", 0.1, options={"timer": "process_time"})
    (row,) = command_line(
        "report", planted_sessions.write(tmp_path / "a.json", [other]), "--format", "json"
    ).rows()
    assert "timer process_time" in row["warnings"]


@pytest.mark.parametrize(
    "info", [{"status": "reduced"}, {"status": None, "interval": None}], ids=["said", "older"]
)
def test_a_reduced_run_is_never_shown_as_measured(
    command_line: Command, tmp_path: Path, info: dict[str, object]
) -> None:
    """Older plugins wrote such a run under the name of the whole one, without a status or an interval."""
    reduced = of_case("test_vgg", structs.replace(CASE, image=32), 0.016, **info)
    if info["status"] is None:
        del reduced["extra_info"]["status"], reduced["extra_info"]["interval"]
        reduced["stats"] = {"median": 0.016, "rounds": 1, "data": [0.016]}
    file = planted_sessions.write(tmp_path / "a.json", [reduced, benchmark("test_sum", 0.1)])
    rows = command_line("report", file, "--format", "json").rows()
    assert [(row["status"], row["median"]) for row in rows] == [("ok", 0.1), ("reduced", None)]
    assert "it ran once, at a reduced size" in command_line("report", file).out
    other = planted_sessions.write(
        tmp_path / "b.json", [of_case("test_vgg", CASE, 0.2), benchmark("test_sum", 0.1)]
    )
    compared = command_line("compare", file, other, "--format", "json").rows()
    assert [row["benchmark"] for row in compared] == ["tests/test_speed.py::test_sum"]


def test_what_ran_out_of_memory_is_told(command_line: Command, tmp_path: Path) -> None:
    info = {"status": "oom", "reason": "out of memory. Use a smaller batch"}
    failed = {"name": "test_big", "fullname": "tests/test_speed.py::test_big", "extra_info": info}
    file = planted_sessions.write(tmp_path / "a.json", [], convbench_failed=[failed])
    answer = command_line("report", file)
    assert answer.code == 0
    assert "test_big has no figure: out of memory. Use a smaller batch" in answer.out


def test_a_file_beside_a_run_is_not_pooled(command_line: Command, tmp_path: Path, mixed: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.replicates(CASE, (0.3, 0.31, 0.29)))
    answer = command_line("report", run, mixed)
    assert "mixed.json: pytest-benchmark, one process, not pooled with the runs" in " ".join(
        answer.out.split()
    )
    rows = command_line("report", run, mixed, "--format", "json").rows()
    assert [(row["processes"], row.get("source")) for row in rows if row["metric"] == "wall_time"] == [
        (3, None),
        (1, str(mixed)),
        (1, str(mixed)),
    ]


def test_two_files_are_inconclusive(command_line: Command, tmp_path: Path, mixed: Path) -> None:
    """However many rounds, and however different the medians: a process is one."""
    slower = planted_sessions.write(
        tmp_path / "slower.json", [of_case("test_vgg", CASE, 0.4), benchmark("test_sum", 3e-5)]
    )
    answer = command_line("compare", mixed, slower, "--fail-on", "slower", "--format", "json")
    assert answer.code == 0
    assert [(row["ratio"], row["verdict"]) for row in answer.rows()] == [
        (pytest.approx(2.0), "inconclusive"),
        (pytest.approx(3.0), "inconclusive"),
    ]
    assert all("one process on a side" in row["reason"] for row in answer.rows())
    assert "2 could not be judged" in " ".join(
        command_line("compare", mixed, slower, "--fail-on", "slower").out.split()
    )


def test_a_file_against_a_run_meets_it_by_the_work(
    command_line: Command, tmp_path: Path, mixed: Path
) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.replicates(CASE, (0.3, 0.31, 0.29)))
    for sides in ((run, mixed), (mixed, run)):
        (row,) = command_line("compare", *sides, "--format", "json").rows()
        assert {row["n_base"], row["n_new"]} == {1, 3}
        assert row["verdict"] == "inconclusive"


def test_other_work_under_one_name_is_not_compared(
    command_line: Command, tmp_path: Path, mixed: Path
) -> None:
    larger = of_case("test_vgg", structs.replace(CASE, batch=16), 0.2)
    answer = command_line("compare", mixed, planted_sessions.write(tmp_path / "b.json", [larger]), "--full")
    assert answer.code == 1
    assert "cases differ: batch 8 / 16" in answer.out
    assert "nothing was compared" in answer.err


def timed(text: str) -> str:
    """One benchmark with this median."""
    return f'{{"benchmarks": [{{"name": "a", "fullname": "b", "stats": {{"median": {text}, "rounds": 3}}}}]}}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Input data was truncated"),
        ("[" * 100_000, "got `array`"),
        ('{"benchmarks": ' + '{"a":' * 100_000, "no JSON file"),
        ('{"benchmarks": []}', "has no benchmarks"),
        ('{"schema": 4}', "missing required field"),
        ('{"benchmarks": [{"name": 1}]}', "Expected `str`"),
        ('{"benchmarks": [{"name": "a", "fullname": "b"}]}', "has no stats"),
        (timed("-1"), "no possible time"),
        (timed("NaN"), "no JSON file"),
        (timed("1e400"), "out of range"),
    ],
    ids=range(10),
)
def test_a_damaged_or_hostile_file_gets_a_sentence(
    command_line: Command, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    (tmp_path / "y.json").write_text(text)
    for command in (("report", file), ("compare", file, tmp_path / "y.json")):
        answer = command_line(*command)
        assert (answer.code, answer.out) == (2, "")
        assert is_one_sentence(answer.err)
        assert words in answer.err


def test_what_a_file_claims_is_believed_only_where_it_can_be(command_line: Command, tmp_path: Path) -> None:
    """Names reach a terminal and a page as text, and fields of the wrong type are those of another suite."""
    odd = benchmark("test\x1b[31m<script>alert(1)</script>", 0.1)
    odd["extra_info"] = {"case": {"model": 3}, "phase": [], "warnings": "x", "bytes": {"a": "b"}, "status": 7}
    file = planted_sessions.write(tmp_path / "odd.json", [odd])
    assert "\x1b[31m" not in command_line("report", file).out
    assert "<script>alert" not in command_line("report", file, "--format", "html").out
    (row,) = command_line("report", file, "--format", "json").rows()
    assert "model" not in row


def test_processes_whose_medians_were_not_saved_are_counted(command_line: Command, tmp_path: Path) -> None:
    """`--convbench-replicates 5 --benchmark-autosave`: without the medians there is no verdict."""
    told = {"interval_scope": "across-processes", "processes": 5, "interval": [0.19, 0.21]}
    kept = [of_case("test_vgg", CASE, 0.2, **told)]
    del kept[0]["stats"]["data"]
    one, other = (planted_sessions.write(tmp_path / name, kept) for name in ("a.json", "b.json"))
    (row,) = command_line("report", one, "--format", "json").rows()
    assert (row["processes"], row["interval"], row["low"], row["high"]) == (5, "across-processes", 0.19, 0.21)
    (compared,) = command_line("compare", one, other, "--format", "json").rows()
    assert compared["verdict"] == "inconclusive"
    assert "--benchmark-save-data keeps them" in compared["reason"]
    for command in (("report", one), ("compare", one, other)):
        assert "one process" not in command_line(*command).out.lower()


def test_a_file_of_records_is_still_none(command_line: Command, tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.replicates(CASE, (0.3,)))
    assert "is a file. Give the run folder" in command_line("report", run / "records.jsonl").err


def test_a_run_becomes_a_file_and_is_read_again(command_line: Command, tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.replicates(CASE, (0.3, 0.31, 0.29)))
    file = tmp_path / "run.json"
    file.write_text(command_line("report", run, "--format", "pytest-benchmark").out)
    (row,) = command_line("report", file, "--format", "json").rows()
    (own,) = command_line("report", run, "--format", "json").rows()
    assert [row[name] for name in ("model", "processes", "interval")] == ["vgg11", 3, "across-processes"]
    assert (row["median"], row["low"], row["high"]) == pytest.approx((own["median"], own["low"], own["high"]))
    (compared,) = command_line("compare", run, file, "--format", "json").rows()
    assert (compared["ratio"], compared["n_new"]) == (pytest.approx(1.0), 3)
    assert json.loads(file.read_text())["benchmarks"][0]["stats"]["rounds"] == 3


def test_files_of_several_processes_are_not_called_one(command_line: Command, tmp_path: Path) -> None:
    several = of_case("test_vgg", CASE, 0.2, interval_scope="across-processes", processes=7)
    file = planted_sessions.write(tmp_path / "a.json", [several])
    shown = " ".join(command_line("report", file).out.split())
    assert "a.json, 7 processes, lab" in shown
    assert "ne process" not in shown
    both = planted_sessions.write(tmp_path / "b.json", [several, benchmark("test_sum", 0.1)])
    shown = " ".join(command_line("report", both).out.split())
    assert "b.json, 1 to 7 processes, lab" in shown
    assert "One process measured 1 benchmark (†)" in shown
    run = planted_records.write(tmp_path / "run", planted_records.replicates(CASE, (0.3, 0.31, 0.29)))
    beside = " ".join(command_line("report", run, file).out.split())
    assert "a.json: pytest-benchmark, 7 processes, not pooled with the runs" in beside


def test_a_change_that_scatter_hides_is_not_resolved_and_says_why(
    command_line: Command, tmp_path: Path
) -> None:
    """Two processes a side that differ by a factor of a hundred: a percentage of the ratio says nothing."""
    sides = []
    for name, data in (("a.json", [0.001, 0.1]), ("b.json", [0.002, 0.05])):
        kept = of_case("test_vgg", CASE, 0.01, interval_scope="across-processes", processes=2, interval=None)
        kept["stats"] |= {"data": data, "rounds": 2}
        sides.append(planted_sessions.write(tmp_path / name, [kept]))
    shown = " ".join(command_line("compare", *sides).out.split())
    assert "1 of 1 time inconclusive: too few processes to tell" in shown
    assert shown.count("not resolved") == 4, "both sides, the change, and the note"
    assert "%)" not in shown


def test_an_undecided_benchmark_fails_the_gate_that_asks_for_a_decision(
    command_line: Command, tmp_path: Path, mixed: Path
) -> None:
    faster = planted_sessions.write(tmp_path / "faster.json", [of_case("test_vgg", CASE, 0.1)])
    answer = command_line("compare", mixed, faster, "--fail-on", "inconclusive")
    assert answer.code == 1
    assert "gate: test_vgg is inconclusive: one process on a side" in answer.err


@pytest.mark.parametrize(("gate", "code"), [("any", 1), ("slower", 0), ("inconclusive", 0)])
def test_what_got_faster_fails_the_gate_on_any_change_alone(
    command_line: Command, tmp_path: Path, gate: str, code: int
) -> None:
    sides = [
        planted_sessions.write(
            tmp_path / f"{seconds}.json",
            [of_case("test_vgg", CASE, seconds, interval_scope="across-processes", processes=7)],
        )
        for seconds in (0.2, 0.1)
    ]
    assert command_line("compare", *sides, "--fail-on", gate).code == code


def test_what_ran_out_of_memory_fails_the_gate(command_line: Command, tmp_path: Path, mixed: Path) -> None:
    """As a case does that failed in a run."""
    info = {"status": "oom", "reason": "out of memory. Use a smaller batch"}
    failed = {"name": "test_vgg", "fullname": "tests/test_speed.py::test_vgg", "extra_info": info}
    file = planted_sessions.write(
        tmp_path / "a.json", [benchmark("test_sum", 1e-5)], convbench_failed=[failed]
    )
    answer = command_line("compare", mixed, file, "--fail-on", "slower")
    assert answer.code == 1
    assert "gate: test_vgg was measured in BASE and failed in NEW" in answer.err
