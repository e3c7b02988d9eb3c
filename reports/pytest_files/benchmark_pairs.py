"""Benchmarks of two sides that do the same work, and the verdict on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from bench.schema.case import Case
from bench.stats import verdicts
from bench.stats.verdicts import Verdict
from reports.pytest_files.timed_benchmark import TimedBenchmark

NOT_SAVED = "the medians of the processes are not in the file; --benchmark-save-data keeps them"


class Pair(Struct, frozen=True, kw_only=True):
    """What both sides hold; `verdict` is None where `reason` says why they are not the same work."""

    base: TimedBenchmark
    new: TimedBenchmark
    verdict: Verdict | None = None
    reason: str = ""


def pairs(bases: Sequence[TimedBenchmark], news: Sequence[TimedBenchmark], margin: float) -> Iterator[Pair]:
    """By the test's name; those that are named otherwise by their work, where that is of one alone."""
    by_name = {each.fullname: each for each in news}
    by_work = _unique(news)
    mine = _unique(bases)
    for base in bases:
        work = _key(base)
        new = by_name.get(base.fullname) or (by_work.get(work) if work and work in mine else None)
        if new is not None:
            reason = _why_not(base, new)
            verdict = None if reason else _verdict(base, new, margin)
            yield Pair(base=base, new=new, verdict=verdict, reason=reason)


def _verdict(base: TimedBenchmark, new: TimedBenchmark, margin: float) -> Verdict:
    found = verdicts.unpaired(base.medians, new.medians, margin)
    if found.reason == verdicts.ONE_PROCESS and not base.is_of_one and not new.is_of_one:
        return structs.replace(found, reason=NOT_SAVED)
    return found


def _unique(benchmarks: Sequence[TimedBenchmark]) -> dict[tuple[str, str], TimedBenchmark]:
    found: dict[tuple[str, str], list[TimedBenchmark]] = {}
    for each in benchmarks:
        if key := _key(each):
            found.setdefault(key, []).append(each)
    return {key: several[0] for key, several in found.items() if len(several) == 1}


def _key(benchmark: TimedBenchmark) -> tuple[str, str] | None:
    """The work of a network that has a name."""
    work = benchmark.work
    return None if work is None or work.is_module else (work.case.without_replicate().id, work.phase)


def _why_not(base: TimedBenchmark, new: TimedBenchmark) -> str:
    """In words; empty where they do the same."""
    one, other = base.work, new.work
    if (one is None) != (other is None):
        return "one side alone says what it measured"
    if one is None or other is None:
        return ""
    if one.phase != other.phase:
        return f"phases differ: {one.phase} / {other.phase}"
    if one.case.without_replicate() != other.case.without_replicate() or one.batch != other.batch:
        return f"cases differ: {_axes(one.case, other.case) or f'batch {one.batch} / {other.batch}'}"
    shared = one.precision.keys() & other.precision.keys() - {"threads", "cpu_capability", "conv_layout"}
    differing = sorted(name for name in shared if one.precision[name] != other.precision[name])
    if differing:
        return f"precision read back differs: {', '.join(differing)}"
    return ""


def _axes(base: Case, new: Case) -> str:
    """`batch 8 / 16`"""
    names = [name for name in Case.__struct_fields__ if name != "replicate"]
    differing = [name for name in names if getattr(base, name) != getattr(new, name)]
    return ", ".join(f"{name} {getattr(base, name)} / {getattr(new, name)}" for name in differing)
