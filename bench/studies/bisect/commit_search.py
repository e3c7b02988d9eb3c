"""The search: GOOD beside BAD, then commits between them beside GOOD, then the answer beside its parent.

The records of a test are two runs in a folder of its own, and its answer is on the disk before the next test
begins, so that a search goes on after a kill.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import structs

from bench.record_lines import refusals
from bench.runner.events import Progress
from bench.stats import half_step
from bench.stats.estimates import Shift
from bench.stats.half_step import CHAIN_ERROR
from bench.store import RECORDS, locked
from bench.studies.ab.interleaved import Pairs
from bench.studies.bisect import bisect_state, commit_trials, revisions, worktrees
from bench.studies.bisect.bisect_state import TESTS, BisectState, Tried, Wanted
from bench.studies.bisect.commit_trials import BudgetSpent, Search
from bench.studies.bisect.narrowing import CommitAnswer, most_steps, next_commit
from bench.studies.bisect.revisions import Commit
from bench.studies.bisect.worktrees import Worktrees
from models.errors import UserError

Told = Callable[[BisectState, Commit, Tried | None], None]
"""Hears of a commit before it is measured, and of its answer."""


def run_search(
    search: Search,
    folder: Path,
    *,
    resume: bool,
    told: Told = lambda state, commit, tested: None,
    on_progress: Callable[[Progress], None] = lambda event: None,
) -> BisectState:
    """What was found, or what is known when the budget is spent; `folder`, an absolute path, keeps all of it.

    Raises UserError where the ends cannot be measured, or the folder refuses.
    """
    with prepared(folder):
        state = bisect_state.begun(folder, search.wanted, resume=resume)
        if state.ended is not None:
            return state
        with worktrees.opened(search.sources.repository, folder) as trees:
            running = _Running(search, folder, trees, state, told, on_progress)
            with suppress(BudgetSpent):
                running.run()
            return running.state


@contextmanager
def prepared(folder: Path) -> Iterator[None]:
    """The folder of a search, made and locked. UserError where that is refused."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file. Give a folder as --out")
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        yield


def run_folders(folder: Path) -> Iterator[Path]:
    """The runs of all tests in the folder of a search, those that were interrupted included."""
    for records in sorted(folder.glob(f"{TESTS}/*/[ab]/{RECORDS}")):
        yield records.parent


