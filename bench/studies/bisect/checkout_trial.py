"""One test for `git bisect run`: the files that are checked out beside those of a good commit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bench.stats import half_step
from bench.stats.estimates import Shift
from bench.stats.verdicts import ERROR
from bench.studies.bisect import bisect_state, commit_trials, worktrees
from bench.studies.bisect.bisect_state import TESTS, Tried
from bench.studies.bisect.commit_search import prepared
from bench.studies.bisect.commit_trials import BudgetSpent, Search


def judge(search: Search, folder: Path, threshold: float) -> Tried:
    """Whether the checkout takes clearly more (with `faster` less) than `threshold`, a share, of GOOD's time.

    `folder` keeps the two runs. Raises UserError where GOOD cannot be measured; what is wrong with the
    checkout is a reason to skip it.
    """
    wanted = search.wanted
    sign = -1 if wanted.faster else 1
    step = Shift(2 * sign * math.log1p(threshold), 0.0, math.inf)

    def is_decided(ratios: Sequence[float]) -> bool:
        return half_step.answer_of(step, ratios, ERROR) is not None

    repository = search.sources.repository
    with prepared(folder):
        bisect_state.begun(folder, wanted, resume=False)
        with worktrees.opened(repository, folder) as trees:
            good = trees.of(wanted.good.hash)
            commit_trials.refuse_unmeasurable(search, good, f"GOOD, {wanted.good.short}")
            reason = commit_trials.why_unmeasurable(search, repository.top)
            if reason is not None:
                return Tried(commit=wanted.bad, answer="skip", reason=reason)
            place = folder / TESTS / f"1-{wanted.bad.short}"
            try:
                pairs = commit_trials.run_trial(
                    search,
                    (good, repository.top),
                    place,
                    is_decided,
                    search.budget_seconds,
                    lambda event: None,
                )
            except BudgetSpent:
                return Tried(commit=wanted.bad, answer="skip", reason="the budget ended before the answer")
            failure = commit_trials.why_failed(pairs, place, repository.top)
    return commit_trials.tried(wanted.bad, pairs, step, ERROR, failure=failure, limit="the threshold")
