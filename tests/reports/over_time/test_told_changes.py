"""Each told change has a name, and keeps the answer that somebody gave to it."""

from __future__ import annotations

from msgspec import structs

from bench.archive.case_series import CaseSeries
from bench.archive.step_names import step_name
from bench.schema.acknowledgement import Acknowledgement
from bench.stats.run_series import Boundary, Changes, Drift, Shift, Step
from reports.over_time.told_changes import with_told
from reports.over_time.trended import ToldChange
from tests.planted.planted_case_series import series

THREE = Shift(log_ratio=0.03, low=0.02, high=0.04)
STEP = Step(at=6, earliest=5, latest=7, told_at=8, shift=THREE)


def answer(of: CaseSeries, at: int, **also: str) -> Acknowledgement:
    given = Acknowledgement(
        case=of.case,
        kind=of.kind,
        fingerprint=of.fingerprint,
        what="step",
        run=of.runs[at].digest,
        run_at=of.runs[at].at,
        by="ada",
        acknowledged_at="2026-02-01T09:00:00+00:00",
        why="driver 575",
    )
    return structs.replace(given, **also)


def told(of: CaseSeries, changes: Changes, **answers: Acknowledgement) -> tuple[ToldChange, ...]:
    acknowledged = {name.replace("_", "-"): each for name, each in answers.items()}
    (found,) = with_told([of], [changes], acknowledged)
    assert (found.series, found.changes) == (of, changes)
    return found.told


def test_steps_boundaries_that_changed_times_and_drifts_are_told_in_the_order_of_time() -> None:
    changes = Changes(
        steps=(STEP,),
        boundaries=(
            Boundary(at=2, told_at=3, shift=THREE),
            Boundary(at=4, told_at=None, shift=THREE),
            Boundary(at=9, told_at=None, shift=None),
        ),
        drifts=(Drift(first=3, last=5, told_at=5, per_run=Shift(log_ratio=0.01, low=0.005, high=0.015)),),
    )
    of = series(drivers={day: str(day) for day in range(10)})
    found = told(of, changes)
    assert [(each.what, each.at, each.told_at) for each in found] == [
        ("boundary", 2, 3),
        ("drift", 3, 5),
        ("step", 6, 8),
    ]
    assert [each.name for each in found] == [step_name(of, at) for at in (2, 3, 6)]
    assert found[1].shift == Shift(log_ratio=0.02, low=0.01, high=0.03), "of the drift as a whole"
    assert [each.differences for each in found] == [
        (("driver", "1", "2"),),
        (("driver", "3", "5"),),
        (("driver", "4", "7"),),
    ]


def test_what_takes_turns_on_both_sides_is_not_beside_a_step_but_is_a_boundary() -> None:
    turns = {run: str(run % 2) for run in range(12)}
    step = structs.replace(STEP, earliest=6, latest=6)
    assert told(series(12, drivers=turns), Changes(steps=(step,)))[0].differences == ()
    boundary = Changes(boundaries=(Boundary(at=6, told_at=8, shift=THREE),))
    assert told(series(12, drivers=turns), boundary)[0].differences == (("driver", "1", "0"),)
    back_again = {0: "a", 3: "b", 6: "a"}
    assert told(series(12, drivers=back_again), Changes(steps=(step,)))[0].differences == (
        ("driver", "b", "a"),
    )


def test_an_answer_is_found_by_the_name_of_its_change() -> None:
    of = series()
    name = step_name(of, 6).replace("-", "_")
    (found,) = told(of, Changes(steps=(STEP,)), **{name: answer(of, 6)})
    assert found.acknowledged == answer(of, 6)
    assert told(of, Changes(steps=(STEP,)), other=answer(of, 5))[0].acknowledged is None


def test_an_answer_outlives_the_first_run_of_its_step() -> None:
    """Run 6 was pruned: run 7 is the first after the step now, under another name."""
    given = answer(series(), 6)
    pruned = series(skipped=frozenset({6}))
    step = structs.replace(STEP, told_at=7)
    assert pruned.runs[6].digest == f"{7:064x}"
    assert told(pruned, Changes(steps=(step,)), old=given)[0].acknowledged == given


def test_an_answer_holds_for_its_own_change_alone() -> None:
    pruned, given = series(skipped=frozenset({6})), answer(series(), 6)
    step = Changes(steps=(structs.replace(STEP, told_at=7),))
    for other in (
        answer(series(), 6, what="boundary"),
        answer(series(), 6, case="vgg16/inference/cuda/fp32/eager/nchw/b8/t2"),
        answer(series(), 6, kind="NVIDIA H200"),
        answer(series(), 6, fingerprint="0" * 16),
        answer(series(), 6, origin="timm"),
        answer(series(), 3),
        answer(series(), 4),
        structs.replace(given, run=pruned.runs[0].digest),  # its run is there: it answers to no other
    ):
        assert told(pruned, step, old=other)[0].acknowledged is None
