"""Two worktrees in interleaved pairs of processes: `ab` whose sides differ in their files alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path

from msgspec import Struct

from bench.runner.events import Progress
from bench.runner.run_options import RunOptions
from bench.schema.plain_text import in_print
from bench.stats import half_step, verdicts
from bench.stats.estimates import Shift
from bench.store import RECORDS, read_records
from bench.studies.ab import interleaved
from bench.studies.ab.interleaved import Pairs, Trial
from bench.studies.ab.pair_rows import CasePair
from bench.studies.bisect import revisions, source_trees
from bench.studies.bisect.bisect_state import Tried, Wanted
from bench.studies.bisect.narrowing import Known
from bench.studies.bisect.revisions import Commit
from bench.studies.bisect.source_trees import Sources
from models.errors import UserError

_MOST_REASON = 300


class Search(Struct, frozen=True, kw_only=True):
    """What is searched for, and how it is measured."""

    wanted: Wanted
    sources: Sources
    options: RunOptions = RunOptions()
    budget_seconds: float | None = None


class BudgetSpent(Exception):  # noqa: N818 - it is no error
    """The budget ended before the test that was under way had its answer."""


def run_trial(
    search: Search,
    trees: tuple[Path, Path],
    place: Path,
    is_decided: Callable[[Sequence[float]], bool] | None,
    seconds: float | None,
    on_progress: Callable[[Progress], None],
) -> Pairs:
    """Measure pairs until `is_decided`, or by default until the verdict of `ab` is clear; the runs are
    `place`/a and `place`/b, of the first and of the second of the trees.

    Raises BudgetSpent where `seconds` end before the answer is there.
    """
    if seconds is not None and seconds <= 0:
        raise BudgetSpent
    case = search.wanted.case
    one, other = (source_trees.side_of(search.sources, tree) for tree in trees)
    trial = Trial(
        case_pairs=[CasePair(a=case, b=case)],
        sides=(one, other),
        protocol=search.wanted.protocol,
        margin=search.wanted.margin,
        most_pairs=verdicts.INTERIM_PAIRS[-1] if is_decided is None else half_step.LOOKS[-1],
        options=search.options,
        is_decided=is_decided,
    )
    with chdir(other.folder or trees[1]):  # names of files are looked up in this process too
        (pairs,) = interleaved.run_pairs(trial, place, budget_seconds=seconds, on_progress=on_progress)
    if not pairs.is_over and pairs.tried < trial.most_pairs:
        raise BudgetSpent
    return pairs


def why_unmeasurable(search: Search, tree: Path) -> str | None:
    """Why nothing can be measured from a tree, in a line; None where it can."""
    reason = source_trees.why_unmeasurable(search.sources, tree, search.wanted.case, search.options.gpu)
    return None if reason is None else _short(reason)


def refuse_unmeasurable(search: Search, tree: Path, name: str) -> None:
    """UserError where nothing can be measured from a tree, which the sentence calls by this name."""
    reason = why_unmeasurable(search, tree)
    if reason is not None:
        raise UserError(f"{name}, cannot be measured: {reason}")


def tried(
    commit: Commit, pairs: Pairs, step: Shift, error: float, *, failure: str | None, limit: str
) -> Tried:
    """The answer that pairs of GOOD and a commit give about half of the step, with this `error`.

    failure  why there are too few pairs, if there are
    limit    what a reason to skip calls half of the step
    """
    answer = None if failure else half_step.answer_of(step, pairs.log_ratios, error, last=True)
    reason = failure or f"neither more nor less than {limit} after {len(pairs.log_ratios)} pairs"
    return Tried(
        commit=commit, answer=answer or "skip", reason="" if answer else reason, change=pairs.verdict
    )


def why_failed(pairs: Pairs, place: Path, tree: Path) -> str | None:
    """Why there are too few pairs for any answer, in a line; None where there are enough."""
    if len(pairs.log_ratios) >= verdicts.INTERIM_PAIRS[0]:
        return None
    records = (record for side in "ba" for record in read_records(place / side / RECORDS))
    failed = next((each for each in records if each.status != "ok"), None)
    told = f"{failed.status}: {failed.reason}" if failed else "no time was measured"
    return _short(told.replace(f"{tree}/", ""))


def ends_are_decided(ratios: Sequence[float], margin: float) -> bool:
    """Whether GOOD and BAD need no more pairs: by the looks of `ab` they are equivalent or not clear at all,
    or their step is known well enough to tell its half."""
    step = half_step.step_of(ratios)
    if step is None or len(ratios) not in half_step.LOOKS:
        return False
    verdict = verdicts.interim_verdict(ratios, margin)
    if verdict is None or verdict.verdict in ("slower", "faster"):
        return half_step.is_well_known(step)
    return verdict.is_clear or len(ratios) == verdicts.INTERIM_PAIRS[-1]


def commits_left(search: Search, known: Known | None = None) -> int:
    """How many commits may be the first bad one, by these answers; by none at the beginning."""
    wanted = search.wanted
    known = known or Known(wanted.bad.hash, (wanted.good.hash,))
    return len(revisions.ranked(search.sources.repository, known, first_parent=wanted.first_parent))


def _short(reason: str) -> str:
    words = in_print(reason)
    return words if len(words) <= _MOST_REASON else f"{words[: _MOST_REASON - 3]}..."
