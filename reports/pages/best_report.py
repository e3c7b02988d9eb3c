"""A search for the fastest configuration -> its answer, all that was tried, and what was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.plan.suite import FIRST_PROCESSES
from bench.schema.plurals import how_many
from bench.store import RECORDS
from bench.studies.best.search_result import Findings
from bench.studies.best.strategy import GIVE_UP, CandidateResult
from reports.analysis.further_processes import times
from reports.cells import Cell, Quantity, Scalar
from reports.document import Answer, Document, NextStep, Part, Table
from reports.pages import best_answer
from reports.pages.best_answer import ALIKE, PLAIN, in_words, pair_with_plain, speed
from reports.pages.candidate_figures import over_all_processes, peak_memory, plain_of, ratio_to_plain
from reports.sections.machine_line import machine_words
from reports.sections.origin import origin_of
from reports.summary.caches import IN_WORDS
from reports.summary.contended import not_alone
from reports.summary.figures import Summary, case_row
from reports.summary.pooling import summarise
from reports.tables.case_command import best_command, run_command
from reports.tables.case_names import case_name
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import interval_notes, one_line, with_interval

ALIKE_MARK, FASTER_MARK = "=", "▼"
MARKS = {
    ALIKE_MARK: f"{ALIKE_MARK}: not distinguishable from the first in pairs of processes.",
    FASTER_MARK: f"{FASTER_MARK}: faster than the first in pairs of processes.",
}
FASTEST = 5
"""So many candidates stand on the first screen."""
CANDIDATES = Part("candidates", "All candidates")
NOT_TRIED = Part("not-tried", "Not tried on this machine", in_appendix=True)
METHOD = (
    "The search times each candidate in one process. The fastest and its closest rivals, then the fastest "
    f"and {PLAIN}, are measured in interleaved pairs of processes, whose ratios have 99.75% intervals. A "
    "candidate's time is that of all its processes."
)
LONGER_BUDGET = 600
"""Seconds, by default."""
_OVERRUN = 1.1
"""A search that takes more than so many times its budget says so."""


def build(found: Findings, directory: Path, trained: Sequence[Path]) -> Document:
    """The report of a search in `directory`; `trained` are runs whose accuracies say whether a precision
    learns as well. Raises UserError for what cannot be read."""
    folders = [directory, *sorted(directory.glob("pairs-*/[ab]"))]
    measured = summarise([folder for folder in folders if _holds_records(folder)])
    return document(found, measured, summarise(trained) if trained else None)


def _holds_records(folder: Path) -> bool:
    file = folder / RECORDS
    return file.exists() and file.stat().st_size > 0


def document(found: Findings, measured: Summary, learned: Summary | None) -> Document:
    """The answer, then what was tried. `measured` has the winner's figures and the ceilings."""
    alarms = (*not_alone(measured.figures, "this search"), *best_answer.alarms(found, measured))
    found = over_all_processes(found, measured)
    first = found.winner or found.base
    return Document(
        title=f"{case_name(first)}: fastest configuration" if first else "Fastest configuration",
        answer=Answer(
            about=_about(found, measured),
            alarms=alarms,
            headlines=tuple(best_answer.headlines(found, measured, learned)),
            table=_fastest(found, measured),
            warnings=" ".join(_warnings(found)),
            next_step=_next(found, measured),
        ),
        text=(METHOD, *_caches(found, measured)),
        tables=(*_tried_table(found), *_left_out_table(found)),
        rows=tuple(_row(one, found) for one in _in_order(found)),
        origin=origin_of(measured),
    )


def _about(found: Findings, measured: Summary) -> str:
    """`Intel Xeon, 2 cores · torch 2.15.0 · 14 configurations in 96 s of a budget of 600 s`"""
    told = how_many(len(found.tried), "configuration")
    if found.seconds is not None and found.budget_seconds is not None:
        told += f" in {found.seconds:.0f} s of a budget of {found.budget_seconds:.0f} s"
    return " · ".join((*machine_words(measured), told))


def _warnings(found: Findings) -> Iterator[str]:
    if not found.is_complete:
        yield (
            "The budget ended the search before everything was tried; --resume with a larger --budget "
            "continues it."
        )
    if found.seconds and found.budget_seconds and found.seconds > _OVERRUN * found.budget_seconds:
        yield (
            f"The search took {found.seconds - found.budget_seconds:.0f} s more than its budget: processes "
            "that have begun are finished."
        )
    failed = sum(one.seconds is None for one in found.tried)
    if failed and found.winner is not None:
        yield f"{failed} of {len(found.tried)} configurations failed; --section candidates gives the reasons."


def _next(found: Findings, measured: Summary) -> NextStep | None:
    if found.winner is None and not found.is_complete and found.base is not None:
        command = best_command(found.base, "--budget", f"{LONGER_BUDGET}")
        return NextStep(command=command, purpose="searches longer", seconds=LONGER_BUDGET)
    if found.winner is None:
        return NextStep(command="convbench doctor", purpose="finds what prevents measurements here")
    return NextStep(
        command=run_command(found.winner, found.gpu),
        purpose="runs this configuration",
        seconds=times(FIRST_PROCESSES, measured.seconds.get(found.winner.without_replicate()), 1),
        has_dry_run=True,
    )


def _caches(found: Findings, measured: Summary) -> list[str]:
    return [IN_WORDS[measured.caches]] if found.winner and measured.caches else []


def _in_order(found: Findings) -> list[CandidateResult]:
    """The winner, then fastest first, then what failed."""
    return sorted(
        found.tried, key=lambda one: (one.case == found.winner, one.images_per_second), reverse=True
    )


