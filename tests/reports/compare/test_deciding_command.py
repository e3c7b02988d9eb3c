"""Inconclusive rows: what would decide them, in the table, in programs' rows and as a command."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from bench.runner import plan_file
from bench.schema.case import MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Environment, Record
from bench.stats.moderation import more_processes
from reports import formats
from reports.compare.compare_report import RunComparison, build
from reports.document import NextStep
from tests.planted import planted_records, planted_scatter
from tests.planted.shown_cells import rows_of

OTHER_MACHINE = structs.replace(planted_records.MACHINE, cpu="Other CPU")
SECONDS = (4.0, 6.0)
SERVER = 2.5
"""What a process of BASE and of NEW takes."""
QUIET, NOISY = 0.001, 0.02


def run_of(
    side: int,
    scatters: tuple[float, ...],
    *,
    processes: int = 3,
    slower: float = 0.0,
    environment: Environment = planted_records.MACHINE,
) -> list[Record]:
    """A case for each scatter between processes: exactly so many logs as its standard deviation says."""
    shape = np.linspace(-1.0, 1.0, processes)
    unit = shape / shape.std(ddof=1) if processes > 1 else shape + 1.0
    return [
        record
        for case, sd in zip(planted_scatter.cases(len(scatters)), scatters, strict=True)
        for record in planted_scatter.processes(
            case,
            (sd * unit + slower * side).tolist(),
            [(sd / 2) ** 2] * processes,
            seconds=SECONDS[side],
            environment=environment,
        )
    ]


def keep_plan(directory: Path, records: list[Record]) -> Path:
    """A run that knows what it measures."""
    cases = list(dict.fromkeys(structs.replace(record.case, replicate=1) for record in records))
    planned = KeptPlan(
        suite="quick",
        cases=cases,
        ceilings=False,
        auto=False,
        protocol=MeasurementProtocol(),
        replicates=3,
        machine=None,
    )
    planted_records.write(directory, records)
    plan_file.write(directory, planned)
    return directory


def compare(tmp_path: Path, base: list[Record], new: list[Record], **how: Any) -> RunComparison:
    return build([keep_plan(tmp_path / "base", base)], [keep_plan(tmp_path / "new", new)], **how)


def sentence(comparison: RunComparison) -> str:
    """The one that says what inconclusive rows need; empty where there is none."""
    return next((line for line in comparison.document.text if " inconclusive row" in line), "")


def step(comparison: RunComparison) -> NextStep:
    """The command of the first screen."""
    answer = comparison.document.answer
    assert answer is not None
    assert answer.next_step is not None
    return answer.next_step


def commands(comparison: RunComparison) -> list[list[str]]:
    """The words of the two commands of the next step."""
    words = shlex.split(step(comparison).command)
    at = words.index("&&")
    return [words[:at], words[at + 1 :]]


def test_a_noisy_row_asks_for_processes_in_every_format(tmp_path: Path) -> None:
    """Of five cases one is inconclusive: its two sides would need so many more."""
    scatters = (QUIET, QUIET, QUIET, QUIET, NOISY)
    comparison = compare(tmp_path, run_of(0, scatters), run_of(1, scatters))
    *decided, asking = comparison.rows
    assert {row.verdict for row in decided} == {"equivalent"}
    assert {row.what_decides for row in decided} == {None}
    assert asking.what_decides is not None
    more = asking.what_decides.more
    assert more is not None
    row = json.loads(formats.render("json", comparison.document))["rows"][-1]
    assert (row["more_of"], row["more_processes"]) == ("process", more)
    assert row["more_seconds"] == pytest.approx(more * (sum(SECONDS) + 2 * SERVER))
    assert row["more_target"] == pytest.approx(0.02)
    (time,) = [table for table in comparison.document.tables if table.title == "Time"]
    told = f"{more} more for 2.0%, about {15 * more / 60:.0f} minutes"
    assert [shown["to decide"] for shown in rows_of(time)] == [None] * 4 + [told]
    assert any(note.startswith("to decide: ") for note in time.notes)
    for name in formats.for_any():
        assert str(more) in formats.render(name, structs.replace(comparison.document, whole=True))
    assert told in formats.render("md", comparison.document)
    assert told in formats.render("html", comparison.document)


def test_a_decided_comparison_asks_for_nothing(tmp_path: Path) -> None:
    comparison = compare(tmp_path, run_of(0, (QUIET,) * 3), run_of(1, (QUIET,) * 3))
    assert sentence(comparison) == ""
    assert step(comparison).command.endswith("--full")
    (time,) = [table for table in comparison.document.tables if table.title == "Time"]
    assert "to decide" not in time.columns


def test_until_asks_both_runs_for_the_width_that_decides(tmp_path: Path) -> None:
    """A change of 6% that 3 processes just do not see, and a few more do."""
    scatters = (0.02, 0.021, 0.019, 0.02)
    base, new = run_of(0, scatters), run_of(1, scatters, slower=0.06)
    comparison = compare(tmp_path, base, new)
    asking = [row for row in comparison.rows if row.what_decides]
    assert asking
    typed = commands(comparison)
    assert [words[:5] for words in typed] == [
        ["convbench", "run", "--resume", "--out", str(tmp_path / side)] for side in ("base", "new")
    ]
    assert {words[5] for words in typed} == {"--until"}
    for side, words in enumerate(typed):
        until = float(words[6].removesuffix("%")) / 100
        wanted = []
        for row in asking:
            assert row.moderated is not None
            assert row.what_decides is not None
            assert row.what_decides.more is not None
            found = more_processes(row.moderated[side], 3, until)
            assert found is not None
            wanted.append(found - row.what_decides.more)
        # the row that needs most gets what it asks for, or one more, as the width is rounded down
        assert min(wanted) >= 0
        assert min(wanted) <= 1


def test_a_case_that_failed_in_base_keeps_no_command_from_the_other_run(tmp_path: Path) -> None:
    """A run that holds a failure ends with exit code 1, at which `&&` stops."""
    lost = planted_records.record(
        structs.replace(planted_scatter.cases(9)[-1], replicate=1), status="oom", reason="out of memory"
    )
    scatters = (NOISY,) * 4
    comparison = compare(tmp_path, [*run_of(0, scatters), lost], run_of(1, scatters))
    typed = step(comparison).command
    assert "&&" not in typed
    assert "; convbench run --resume" in typed


def test_the_time_is_that_of_all_cases_that_the_commands_measure(tmp_path: Path) -> None:
    """Beyond ten processes of a case only a number of replicates brings it there: four cases of 3 each."""
    scatters = (QUIET, QUIET, QUIET, NOISY)
    comparison = compare(tmp_path, run_of(0, scatters), run_of(1, scatters))
    asking = comparison.rows[-1].what_decides
    assert asking is not None
    assert asking.more is not None
    assert asking.more + 3 > 10
    servers = 2 * math.ceil(asking.more / 2) * SERVER  # on each side two start at once
    seconds = 4 * asking.more * sum(SECONDS) + servers
    replicates = str(3 + asking.more)
    assert [words[5:] for words in commands(comparison)] == [["--replicates", replicates]] * 2
    assert step(comparison).seconds == pytest.approx(seconds)
    assert step(comparison).purpose == "decides 1 inconclusive row"


def test_sides_of_two_machines_are_each_measured_on_their_own(tmp_path: Path) -> None:
    scatters = (NOISY, NOISY)
    comparison = compare(tmp_path, run_of(0, scatters), run_of(1, scatters, environment=OTHER_MACHINE))
    assert step(comparison).purpose == "decides 2 inconclusive rows, each on the machine of its run"


def test_a_folder_without_a_plan_is_measured_by_its_own_command(tmp_path: Path) -> None:
    """A path with a space stands in quotes where the other folder has a plan."""
    records = run_of(0, (NOISY, NOISY)), run_of(1, (NOISY, NOISY))
    base = planted_records.write(tmp_path / "before", records[0])
    new = keep_plan(tmp_path / "the new one", records[1])
    words = sentence(build([base], [new]))
    assert "BASE: the command of the run again, with --resume --replicates " in words
    assert f"; NEW: convbench run --resume --out '{new}' --replicates " in words


def test_one_process_asks_for_a_second(tmp_path: Path) -> None:
    comparison = compare(tmp_path, run_of(0, (QUIET,), processes=1), run_of(1, (QUIET,), processes=1))
    (row,) = json.loads(formats.render("json", comparison.document))["rows"]
    assert (row["more_processes"], row["more_seconds"], row["more_target"]) == (1, 15.0, None)
    (time,) = [table for table in comparison.document.tables if table.title == "Time"]
    assert [shown["to decide"] for shown in rows_of(time)] == ["at least 1 more, about 15 s"]
    assert [words[5:] for words in commands(comparison)] == [["--replicates", "2"]] * 2


def test_more_than_can_be_told(tmp_path: Path) -> None:
    """Processes that scatter by 15%: no number of them below 50 shows 2%."""
    comparison = compare(tmp_path, run_of(0, (0.15,)), run_of(1, (0.15,)))
    (row,) = json.loads(formats.render("json", comparison.document))["rows"]
    assert (row["more_of"], row["more_processes"], row["more_seconds"]) == ("process", None, None)
    (time,) = [table for table in comparison.document.tables if table.title == "Time"]
    assert [shown["to decide"] for shown in rows_of(time)] == ["more than 50"]
    assert "1 inconclusive row needs more than 50 more processes on each side." in sentence(comparison)
    assert step(comparison).command == "convbench doctor"


def test_runs_are_asked_for_where_they_are_the_unit(tmp_path: Path) -> None:
    sides = [
        [
            planted_records.write(
                tmp_path / f"{side}{drift}",
                planted_scatter.processes(
                    planted_scatter.cases(1)[0], [drift, drift], [1e-6] * 2, seconds=SECONDS[side]
                ),
            )
            for drift in (0.0, 0.015, 0.03)
        ]
        for side in (0, 1)
    ]
    comparison = build(sides[0], sides[1])
    (row,) = comparison.rows
    assert row.what_decides is not None
    assert (row.what_decides.of, row.what_decides.seconds) == ("run", None)
    (time,) = [table for table in comparison.document.tables if table.title == "Time"]
    assert [str(shown["to decide"]).split(" for ")[0] for shown in rows_of(time)] == [
        f"{row.what_decides.more} more runs"
    ]
    assert sentence(comparison).endswith("more runs on each side. Give each run a new folder.")


def test_pairs_are_asked_of_ab(tmp_path: Path) -> None:
    """Pairs whose log ratios scatter by 2% around 1%."""
    logs = np.array([0.03, -0.01] * 4)
    case = planted_scatter.cases(1)[0]
    sides = [
        [
            structs.replace(record, pair=record.case.replicate)
            for record in planted_scatter.processes(case, shifted.tolist(), [1e-6] * 8, seconds=3.0)
        ]
        for shifted in (np.zeros(8), logs)
    ]
    comparison = build(
        [planted_records.write(tmp_path / "a", sides[0])], [planted_records.write(tmp_path / "b", sides[1])]
    )
    (row,) = comparison.rows
    assert row.what_decides is not None
    assert row.what_decides.of == "pair"
    assert row.what_decides.more is not None
    assert row.what_decides.seconds == pytest.approx((6.0 + 2 * SERVER) * row.what_decides.more)
    assert "start a new ab with a larger --budget" in sentence(comparison)


def test_a_side_of_several_runs_gets_no_command(tmp_path: Path) -> None:
    """The processes of BASE are those of two runs: neither alone is to have so many more."""
    base = [keep_plan(tmp_path / f"base{at}", run_of(0, (NOISY,))) for at in (1, 2)]
    words = sentence(build(base, [keep_plan(tmp_path / "new", run_of(1, (NOISY,)))]))
    assert words.endswith("more processes on each side.")
    assert "convbench run" not in words
