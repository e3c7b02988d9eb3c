"""What a search through commits will cost: how many tests, and how long each."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bench.host import cpu_cores
from bench.plan import estimate
from bench.schema import durations
from bench.schema.plurals import how_many
from bench.stats.half_step import LOOKS
from bench.studies.bisect.bisect_state import Wanted
from bench.studies.bisect.narrowing import most_steps
from reports.cells import Scalar
from reports.document import Document, Table
from reports.summary.figures import case_row
from reports.tables.case_names import case_name

ENDS_AND_ANSWER = 2
"""Tests beside those of the search: BAD beside GOOD, and the answer beside its parent."""


class SearchPlan(Struct, frozen=True, kw_only=True):
    """What a search takes.

    commits       that may be the first bad one
    steps         of them that are tested, at most, if none is skipped
    pair_seconds  that a pair of processes takes, with their servers
    """

    commits: int
    steps: int
    pair_seconds: float

    @property
    def tests(self) -> int:
        """All that are made."""
        return self.steps + ENDS_AND_ANSWER

    @property
    def seconds(self) -> tuple[float, float]:
        """With the fewest and the most pairs in all tests."""
        once = self.tests * self.pair_seconds
        return LOOKS[0] * once, LOOKS[-1] * once


def plan_of(wanted: Wanted, commits: int) -> SearchPlan:
    """By the estimate of one case."""
    servers = estimate.servers_seconds([[wanted.case]] * 2, cpu_cores.usable_cores())
    seconds = servers + 2 * estimate.case_seconds(wanted.case, wanted.protocol)
    return SearchPlan(commits=commits, steps=most_steps(commits), pair_seconds=seconds)


def in_words(plan: SearchPlan) -> str:
    """`7 commits may be it: 5 tests at most if none is skipped, of 8 to 64 pairs of processes each; about 5
    minutes to 40 minutes`"""
    low, high = plan.seconds
    return (
        f"{how_many(plan.commits, 'commit')} may be it: {how_many(plan.tests, 'test')} at most if none is "
        f"skipped, of {LOOKS[0]} to {LOOKS[-1]} pairs of processes each; about "
        f"{durations.in_words(low)} to {durations.in_words(high)}"
    )


def document(wanted: Wanted, plan: SearchPlan, submodules: Sequence[str] = ()) -> Document:
    """The plan of `--dry-run`."""
    low, high = plan.seconds
    rows = (
        ("GOOD", wanted.good.name),
        ("BAD", wanted.bad.name),
        ("case", case_name(wanted.case)),
        ("commits between", plan.commits),
        ("tests at most", plan.tests),
        ("per pair (s)", plan.pair_seconds),
    )
    text = [
        f"{in_words(plan)}. A skipped commit costs one more test, and one that cannot be built costs seconds."
    ]
    if submodules:
        text.append(f"Submodules stay empty in worktrees: {', '.join(submodules)}.")
    fields: dict[str, Scalar] = {
        "good": wanted.good.hash,
        "bad": wanted.bad.hash,
        "commits": plan.commits,
        "tests": plan.tests,
        "pair_seconds": plan.pair_seconds,
        "least_seconds": low,
        "most_seconds": high,
    }
    return Document(
        title="Dry run: nothing is measured",
        text=tuple(text),
        tables=(Table(title="Plan", columns=("what", "value"), rows=rows),),
        rows=(case_row(wanted.case, fields),),
    )
