"""Who computes other bits than its like: named by a majority of its own kind, and never without one."""

from __future__ import annotations

import itertools

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.step_digest import StepDigest, stepped
from bench.schema.units import Unit
from reports.analysis.bit_for_bit import ComparedStep, Outlier, compare, outliers_by_unit
from reports.summary.digests import Digested

LENET = stepped(Case(model="lenet5", image=28, channels=1, classes=10))
RIGHT = StepDigest(loss="a", gradients="b", weights="c")
WRONG = StepDigest(loss="a", gradients="x", weights="y")
OTHER = StepDigest(loss="z", gradients="z", weights="z")
RANDOM = structs.replace(RIGHT, repeats=False)
NONE = StepDigest(why_none="conv has no deterministic implementation")


def unit(number: int) -> Unit:
    return Unit(f"GPU-{number:08d}-0000", f"node{number // 2}")


def fleet(*digests: StepDigest, kind: bytes = b"H100", case: Case = LENET) -> list[Digested]:
    """A unit for each digest."""
    return [Digested(unit(number), case, kind, digest) for number, digest in enumerate(digests)]


def step_of(*digests: StepDigest) -> ComparedStep:
    (found,) = compare(fleet(*digests))
    return found


def test_the_one_that_differs_is_named_with_the_part_in_which_it_does() -> None:
    found = step_of(RIGHT, RIGHT, WRONG, RIGHT)
    assert (found.verdict, found.agree) == ("others", 3)
    assert found.outliers == (Outlier(unit(2), "gradients"),)


@pytest.mark.parametrize("order", list(itertools.permutations((RIGHT, RIGHT, RIGHT, WRONG, OTHER)))[::17])
def test_whatever_the_order_the_majority_is_right(order: tuple[StepDigest, ...]) -> None:
    found = step_of(*order)
    assert {outlier.unit for outlier in found.outliers} == {
        unit(number) for number, digest in enumerate(order) if digest != RIGHT
    }
    assert {outlier.part for outlier in found.outliers} == {"gradients", "loss"}


def test_one_that_does_not_repeat_what_all_others_do_is_named() -> None:
    found = step_of(RIGHT, RANDOM, RIGHT)
    assert found.outliers == (Outlier(unit(1), None),)


def test_one_that_changes_from_process_to_process_is_named() -> None:
    found = compare([*fleet(RIGHT, RIGHT, RIGHT), *fleet(WRONG)])
    assert found[0].outliers == (Outlier(unit(0), None),)


@pytest.mark.parametrize(
    ("digests", "verdict"),
    [
        ((RIGHT, RIGHT), "the same"),
        ((RIGHT, WRONG), "no majority"),
        ((RIGHT, RIGHT, WRONG, WRONG), "no majority"),
        ((RIGHT, WRONG, OTHER), "no majority"),
        ((RANDOM, RANDOM, RANDOM), "not repeatable"),
        ((RANDOM, RIGHT), "not repeatable"),
        ((RANDOM, WRONG, RANDOM, RIGHT), "not repeatable"),
        ((RIGHT,), "alone"),
        ((RANDOM,), "not repeatable"),
        ((NONE, NONE), "none"),
    ],
)
def test_without_a_majority_nobody_is_blamed(digests: tuple[StepDigest, ...], verdict: str) -> None:
    found = step_of(*digests)
    assert (found.verdict, found.outliers) == (verdict, ())


def test_one_without_a_digest_does_not_count() -> None:
    found = step_of(RIGHT, NONE, RIGHT)
    assert (found.verdict, found.units, found.agree) == ("the same", (unit(0), unit(2)), 2)
    assert found.why_none == NONE.why_none


def test_kinds_and_steps_are_compared_apart() -> None:
    other = structs.replace(LENET, batch=2)
    found = compare(
        [*fleet(RIGHT, RIGHT, RIGHT), *fleet(WRONG, kind=b"A100"), *fleet(OTHER, OTHER, case=other)]
    )
    assert [step.verdict for step in found] == ["the same", "alone", "the same"]
    assert outliers_by_unit(found) == {}


def test_a_unit_is_listed_once_with_all_its_steps() -> None:
    other = structs.replace(LENET, batch=2)
    steps = compare([*fleet(RIGHT, WRONG, RIGHT), *fleet(RIGHT, OTHER, RIGHT, case=other)])
    ((named, found),) = outliers_by_unit(steps).items()
    assert named == unit(1)
    assert [outlier.part for _, outlier in found] == ["gradients", "loss"]
