"""What more processes would do: the number against its definition, the words, and the command of a report."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.runner import plan_file
from bench.schema.case import MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.durations import about
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Record
from reports import formats
from reports.analysis.further_processes import further, narrowing, rounded_down, share, told
from reports.document import Document
from reports.pages.run_report import build
from reports.summary.pooling import summarise
from tests.planted import planted_records, planted_scatter
from tests.planted.shown_cells import rows_of

SECONDS = 5.0
QUIET, NOISY, NOISIEST = 0.004, 0.04, 0.4


def servers(rounds: int) -> float:
    """Two start at once."""
    return 2.5 * math.ceil(rounds / 2)


def run_of(scatters: tuple[float, ...], processes: int = 3) -> list[Record]:
    """A case for each standard deviation between processes."""
    shape = np.linspace(-1.0, 1.0, processes)
    unit = shape / shape.std(ddof=1) if processes > 1 else shape
    return [
        record
        for case, sd in zip(planted_scatter.cases(len(scatters)), scatters, strict=True)
        for record in planted_scatter.processes(
            case, (sd * unit).tolist(), [(sd / 2) ** 2] * processes, seconds=SECONDS
        )
    ]


def keep_plan(directory: Path, records: list[Record], until: float | None = None) -> Path:
    cases = list(dict.fromkeys(structs.replace(record.case, replicate=1) for record in records))
    plan = KeptPlan(
        suite="quick",
        cases=cases,
        ceilings=False,
        auto=False,
        protocol=MeasurementProtocol(),
        replicates=3 if until is None else None,
        until=until,
        machine=None,
    )
    planted_records.write(directory, records)
    plan_file.write(directory, plan)
    return directory


def counts(document: Document) -> str:
    """The line that says how many cases there are."""
    return next(line for line in document.text if "cases measured" in line)


def test_a_wide_row_says_how_many_more_in_every_format(tmp_path: Path) -> None:
    document = build([keep_plan(tmp_path, run_of((QUIET, QUIET, NOISY)))])
    (inference,) = [table for table in document.tables if table.title == "Inference on cpu"]
    rows = json.loads(formats.render("json", document))["rows"]
    *narrow, wide = [row for row in rows if row["metric"] == "wall_time"]
    assert [(row["more_processes"], row["more_seconds"], row["more_target"]) for row in narrow] == [
        (0, 0.0, 0.05)
    ] * 2
    more = wide["more_processes"]
    words = f"{more} more, {about(SECONDS * more + servers(more))}"
    assert wide["more_seconds"] == SECONDS * more + servers(more)
    assert [shown["for ±5%"] for shown in rows_of(inference)] == [None, None, words]
    assert any(note.startswith("for ±5%: processes to add") for note in inference.notes)
    for name in ("md", "html", "terminal"):
        assert words in formats.render(name, structs.replace(document, whole=True))
    assert "more_processes" in formats.render("csv", document).splitlines()[0]

    def half(further: int) -> float:
        """Of the interval with so many more processes, from the row's own parts."""
        n = 3 + further
        own, d = wide["own_sd"], wide["prior_freedom"]
        variance = max(wide["floor_sd"] ** 2, (d * wide["prior_sd"] ** 2 + 2 * own**2) / (d + 2))
        return math.expm1(oracle.t.ppf(0.975, d + 2 + further) * math.sqrt(variance / n))

    assert half(more) <= 0.05 < half(more - 1)


def test_the_line_of_counts_ends_with_the_command_that_narrows_them_all(tmp_path: Path) -> None:
    folder = keep_plan(tmp_path / "a run", run_of((QUIET, NOISY, NOISY)))
    document = build([folder])
    rows = json.loads(formats.render("json", document))["rows"]
    more = [row["more_processes"] for row in rows if row.get("more_seconds")]
    seconds = SECONDS * sum(more) + servers(max(more))
    line = counts(document)
    told_first, _, typed = line.partition(" To narrow them, ")
    assert told_first.endswith("2 of 3 cases with several processes are wider than ±5%.")
    assert typed.startswith(f"in {about(seconds)}: ")
    assert shlex.split(typed.partition(": ")[2]) == [
        *("convbench", "run", "--resume", "--out", str(folder), "--until", "5%")
    ]


