"""What the answers so far leave of a history, and which commit to test next. Pure: git lists what is left.

The rules are those of `git bisect`: the commit in the middle of the history is tested, what is good is good
with all its ancestors, and the answer is the commit that is bad and has good parents only. Where commits
could not be judged, the answer may be several that cannot be distinguished.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, structs

CommitAnswer = Literal["good", "bad", "skip"]

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples, without their whole part, spread evenly over 0 to 1 however many there are."""


class Known(Struct, frozen=True):
    """The answers so far: the earliest bad commit, those that are good, and those that could not be judged.

    All are full hashes.
    """

    bad: str
    good: tuple[str, ...]
    skipped: frozenset[str] = frozenset()

    def with_answer(self, commit: str, answer: CommitAnswer) -> Known:
        """With the answer of one more commit, which lies before `bad`."""
        if answer == "bad":
            return structs.replace(self, bad=commit)
        if answer == "good":
            return structs.replace(self, good=(*self.good, commit))
        return structs.replace(self, skipped=self.skipped | {commit})


def answered(ends: Known, answers: Iterable[tuple[str, CommitAnswer]]) -> Known:
    """With all of these answers, in their order."""
    known = ends
    for commit, answer in answers:
        known = known.with_answer(commit, answer)
    return known


def next_commit(ranked: Sequence[str], known: Known) -> str | None:
    """The commit to test next; None where nothing is left that could be.

    ranked  the commits that may be the first bad one, `known.bad` among them, those first that halve the rest
            best: what `git rev-list --bisect-all` lists

    Where the best one was skipped, one further away is taken, as neighbors of a broken commit are often
    broken too: further the more often this happens, as `git bisect` does.
    """
    untested = [commit for commit in ranked if commit != known.bad and commit not in known.skipped]
    if not untested:
        return None
    if ranked[0] not in known.skipped:
        return untested[0]
    skipped = sum(commit in known.skipped for commit in ranked)
    share = skipped * _GOLDEN % 1.0
    return untested[int(len(untested) * share**1.5)]


def most_steps(commits: int) -> int:
    """The answers that are needed at most to find one of so many commits where none is skipped and their
    history is a line; `git bisect` tells the usual number, which may be one less."""
    return math.ceil(math.log2(commits)) if commits > 1 else 0
