"""A session's seconds, dealt out among its tests."""

from __future__ import annotations

import pytest

from bench.pytest_plugin.session_budget import SessionBudget
from bench.schema.case import Case, MeasurementProtocol

CASE = Case(model="lenet5", image=28, channels=1, classes=10)
PROTOCOL = MeasurementProtocol(warmup_seconds=1.0, sampling_seconds=10.0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock, and a case that takes a second and what its protocol says."""
    monkeypatch.setattr(
        "bench.plan.estimate.case_seconds",
        lambda case, protocol: 1.0 + protocol.warmup_seconds + protocol.sampling_seconds,
    )
    return [0.0]


def test_what_has_time_is_measured_in_full(now: list[float]) -> None:
    budget = SessionBudget(30.0, clock=lambda: now[0], waiting=2)
    assert budget.deal("one", CASE, PROTOCOL) == PROTOCOL
    now[0] = 15.0
    assert budget.deal("two", CASE, PROTOCOL) == PROTOCOL
    assert (budget.shortened, budget.left_out) == ([], [])


def test_a_share_that_is_too_small_shortens(now: list[float]) -> None:
    budget = SessionBudget(12.0, clock=lambda: now[0], waiting=2)
    brief = budget.deal("one", CASE, PROTOCOL)
    assert brief is not None
    assert (brief.sampling_seconds, brief.min_samples) == (2.0, 3)
    assert budget.shortened == ["one"]


def test_what_has_no_time_at_all_is_left_out(now: list[float]) -> None:
    budget = SessionBudget(12.0, clock=lambda: now[0], waiting=1)
    now[0] = 11.5
    assert budget.deal("late", CASE, PROTOCOL) is None
    now[0] = 13.0
    assert budget.deal("later", None, PROTOCOL) is None
    assert budget.left_out == ["late", "later"]


def test_the_phases_of_one_case_share_their_steps(now: list[float]) -> None:
    budget = SessionBudget(12.5, clock=lambda: now[0], waiting=1)
    assert budget.deal("forward", CASE, PROTOCOL) is not None
    now[0] = 12.4
    assert budget.deal("backward", CASE, PROTOCOL) is not None
    assert budget.left_out == []