def test_the_target_is_that_of_the_run(tmp_path: Path) -> None:
    """What is wide for 5% is narrow for 30%."""
    document = build([keep_plan(tmp_path, run_of((QUIET, NOISY)), until=0.3)])
    assert counts(document).endswith("(6 processes).")
    (inference,) = [table for table in document.tables if table.title == "Inference on cpu"]
    assert not [name for name in inference.columns if name.startswith("for ")]


def test_narrow_rows_ask_for_nothing(tmp_path: Path) -> None:
    document = build([keep_plan(tmp_path, run_of((QUIET, QUIET, QUIET)))])
    assert counts(document).endswith("(9 processes).")


def test_a_narrow_target_begins_with_a_third_process_of_every_case(tmp_path: Path) -> None:
    """So the seconds that it takes are those of narrow cases too."""
    summary = summarise([keep_plan(tmp_path, run_of((QUIET, QUIET, NOISY), processes=2))])
    wide = narrowing(summary, 0.04)
    [figure] = [each for each in summary.figures if each.case.batch == 3]
    more = further(figure, summary.seconds, 0.04)
    assert more is not None
    assert more.more is not None
    rounds = min(more.more, 8)
    assert (wide.wide, wide.seconds) == (1, (2 + rounds) * SECONDS + servers(rounds))


def test_what_would_need_too_many_is_not_promised(tmp_path: Path) -> None:
    """Of two wide cases one would stay wide after the ten processes at which a run stops."""
    line = counts(build([keep_plan(tmp_path / "both", run_of((QUIET, QUIET, NOISY, NOISIEST)))]))
    assert "2 of 4 cases with several processes are wider than ±5%. To narrow 1 of them, in " in line
    alone = counts(build([keep_plan(tmp_path / "alone", run_of((QUIET, QUIET, QUIET, NOISIEST)))]))
    assert "; each would need more than 10 processes, after which --until gives up" in alone
    assert "convbench run" not in alone


def test_a_folder_without_a_plan_is_measured_by_its_own_command(tmp_path: Path) -> None:
    document = build([planted_records.write(tmp_path, run_of((QUIET, NOISY)))])
    wide = json.loads(formats.render("json", document))["rows"][-1]["more_processes"]
    seconds = about(2 * wide * SECONDS + servers(wide))
    assert counts(document).endswith(
        f"To narrow them, in {seconds}: the command of the run again, with --resume --replicates {3 + wide}"
    )


def test_a_side_of_pairs_is_told_no_command(tmp_path: Path) -> None:
    """`ab` has no --resume, and `run` no pairs."""
    pairs = [structs.replace(record, pair=record.case.replicate) for record in run_of((QUIET, NOISY))]
    line = counts(build([planted_records.write(tmp_path, pairs)]))
    assert line.endswith("(6 processes).")


def test_a_contended_run_is_to_wait_for_its_machine(tmp_path: Path) -> None:
    busy = CaseWarning("contended", "other programs took 30% of the threads' time")
    records = [structs.replace(record, warnings=[busy]) for record in run_of((QUIET, NOISY))]
    line = counts(build([keep_plan(tmp_path, records)]))
    assert ", once no other program runs there: convbench run --resume" in line


@pytest.mark.parametrize("plain", [True, False])
def test_one_process_and_plain_intervals_ask_for_nothing(tmp_path: Path, plain: bool) -> None:
    records = run_of((QUIET, NOISY), processes=3 if plain else 1)
    document = build([keep_plan(tmp_path, records)], plain_intervals=plain)
    assert counts(document).endswith(f"({len(records)} processes).")


def test_words() -> None:
    assert [about(seconds) for seconds in (0.2, 50.4, 89.0, 91.0, 3600.0, 7300.0)] == [
        *("about 1 s", "about 50 s", "about 89 s", "about 2 minutes", "about 60 minutes", "about 2 hours")
    ]
    assert told(4, 50.0) == "4 more, about 50 s"
    assert told(4, None) == "4 more"
    assert told(None, None) == "more than 50"
    assert [share(rounded_down(value)) for value in (0.05, 0.00567, 0.0299, 0.123, 1.0)] == [
        *("5%", "0.56%", "2.9%", "12%", "100%")
    ]
