"""What an archive knows of one run, without unpacking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.archive.counted_processes import are_sides
from bench.archive.names import short_id
from bench.schema.archive_entry import CaseFacts, Entry
from bench.schema.plurals import how_many
from bench.stats.estimates import median
from reports.cells import Cell, Quantity, Scalar
from reports.document import Answer, Document, NextStep, Part, Table
from reports.pages.archive_report import trend_step
from reports.tables.archive_command import typed
from reports.tables.listing import within
from reports.tables.size_words import size_in_words

MOST_ROWS = 10
_CASES, _MACHINES, _FILES = Part("cases", "Cases"), Part("machines", "Machines"), Part("files", "Files")


def document(archive: Path, entry: Entry, pinned: Mapping[str, str]) -> Document:
    """The cases, then machines and files; a row for each case."""
    names = [f"@{name}" for name, digest in pinned.items() if digest == entry.digest]
    short = short_id(entry.digest)
    cases = entry.facts.cases
    return Document(
        title=f"{f'File of {entry.origin}' if entry.origin else 'Run'} {short}",
        answer=Answer(
            about=_about(entry),
            headlines=tuple(_headlines(entry, names)),
            table=_table(cases[:MOST_ROWS], of=len(cases)),
            next_step=_next(archive, entry, names[0] if names else f"@{short}"),
        ),
        tables=(_table(cases, of=len(cases)), _machines(entry), _files(entry)),
        rows=tuple(_row(case) for case in cases),
    )


def _next(archive: Path, entry: Entry, name: str) -> NextStep:
    if entry.origin:
        return trend_step(archive)
    if are_sides(entry.files):
        return NextStep(
            command=typed(archive, "compare", f"{name}/a", f"{name}/b"), purpose="compares its sides"
        )
    return NextStep(command=typed(archive, "report", name), purpose="shows its report")


def _about(entry: Entry) -> str:
    facts = entry.facts
    times = [each[:16].replace("T", " ") for each in (facts.started_at, facts.finished_at)]
    when = " to ".join(dict.fromkeys(times))
    if entry.origin:
        return f"{how_many(facts.records, 'benchmark')} of {entry.origin} · {when}"
    return f"{how_many(facts.records, 'record')} of {how_many(len(facts.cases), 'case')} · {when}"


def _headlines(entry: Entry, names: list[str]) -> Iterator[str]:
    called = f"named {within(names, 4)}" if names else "no name"
    label = f"label {entry.label}, " if entry.label else ""
    yield f"{short_id(entry.digest)}: {label}{called}; added {entry.added_at[:10]} from {entry.source}."
    failed = sum(case.failed for case in entry.facts.cases)
    if failed:
        yield f"{how_many(failed, *(('benchmark',) if entry.origin else ('process', 'processes')))} failed."
    if entry.facts.commands:
        yield f"Made by: {entry.facts.commands[0]}"


def _table(cases: tuple[CaseFacts, ...], *, of: int) -> Table:
    left = of - len(cases)
    return Table(
        title="Cases",
        part=_CASES,
        columns=("case", "machine", "processes", "failed", "median, ms"),
        rows=tuple((case.case, case.kind, case.processes, case.failed, _median(case)) for case in cases),
        notes=(f"{how_many(left, 'more case')}: --full.",) if left else (),
        optional=("failed", "machine"),
    )


def _median(case: CaseFacts) -> Cell:
    if not case.seconds:
        return None
    return Quantity(value=1000 * median(case.seconds), of_one=len(case.seconds) == 1)


def _machines(entry: Entry) -> Table:
    rows = []
    for each in entry.facts.environments:
        torch = each.libraries.get("torch", "")
        driver = (each.gpu.driver or "") if each.gpu else ""
        machine = each.gpu.name if each.gpu else each.cpu
        rows.append((each.node or each.host, machine, torch, driver, each.commit or ""))
    columns = ("machine", "GPU or CPU", "torch", "driver", "commit")
    return Table(title="Machines", part=_MACHINES, columns=columns, rows=tuple(rows))


def _files(entry: Entry) -> Table:
    rows = tuple((each.path, size_in_words(each.size), each.sha256) for each in entry.files)
    return Table(title="Files", part=_FILES, columns=("file", "size", "SHA-256"), rows=rows)


def _row(case: CaseFacts) -> dict[str, Scalar]:
    return {
        "case": case.case,
        "model": case.model,
        "kind": case.kind,
        "fingerprint": case.fingerprint,
        "processes": case.processes,
        "failed": case.failed,
        "seconds": median(case.seconds) if case.seconds else None,
        "origin": case.origin,
    }