class _Running:
    """One search under way."""

    def __init__(
        self,
        search: Search,
        folder: Path,
        trees: Worktrees,
        state: BisectState,
        told: Told,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._search, self._folder, self._trees = search, folder, trees
        self._wanted, self._repository = search.wanted, search.sources.repository
        self._told, self._on_progress = told, on_progress
        budget = search.budget_seconds
        self._deadline = math.inf if budget is None else time.monotonic() + budget
        self.state = state

    def run(self) -> None:
        """Until the search has ended. Raises BudgetSpent."""
        if self.state.step is None:
            self._measure_ends()
        step = half_step.step_of(self.state.ratios)
        if self.state.ended is not None or step is None:
            return
        while (commit := self._next()) is not None:
            self._test(commit, step)
        self._conclude()

    def _keep(self, **changes: object) -> None:
        self.state = structs.replace(self.state, **changes)
        bisect_state.write(self._folder, self.state)

    def _measure_ends(self) -> None:
        wanted = self._wanted
        self._told(self.state, wanted.bad, None)
        for name, end in (("GOOD", wanted.good), ("BAD", wanted.bad)):
            tree = self._trees.of(end.hash)
            commit_trials.refuse_unmeasurable(self._search, tree, f"{name}, {end.short}")

        def is_decided(ratios: Sequence[float]) -> bool:
            return commit_trials.ends_are_decided(ratios, wanted.margin)

        pairs, place = self._pairs(wanted.good, wanted.bad, is_decided)
        reason = commit_trials.why_failed(pairs, place, self._trees.of(wanted.bad.hash))
        if reason is not None:
            raise UserError(f"GOOD and BAD cannot be compared: {reason}")
        self._trees.remove(wanted.bad.hash)
        step = self._by_verdict(wanted.bad, pairs, place)
        self._keep(ratios=tuple(pairs.log_ratios), step=step, ended=_why_no_search(step, pairs))
        self._told(self.state, wanted.bad, step)

    def _next(self) -> Commit | None:
        """The commit to test next; None where none is left that tells more."""
        found = next_commit(self._ranked(), self.state.known)
        return None if found is None else revisions.described(self._repository, [found])[0]

    def _ranked(self) -> list[str]:
        first_parent = self._wanted.first_parent
        return revisions.ranked(self._repository, self.state.known, first_parent=first_parent)

    def _test(self, commit: Commit, step: Shift) -> None:
        """Measure one commit beside GOOD, and keep the answer."""
        self._told(self.state, commit, None)
        error = half_step.share_of(CHAIN_ERROR - self.state.spent, most_steps(len(self._ranked())))
        tested = self._tested(commit, step, error)
        self._trees.remove(commit.hash)
        self._keep(tested=(*self.state.tested, tested))
        self._told(self.state, commit, tested)

    def _tested(self, commit: Commit, step: Shift, error: float) -> Tried:
        reason = self._why_unmeasurable(commit)
        if reason is not None:
            return Tried(commit=commit, answer="skip", reason=reason)

        def is_decided(ratios: Sequence[float]) -> bool:
            return half_step.answer_of(step, ratios, error) is not None

        pairs, place = self._pairs(self._wanted.good, commit, is_decided)
        failure = commit_trials.why_failed(pairs, place, self._trees.of(commit.hash))
        tried = commit_trials.tried(commit, pairs, step, error, failure=failure, limit="half of the step")
        return structs.replace(tried, error=error, folder=self._relative(place))

    def _conclude(self) -> None:
        """Name the first bad commit, or those that cannot be distinguished; measure one beside its parent."""
        left = revisions.newest_first(
            self._repository, self.state.known, first_parent=self._wanted.first_parent
        )
        suspects = revisions.described(self._repository, left)
        if len(suspects) > 1:
            self._keep(suspects=tuple(suspects), ended="suspects")
            return
        (found,) = suspects
        parent = revisions.first_parent_of(self._repository, found.hash)
        before = None if parent is None else revisions.described(self._repository, [parent])[0]
        confirmed = None if before is None else self._confirmed(before, found)
        self._keep(suspects=(found,), parent=before, confirmed=confirmed, ended="found")

    def _confirmed(self, parent: Commit, found: Commit) -> Tried | None:
        """The answer beside its parent; None where they cannot be measured. Of the two ends it is known."""
        if parent.hash == self._wanted.good.hash and found.hash == self._wanted.bad.hash:
            return self.state.step
        self._told(self.state, found, None)
        if self._why_unmeasurable(parent) or self._why_unmeasurable(found):
            return None
        pairs, place = self._pairs(parent, found, None)
        if commit_trials.why_failed(pairs, place, self._trees.of(found.hash)):
            return None
        return self._by_verdict(found, pairs, place)

    def _by_verdict(self, commit: Commit, pairs: Pairs, place: Path) -> Tried:
        """By the verdict of `ab`."""
        is_bad = pairs.verdict is not None and pairs.verdict.verdict == _word(self._wanted)
        answer: CommitAnswer = "bad" if is_bad else "good"
        return Tried(commit=commit, answer=answer, change=pairs.verdict, folder=self._relative(place))

    def _relative(self, place: Path) -> str:
        return place.relative_to(self._folder).as_posix()

    def _why_unmeasurable(self, commit: Commit) -> str | None:
        return commit_trials.why_unmeasurable(self._search, self._trees.of(commit.hash))

    def _pairs(
        self, one: Commit, other: Commit, is_decided: Callable[[Sequence[float]], bool] | None
    ) -> tuple[Pairs, Path]:
        """Of two commits, and the folder of their runs: a new one, so that what an interrupted test has left
        stays where it is. Raises BudgetSpent."""
        tests = self._folder / TESTS
        number = 1 + len(list(tests.iterdir())) if tests.exists() else 1
        place = tests / f"{number}-{other.short}"
        trees = (self._trees.of(one.hash), self._trees.of(other.hash))
        left = None if math.isinf(self._deadline) else self._deadline - time.monotonic()
        pairs = commit_trials.run_trial(self._search, trees, place, is_decided, left, self._on_progress)
        return pairs, place


def _word(wanted: Wanted) -> str:
    return "faster" if wanted.faster else "slower"


def _why_no_search(step: Tried, pairs: Pairs) -> bisect_state.Ended | None:
    """Why the ends are no use for a search; None where they are."""
    shift = half_step.step_of(pairs.log_ratios)
    if step.answer != "bad" or shift is None:
        return "no step"
    return None if half_step.can_be_halved(shift) else "small step"
