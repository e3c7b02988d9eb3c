"""The report of files of pytest-benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.plurals import how_many
from reports.cells import Scalar
from reports.document import Answer, Document, Table
from reports.pytest_files import benchmark_tables
from reports.pytest_files.saved_files import PytestFile
from reports.pytest_files.timed_benchmark import TimedBenchmark

ONE_PROCESS = (
    "One process measured each file: what another process would show is not known. `convbench run "
    "--replicates 5` measures several."
)
MOST_ROWS = 9
"""Of the table on the first screen."""


def document(files: Sequence[PytestFile]) -> Document:
    """Of these files alone."""
    found = [each for file in files for each in file.benchmarks]
    tables = tuple(_tables(files))
    title = f"pytest-benchmark: {how_many(len(found), 'benchmark')}"
    first = next((each for each in tables if each.part != benchmark_tables.LEFT_OUT), None)
    return Document(
        title=title,
        answer=Answer(
            about=" · ".join(map(_about, files)),
            alarms=tuple(_alarms(files)),
            headlines=tuple(_headlines(found)),
            table=_cut(first) if first else None,
            warnings=_warnings(found),
        ),
        tables=tables,
        rows=rows(files),
    )


def beside_runs(document: Document, files: Sequence[PytestFile]) -> Document:
    """The report of runs, and what files hold in a part of its own: the two are not pooled."""
    if document.answer is None:
        return document
    names = ", ".join(str(file.path) for file in files)
    found = [each for file in files for each in file.benchmarks]
    apart = "not pooled with the runs (--section pytest-benchmark)"
    told = f"{names}: pytest-benchmark, {_processes(found)}, {apart}."
    answer = structs.replace(document.answer, headlines=(*document.answer.headlines[:3], told))
    return structs.replace(
        document,
        answer=answer,
        tables=(*document.tables, *_tables(files)),
        rows=(*document.rows, *rows(files)),
    )


def rows(files: Sequence[PytestFile]) -> tuple[dict[str, Scalar], ...]:
    """Flat rows, `source` and `benchmark` of which tell them from those of runs."""
    return tuple(each.as_row() for file in files for each in (*file.benchmarks, *file.left_out))


def _tables(files: Sequence[PytestFile]) -> Iterator[Table]:
    for file in files:
        for table in benchmark_tables.tables(file.benchmarks):
            title = f"{file.path}: {table.title}" if len(files) > 1 else table.title
            yield structs.replace(table, title=title)
    yield from benchmark_tables.left_out_table([each for file in files for each in file.left_out])


def _about(file: PytestFile) -> str:
    """`speed.json, one process of pytest, host, CPU, 2026-11-30T01:02:03`"""
    of_one = all(each.is_of_one for each in file.benchmarks)
    processes = _processes(file.benchmarks) + " of pytest" * of_one
    return ", ".join(filter(None, (str(file.path), processes, file.machine, file.taken_at)))


def _processes(found: Sequence[TimedBenchmark]) -> str:
    """`one process`, `3 processes`, `1 to 3 processes`: by which each benchmark was measured."""
    numbers = sorted({each.processes for each in found} or {1})
    if numbers == [1]:
        return "one process"
    return f"{numbers[0]:,} to {numbers[-1]:,} processes" if len(numbers) > 1 else f"{numbers[0]:,} processes"


def _alarms(files: Sequence[PytestFile]) -> Iterator[str]:
    for file in files:
        for outcome, count in Counter(each.outcome for each in file.left_out).items():
            first = next(each for each in file.left_out if each.outcome == outcome)
            more = f" and {count - 1:,} more" if count > 1 else ""
            yield f"{first.fullname}{more} has no figure: {benchmark_tables.why(first)}"


def _headlines(found: Sequence[TimedBenchmark]) -> Iterator[str]:
    kinds = Counter(map(benchmark_tables.kind_of, found))
    if found:
        yield f"Benchmarks: {', '.join(f'{count} of {kind}' for kind, count in kinds.items())}."
    of_one = sum(each.is_of_one for each in found)
    if of_one == len(found):
        yield ONE_PROCESS
    elif of_one:
        alone = how_many(of_one, "benchmark")
        yield f"One process measured {alone} (†): what another would show is not known."


def _warnings(found: Sequence[TimedBenchmark]) -> str:
    labels = Counter(label for each in found for label in each.labels)
    return ", ".join(f"{label}: {count}" for label, count in labels.items())


def _cut(table: Table) -> Table:
    more = len(table.rows) - MOST_ROWS
    if more <= 0:
        return table
    return structs.replace(
        table, rows=table.rows[:MOST_ROWS], notes=(f"{how_many(more, 'more row')}: --full", *table.notes)
    )
