"""What a search will cost, before it begins."""

from __future__ import annotations

import pytest

from bench.plan import estimate
from bench.schema.case import Case, MeasurementProtocol
from bench.studies.bisect.bisect_state import Wanted
from reports.compare.bisect_plan import document, in_words, plan_of
from tests.reports.compare.test_bisect_report import commit

WANTED = Wanted(
    good=commit("aaaaa"), bad=commit("fffff"), case=Case(model="lenet5"), protocol=MeasurementProtocol()
)


@pytest.mark.parametrize(("commits", "tests"), [(1, 2), (2, 3), (100, 9), (1024, 12)])
def test_tests_grow_with_the_logarithm_of_the_commits(commits: int, tests: int) -> None:
    plan = plan_of(WANTED, commits)
    assert plan.tests == tests
    assert plan.seconds == (8 * tests * plan.pair_seconds, 128 * tests * plan.pair_seconds)
    two = 2 * estimate.case_seconds(WANTED.case, WANTED.protocol)
    assert two < plan.pair_seconds <= two + 2 * estimate.server_seconds([WANTED.case])


def test_it_is_said_in_words() -> None:
    plan = plan_of(WANTED, 100)
    assert in_words(plan).startswith(
        "100 commits may be it: 9 tests at most if none is skipped, of 8 to 128 pairs"
    )
    found = document(WANTED, plan, ("lib/a", "lib/b"))
    assert found.text[-1] == "Submodules stay empty in worktrees: lib/a, lib/b."
