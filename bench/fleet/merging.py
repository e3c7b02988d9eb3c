"""`convbench merge`: the union of several runs in one folder, each record once, every line as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct, structs

from bench.archive.archived_runs import as_named
from bench.fleet.merged_folder import kept, locked_folder, settle, take_over, write_lines
from bench.fleet.record_index import Indexer, Line
from bench.fleet.source_runs import in_counting_order, of_one_run, source_runs
from bench.fleet.source_shards import missing_shards, shard_of
from bench.fleet.union import united
from bench.record_lines import without_lines
from bench.schema.kept_plan import Shard
from bench.schema.merged import Merged, Source
from bench.store import refuse_used


class MergeResult(Struct, frozen=True, kw_only=True):
    """What was done.

    merged   what the folder keeps now
    added    records that it did not have before
    doubled  records that several of the sources have, each counted as often as it is left out
    missing  shards of the plan that no source is
    notes    unfinished and damaged lines that were left out
    """

    merged: Merged
    added: int
    doubled: int
    missing: Sequence[Shard]
    notes: Sequence[str]

    @property
    def damaged(self) -> int:
        """Lines of all sources, also of earlier merges, that are no records."""
        return sum(source.damaged for source in self.merged.sources)


class _Held(Struct, frozen=True, kw_only=True):
    """A source, its `lines` still to come, and the digests of its records."""

    source: Source
    digests: Sequence[bytes]


def merge(named: Sequence[Path], out: Path, *, resume: bool) -> MergeResult:
    """Unite runs, folders of runs and fleets in `out`; with `resume` also with what it holds already.

    The bytes do not depend on the order of the runs. Lines that are no records are left out and told where
    there are several runs, as in reports. Raises UserError, and leaves `out` as it was, for what is no run,
    for such a line of a single one, for different records of one process, for shards of two plans, for times
    with warm caches beside times with a cold L2, and where the folder refuses.
    """
    folders = source_runs(named, out)
    with locked_folder(out):
        settle(out)
        if not resume:
            refuse_used(out)
        before = kept(out) if resume else None
        notes: list[str] = []
        indexer = Indexer(notes.append)
        earlier = [] if before is None else [(out, line) for line in indexer.lines(out)]
        is_one = len(folders) == 1 and not earlier
        read = [_read(folder, indexer, notes, is_one=is_one) for folder in folders]
        ordered = united([*earlier, *((each.run, line) for each in read for line in each.lines)])
        held = _with_earlier(list(map(_held, read)), before, earlier)
        missing = missing_shards(each.source for each in held)
        merged = Merged(
            records=len(ordered), digest=write_lines(out, ordered), sources=_placed(held, ordered)
        )
        take_over(out, merged)
    came = len(earlier) + sum(len(each.lines) for each in read)
    return MergeResult(
        merged=merged,
        added=len(ordered) - len(earlier),
        doubled=came - len(ordered),
        missing=missing,
        notes=notes,
    )


class _Read(Struct, frozen=True, kw_only=True):
    """A run folder: the run that it is a part of, its lines, and how many lines are no records."""

    folder: Path
    run: Path
    lines: Sequence[Line]
    damaged: int


def _read(folder: Path, indexer: Indexer, notes: list[str], *, is_one: bool) -> _Read:
    damaged: list[str] = []
    lines = list(indexer.lines(folder, None if is_one else damaged.append))
    if damaged:
        notes.append(without_lines(damaged).removesuffix("."))
    return _Read(folder=folder, run=of_one_run(folder), lines=lines, damaged=len(damaged))


def _held(read: _Read) -> _Held:
    shard, plan = shard_of(read.folder)
    source = Source(
        folder=str(as_named(read.folder)),
        records=len(read.lines),
        lines=[],
        damaged=read.damaged,
        shard=shard,
        plan=plan,
    )
    return _Held(source=source, digests=[line.digest for line in read.lines])


def _with_earlier(
    now: Sequence[_Held], before: Merged | None, earlier: Sequence[tuple[Path, Line]]
) -> list[_Held]:
    """With the sources of earlier merges, by their names: of one that is named again all it ever held."""
    found = {each.source.folder: each for each in now}
    for source in before.sources if before is not None else ():
        digests = [line.digest for first, last in source.lines for _, line in earlier[first - 1 : last]]
        again = found.get(source.folder)
        found[source.folder] = (
            _Held(source=source, digests=digests)
            if again is None
            else structs.replace(again, digests=[*again.digests, *digests])
        )
    return sorted(found.values(), key=lambda each: in_counting_order(Path(each.source.folder)))


def _placed(held: Iterable[_Held], ordered: Sequence[Line]) -> list[Source]:
    """The sources with their lines of the united file."""
    numbers = {line.digest: number for number, line in enumerate(ordered, start=1)}
    return [
        structs.replace(each.source, lines=_ranges(sorted({numbers[digest] for digest in each.digests})))
        for each in held
    ]


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """`[(1, 3), (7, 7)]` of 1, 2, 3 and 7."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found
