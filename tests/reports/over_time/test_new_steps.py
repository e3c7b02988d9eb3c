"""A gate fails on what became slower and nobody answered for."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.stats.run_series import Changes, Shift
from reports.over_time.new_steps import reasons
from reports.over_time.reverted import with_reverted
from reports.over_time.trended import ToldChange, Trended, TrendedSeries
from tests.planted.planted_case_series import series
from tests.reports.over_time.test_told_changes import answer

SLOWER = ToldChange(
    name="vgg16-3f0c92ab",
    what="step",
    at=6,
    told_at=8,
    shift=Shift(log_ratio=0.0304, low=0.0237, high=0.0373),
)


def trended(*told: ToldChange, case: str = "vgg16/training") -> TrendedSeries:
    return TrendedSeries(series=series(case=case), changes=Changes(), told=told)


def gate(*found: TrendedSeries) -> tuple[str, ...]:
    return reasons(Trended(archive=Path("archive"), series=found))


def test_a_reason_says_what_how_much_since_when_and_its_name() -> None:
    assert gate(trended(SLOWER)) == (
        "vgg16/training on NVIDIA H100 is 3.1% slower (2.4% to 3.8%) since 2026-01-07 (vgg16-3f0c92ab)",
    )


def test_only_what_is_slower_and_not_acknowledged_is_a_reason() -> None:
    faster = structs.replace(SLOWER, shift=Shift(log_ratio=-0.03, low=-0.04, high=-0.02))
    answered = structs.replace(SLOWER, acknowledged=answer(series(), 6))
    assert gate(trended(faster, answered)) == ()


def test_boundaries_and_drifts_count_as_steps_do_and_the_oldest_comes_first() -> None:
    boundary = structs.replace(SLOWER, name="b", what="boundary", at=3)
    drift = structs.replace(SLOWER, name="d", what="drift", at=1)
    found = gate(trended(SLOWER, case="alexnet/training"), trended(drift, boundary))
    assert [reason.partition(" (")[2][-3:] for reason in found] == ["(d)", "(b)", "ab)"]
    assert "in a drift since 2026-01-02" in found[0]


def test_what_was_taken_back_is_a_reason_until_somebody_answers_but_is_not_called_slower_now() -> None:
    back = structs.replace(SLOWER, name="back", at=8, shift=Shift(log_ratio=-0.03, low=-0.04, high=-0.02))
    assert gate(trended(*with_reverted([SLOWER, back]))) == (
        "vgg16/training on NVIDIA H100 was 3.1% slower (2.4% to 3.8%) from 2026-01-07 to 2026-01-08 "
        "(vgg16-3f0c92ab)",
    )
    answered = structs.replace(SLOWER, acknowledged=answer(series(), 6))
    assert gate(trended(*with_reverted([answered, back]))) == ()


def test_what_later_runs_do_not_confirm_fails_no_longer() -> None:
    for low, count in ((0.001, 1), (-0.001, 0)):
        shift = Shift(log_ratio=0.002, low=low, high=0.005)
        assert len(gate(trended(structs.replace(SLOWER, shift=shift)))) == count
