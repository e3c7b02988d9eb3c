"""BASE against NEW where a side is a file of pytest-benchmark: the same work, side by side.

The unit is the process, as everywhere, and a file of pytest is one. So its rows are `inconclusive`, however
many rounds it has; a file that convbench wrote from a run of several processes gets verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from bench.schema.plurals import how_many
from bench.stats import verdicts
from bench.stats.verdicts import FailOn, Verdict
from models.errors import UserError
from reports.cells import Quantity, Scalar
from reports.document import Answer, Document, Part, Table
from reports.pytest_files import saved_files
from reports.pytest_files.benchmark_pairs import Pair, pairs
from reports.pytest_files.run_benchmarks import of_run
from reports.pytest_files.saved_files import PytestFile
from reports.pytest_files.timed_benchmark import TimedBenchmark
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import UNRESOLVED_SHORT_NOTE, WITHIN_NOTE, with_interval

TIMES, NOT_COMPARED = Part("time", "Time"), Part("not-compared", "Not compared", in_appendix=True)
TOO_FEW = "too few processes to tell a change from how they differ"
MOST_ROWS = 9
"""Of the table on the first screen."""


class FileComparison(Struct, frozen=True, kw_only=True):
    """The document, why the gate fails, and whether nothing could be compared."""

    document: Document
    reasons: tuple[str, ...] = ()
    is_empty: bool = False


def build(base: Path, new: Path, *, margin: float, fail_on: FailOn | None = None) -> FileComparison:
    """Two files, or a file and a run folder.

    Raises UserError as `saved_files.read` and reports of runs do, and for one file on both sides.
    """
    if base.resolve() == new.resolve():
        raise UserError(f"BASE and NEW are the same file, {str(base)!r}. Give two different ones")
    sides = _side(base), _side(new)
    both = list(pairs(sides[0].benchmarks, sides[1].benchmarks, margin))
    judged = [each for each in both if each.verdict is not None]
    reasons = (*_broken(*sides), *_gate(judged, fail_on)) if fail_on else ()
    return FileComparison(
        document=Document(
            title=_title(judged),
            answer=Answer(
                about=f"BASE {base} · NEW {new}",
                alarms=tuple(_alarms(*sides)),
                headlines=tuple(_headlines(judged, fail_on, reasons)),
                table=_table(judged[:MOST_ROWS]) if judged else None,
            ),
            tables=tuple(_tables(both, *sides)),
            rows=tuple(_row(each) for each in both),
        ),
        reasons=reasons,
        is_empty=not judged,
    )


def _side(path: Path) -> PytestFile:
    return saved_files.read(path) if saved_files.is_pytest_file(path) else of_run(path)


def _title(judged: Sequence[Pair]) -> str:
    if not judged:
        return "Nothing was compared"
    decided = [each.verdict.verdict for each in judged if each.verdict and each.verdict.is_clear]
    return f"{how_many(len(judged), 'time')} compared, {len(decided):,} decided"


def _headlines(judged: Sequence[Pair], fail_on: FailOn | None, reasons: Sequence[str]) -> Iterator[str]:
    if not judged:
        yield "No benchmark is on both sides as the same work."
    unclear = [each.verdict for each in judged if each.verdict and not each.verdict.is_clear]
    for reason, count in Counter(each.reason or TOO_FEW for each in unclear).items():
        instead = " `convbench ab` and runs with --replicates 5 decide." * (reason == verdicts.ONE_PROCESS)
        yield f"{count:,} of {how_many(len(judged), 'time')} inconclusive: {reason}.{instead}"
    for word in ("slower", "faster", "equivalent"):
        names = [each.new.name for each in judged if each.verdict and each.verdict.verdict == word]
        if names:
            yield f"{word}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}."
    if fail_on:
        failed = f"FAIL (exit 1): {reasons[0]}" if reasons else "PASS"
        alone = sum(each.reason is not None for each in unclear)
        unjudged = f"; {alone:,} could not be judged" if alone and not reasons else ""
        yield f"Gate --fail-on {fail_on}: {failed}{unjudged}."


def _broken(base: PytestFile, new: PytestFile) -> Iterator[str]:
    """What BASE measured, and NEW had no memory for."""
    measured = {each.fullname for each in new.benchmarks}
    failed = {each.fullname for each in new.left_out if each.outcome == "oom"} - measured
    for each in base.benchmarks:
        if each.fullname in failed:
            yield f"{each.name} was measured in BASE and failed in NEW"


def _gate(judged: Sequence[Pair], fail_on: FailOn) -> Iterator[str]:
    """What is slower, or any change, and stays so under Holm's correction; what is `inconclusive`, if that
    is to fail; and a comparison of nothing."""
    if not judged:
        yield "nothing was compared"
    tested = [(each, each.verdict) for each in judged if each.verdict and each.verdict.p is not None]
    words = ("slower", "faster") if fail_on == "any" else ("slower",)
    holds = verdicts.holm([verdict.p for _, verdict in tested if verdict.p is not None])
    for (each, verdict), is_sure in zip(tested, holds, strict=True):
        if is_sure and verdict.verdict in words:
            yield f"{each.new.name} is {verdict.verdict}"
    for each in judged if fail_on == "inconclusive" else ():
        if each.verdict and each.verdict.verdict == "inconclusive":
            yield f"{each.new.name} is inconclusive: {each.verdict.reason or TOO_FEW}"


def _alarms(base: PytestFile, new: PytestFile) -> Iterator[str]:
    if base.machine and new.machine and base.machine != new.machine:
        yield f"other machines: {base.machine} / {new.machine}"
    changed = [
        f"{name} {version} / {new.libraries[name]}"
        for name, version in base.libraries.items()
        if name in new.libraries and new.libraries[name] != version
    ]
    if changed:
        yield f"other versions: {', '.join(changed)}"
    for name, side in (("BASE", base), ("NEW", new)):
        if side.left_out:
            count = how_many(len(side.left_out), "benchmark")
            yield f"{name}: {count} without a figure (reduced, or out of memory)"


def _tables(pairs: Sequence[Pair], base: PytestFile, new: PytestFile) -> Iterator[Table]:
    judged = [each for each in pairs if each.verdict is not None]
    if judged:
        yield _table(judged)
    met = {id(each) for pair in pairs for each in (pair.base, pair.new)}
    missing = [
        (each.fullname, f"only in {name}")
        for name, side in (("BASE", base), ("NEW", new))
        for each in side.benchmarks
        if id(each) not in met
    ]
    told = [(each.new.fullname, each.reason) for each in pairs if each.reason]
    if told or missing:
        yield Table(
            title=NOT_COMPARED.title,
            columns=("benchmark", "reason"),
            rows=(*told, *missing),
            part=NOT_COMPARED,
        )


def _table(judged: Sequence[Pair]) -> Table:
    unit = unit_of(seconds for each in judged for seconds in (each.base.seconds, each.new.seconds))
    rows = tuple(
        (
            each.new.name,
            _time(each.base, unit),
            _time(each.new, unit),
            _change(each.verdict),
            each.verdict.verdict,
            f"{each.base.processes} / {each.new.processes}",
        )
        for each in judged
        if each.verdict is not None
    )
    cells = [cell for row in rows for cell in row if isinstance(cell, Quantity)]
    notes = {WITHIN_NOTE: any(cell.of_one for cell in cells)}
    notes[UNRESOLVED_SHORT_NOTE] = not all(cell.is_resolved for cell in cells)
    return Table(
        title=TIMES.title,
        columns=("benchmark", f"BASE, {unit.name}", f"NEW, {unit.name}", "change", "verdict", "processes"),
        rows=rows,
        notes=tuple(note for note, is_needed in notes.items() if is_needed),
        optional=("processes", f"BASE, {unit.name}"),
        part=TIMES,
    )


def _time(side: TimedBenchmark, unit: TimeUnit) -> Quantity:
    found = with_interval(side.seconds, side.interval, unit.per_second)
    return Quantity(value=found.value, of_one=True) if side.is_of_one else found


def _change(verdict: Verdict) -> Quantity | None:
    if verdict.ratio is None:
        return None
    if verdict.low is not None and verdict.high is not None and not verdict.is_clear:
        factor = Quantity(value=verdict.ratio, low=verdict.low, high=verdict.high, unit="x")
        if not factor.is_resolved:
            return factor
    ends = [None if end is None else 100 * (end - 1) for end in (verdict.low, verdict.high)]
    value = 100 * (verdict.ratio - 1)
    return Quantity(
        value=value,
        low=ends[0],
        high=ends[1],
        unit="%",
        of_one=verdict.reason == verdicts.ONE_PROCESS,
        interval="ends",
        digits=1 if abs(value) < 10 else 0,
        sign="unless zero",
    )


def _row(pair: Pair) -> dict[str, Scalar]:
    verdict = pair.verdict
    return {
        "benchmark": pair.new.fullname,
        "phase": pair.new.work.phase if pair.new.work else None,
        "metric": "wall_time",
        "unit": "s",
        "base": pair.base.seconds,
        "new": pair.new.seconds,
        "ratio": verdict.ratio if verdict else None,
        "low": verdict.low if verdict else None,
        "high": verdict.high if verdict else None,
        "verdict": verdict.verdict if verdict else None,
        "n_base": len(pair.base.medians),
        "n_new": len(pair.new.medians),
        "reason": pair.reason or (verdict.reason if verdict else None),
        "base_source": pair.base.source,
        "new_source": pair.new.source,
    }
