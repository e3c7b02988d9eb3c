"""Which commit is tested next, and what the answers leave."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.studies.bisect.narrowing import Known, answered, most_steps, next_commit


def ranked(known: Known, line: list[str]) -> list[str]:
    """As `git rev-list --bisect-all` has it for a line of commits, oldest first."""
    begin = max((line.index(each) for each in known.good if each in line), default=-1) + 1
    left = line[begin : line.index(known.bad) + 1]
    return sorted(left, key=lambda each: -min(left.index(each) + 1, len(left) - left.index(each) - 1))


@given(st.integers(1, 200), st.data())
def test_the_first_bad_commit_of_a_line_is_found_in_the_fewest_steps(
    commits: int, data: st.DataObject
) -> None:
    line = [str(number) for number in range(commits)]
    first = data.draw(st.integers(0, commits - 1))
    known, steps = Known(line[-1], ("good",)), 0
    while (commit := next_commit(ranked(known, line), known)) is not None:
        known = known.with_answer(commit, "bad" if int(commit) >= first else "good")
        steps += 1
    assert ranked(known, line) == [line[first]]
    assert steps <= most_steps(commits) == math.ceil(math.log2(commits))


@given(st.integers(2, 60), st.data())
def test_what_cannot_be_told_apart_is_just_what_the_skipped_commits_hide(
    commits: int, data: st.DataObject
) -> None:
    """The first bad commit is among them; all but the newest were skipped; the one before them is good."""
    line = [str(number) for number in range(commits)]
    first = data.draw(st.integers(0, commits - 1))
    broken = data.draw(st.sets(st.integers(0, commits - 2), max_size=commits - 1))
    known = Known(line[-1], ("good",))
    while (commit := next_commit(ranked(known, line), known)) is not None:
        assert commit not in known.skipped
        number = int(commit)
        known = known.with_answer(
            commit, "skip" if number in broken else "bad" if number >= first else "good"
        )
    left = sorted(ranked(known, line), key=int)
    assert str(first) in left
    assert {int(each) for each in left[:-1]} <= broken
    assert int(left[0]) == 0 or int(left[0]) - 1 not in broken


def test_a_broken_stretch_in_the_middle_is_left_and_not_walked_through() -> None:
    """40 broken commits of 100 cost some tests, not 40."""
    line = [str(number) for number in range(100)]
    known, skipped = Known("99", ("good",)), 0
    while (commit := next_commit(ranked(known, line), known)) is not None:
        is_broken = 30 <= int(commit) < 70
        skipped += is_broken
        known = known.with_answer(commit, "skip" if is_broken else "bad" if int(commit) >= 80 else "good")
    assert ranked(known, line) == ["80"]
    assert skipped <= 8


def test_answers_are_taken_in_their_order() -> None:
    known = answered(Known("d", ("a",)), [("c", "bad"), ("b", "skip")])
    assert known == Known("c", ("a",), frozenset({"b"}))


@pytest.mark.parametrize(("commits", "steps"), [(1, 0), (2, 1), (3, 2), (8, 3), (9, 4)])
def test_the_steps_are_the_binary_logarithm(commits: int, steps: int) -> None:
    assert most_steps(commits) == steps