def _fastest(found: Findings, measured: Summary) -> Table | None:
    """The winner and the next few, with a mark where the pairs do not distinguish one from the winner."""
    timed = [one for one in _in_order(found) if one.seconds is not None][:FASTEST]
    if not timed:
        return None
    marks = [_mark(one, found) for one in timed]
    columns: dict[str, list[Cell]] = {
        "#": [_place(mark, place) for place, mark in enumerate(marks, 1)],
        "configuration": [in_words(one.case) for one in timed],
    }
    if len({one.case.batch for one in found.tried}) > 1:
        columns["batch"] = [one.case.batch for one in timed]
    cells = zip(*(_time_cells(one, found) for one in timed), strict=True)
    columns |= {name: list(several) for name, several in zip(_time_columns(found), cells, strict=True)}
    memory = [peak_memory(one.case, measured) for one in timed]
    if any(each is not None for each in memory):
        columns["memory (MiB)"] = list(memory)
    rows = tuple(zip(*columns.values(), strict=True))
    shown = f"Fastest {len(rows)} of {len(found.tried)}" if len(found.tried) > len(rows) else "What was tried"
    return Table(
        title=shown,
        columns=tuple(columns),
        rows=rows,
        notes=(
            *(MARKS[mark] for mark in MARKS if mark in marks),
            *interval_notes(cell for row in rows for cell in row),
        ),
        optional=tuple(name for name in ("memory (MiB)", "images/s") if name in columns),
    )


def _mark(one: CandidateResult, found: Findings) -> str:
    """What pairs say of a candidate and the winner; nothing of what was in no pair, or is slower."""
    for row in found.pairs:
        sides = (row.case_pair.a, row.case_pair.b)
        if one.case != found.winner and one.case in sides and found.winner in sides:
            if row.verdict.verdict in ALIKE:
                return ALIKE_MARK
            is_slower = (row.verdict.verdict == "faster") == (found.winner == row.case_pair.b)
            return "" if is_slower else FASTER_MARK
    return ""


def _place(mark: str, place: int) -> str:
    """`1`, `=` of what the pairs do not distinguish from the winner, `▼ 2` of what is faster in them."""
    return mark if mark == ALIKE_MARK else f"{mark} {place}".strip()


def _time_columns(found: Findings) -> tuple[str, ...]:
    return f"time ({_unit(found).name})", "images/s", f"vs {PLAIN}"


def _unit(found: Findings) -> TimeUnit:
    """One for all candidates."""
    return unit_of(one.seconds for one in found.tried if one.seconds is not None)


def _time_cells(one: CandidateResult, found: Findings) -> tuple[Cell, ...]:
    assert one.seconds is not None
    step = with_interval(one.seconds, one.interval, _unit(found).per_second)
    rate: Cell = one.images_per_second
    return (
        step,
        rate if step.is_resolved else Quantity(value=one.images_per_second, unresolved=True),
        _against_plain(one, found),
    )


def _against_plain(one: CandidateResult, found: Findings) -> Cell:
    """Of the winner by its pairs, as the headline says; of others by their times."""
    row = pair_with_plain(found)
    if one.case == found.winner and row is not None and (times := speed(row)) is not None:
        return times
    ratio = ratio_to_plain(one, found)
    if ratio is None:
        return None
    certain = plain_of(one, found) is one  # against itself it is 1, whatever its interval
    return with_interval(ratio.value, None if certain else ratio.interval, unit="x")


def _tried_table(found: Findings) -> Iterator[Table]:
    several = len({one.case.batch for one in found.tried}) > 1
    rows = [
        (in_words(one.case), *([one.case.batch] if several else []), *_cells(one, found))
        for one in _in_order(found)
    ]
    if not rows:
        return
    yield Table(
        title="All candidates, fastest first",
        columns=(
            *("configuration", *(["batch"] if several else [])),
            *(*_time_columns(found), "samples", "remark"),
        ),
        rows=tuple(rows),
        part=CANDIDATES,
        notes=(
            f"given up: surely more than {GIVE_UP}x the best time so far, so few samples were taken.",
            *interval_notes(cell for row in rows for cell in row),
        ),
    )


def _cells(one: CandidateResult, found: Findings) -> tuple[Cell, ...]:
    if one.seconds is None:
        return (None, None, None, None, one_line(_failure(one) or ""))
    return (*_time_cells(one, found), one.samples, "given up" if one.given_up else None)


def _failure(one: CandidateResult) -> str | None:
    """`timeout: timed out after 120 s while timing`"""
    if one.failure is None:
        return None
    return f"{one.failure.status}: {one.failure.reason}" if one.failure.reason else one.failure.status


def _left_out_table(found: Findings) -> Iterator[Table]:
    if found.excluded:
        rows = tuple((value, one_line(reason)) for value, reason in found.excluded.items())
        yield Table(title="Not tried on this machine", columns=("value", "reason"), rows=rows, part=NOT_TRIED)


def _row(one: CandidateResult, found: Findings) -> dict[str, Scalar]:
    ratio = ratio_to_plain(one, found)
    fields: dict[str, Scalar] = {
        "seconds": one.seconds,
        "low": one.interval.low if one.interval else None,
        "high": one.interval.high if one.interval else None,
        "images_per_second": one.images_per_second or None,
        "speedup": ratio.value if ratio else None,
        "samples": one.samples,
        "given_up": one.given_up,
        "failure": _failure(one),
        "is_winner": one.case == found.winner,
        "caches": "warm",  # a search has no other protocol
    }
    return case_row(one.case, fields)
