"""What a claim is: what a textbook says, the cases that would show it, and the function that judges them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs

from bench.contracts.device import Scale
from bench.plan.ablations import sizes
from bench.schema.case import Case
from models.errors import unknown
from reports.cells import ONE, Quantity, brief, readable
from reports.claims.evidence import Evidence, Setting

ClaimWord = Literal["true", "false", "depends", "undecided", "not tested", "cited"]
Kind = Literal["exact", "measured", "trained", "published"]
Need = Literal["", "a GPU", "a run", "more seeds", "more processes", "longer training"]
"""What would decide a claim that is undecided or not tested."""


class Statement(Struct, frozen=True, kw_only=True):
    """A row of claims.csv: what is said, with which figure, by whom, and what kind of evidence settles it.

    short  the claim in a few words, for a row of a table
    """

    id: str
    topic: str
    short: str
    said: str
    figure: str
    kind: Kind
    source: str


class Judgement(Struct, frozen=True, kw_only=True):
    """What was found.

    figure     in `unit`; None where there is none
    low, high  its 99% interval over processes or seeds; None for what is computed, and where there is none
    found      the finding in a few words; empty where figure and unit say it
    need       what would decide the claim; empty where it is decided
    reason     sentences: what was compared, at which sizes, and why the verdict is what it is
    """

    verdict: ClaimWord
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    found: str = ""
    need: Need = ""
    reason: str


class Claim(Struct, frozen=True, kw_only=True):
    """A statement that can be judged.

    needs    the processes that give its evidence, on a machine as the setting says
    judge    pure; called only when there is evidence for every case of `needs`, or for some if `partial`
    partial  whether a part of the cases allows a judgement
    """

    said: Statement
    judge: Callable[[Evidence], Judgement]
    needs: Callable[[Setting], tuple[Case, ...]] = lambda setting: ()
    partial: bool = False


@cache
def statements() -> tuple[Statement, ...]:
    """Every row of the file, in its order."""
    with Path(__file__).with_name("claims.csv").open(newline="", encoding="utf-8") as lines:
        return tuple(msgspec.convert(row, Statement) for row in csv.DictReader(lines))


def statement(name: str) -> Statement:
    """The row with this id; UserError for another name."""
    found = next((each for each in statements() if each.id == name), None)
    if found is None:
        raise unknown("claim", name, [each.id for each in statements()])
    return found


def judged(claim: Claim, evidence: Evidence) -> Judgement:
    """The claim's judgement, or what is missing for one."""
    cases = list(dict.fromkeys(case.without_replicate() for case in claim.needs(evidence.setting)))
    gaps = [case for case in cases if not evidence.has(case)]
    if gaps and (len(gaps) == len(cases) or not claim.partial):
        return _missing(claim, gaps, len(cases), evidence)
    return claim.judge(evidence)


def _missing(claim: Claim, gaps: list[Case], of: int, evidence: Evidence) -> Judgement:
    failed = [f"{case.id}: {reason}" for case in gaps if (reason := evidence.why_lost(case))]
    if failed:
        reason = f"These cases failed: {'; '.join(failed)}."
        return Judgement(verdict="not tested", found="its cases failed", need="a run", reason=reason)
    command = f"convbench claims {claim.said.id} --run --out DIR"
    reason = f"Not measured: {len(gaps)} of {of} cases. Measure them with: {command}."
    return Judgement(verdict="not tested", found="not measured", need="a run", reason=reason)


def span(value: float | None, low: float | None, high: float | None, unit: str = "", *, known: bool) -> str:
    """`10.8x (8.5x to 13.9x)`; of a figure that decides nothing (not `known`) the ends alone.

    One seed or process has no interval, and is marked.
    """
    if value is None:
        return ""
    if low is None or high is None:
        return f"{readable(value, 2)}{unit}" if known else f"{readable(value, 2)}{unit} {ONE}"
    if known:
        return brief(Quantity(value=value, low=low, high=high, unit=unit, interval="ends"))
    return f"{readable(low, 2)}{unit} to {readable(high, 2)}{unit}"


def lies_within(low: float | None, high: float | None, floor: float, ceiling: float) -> bool | None:
    """Whether an interval lies inside these bounds (True) or outside (False); None where neither is shown."""
    if low is None or high is None:
        return None
    if floor <= low and high <= ceiling:
        return True
    return False if high < floor or low > ceiling else None


def replicated(cases: list[Case], count: int) -> tuple[Case, ...]:
    """Processes 1 to `count` of each case."""
    return tuple(structs.replace(case, replicate=number) for case in cases for number in range(1, count + 1))


def usual_counts(scale: Scale) -> tuple[int, int]:
    """Processes of each timed case and seeds of each trained one: those of the ablations."""
    at = sizes(scale)
    return at.replicates, at.seeds


class JudgedClaim(Struct, frozen=True):
    """A claim and what was found."""

    claim: Claim
    judgement: Judgement


def word_of(inside: Sequence[bool | None]) -> ClaimWord:
    """All inside: true; all outside: false; some of each: it depends. One that is open leaves it undecided,
    unless the others show both."""
    if True in inside and False in inside:
        return "depends"
    if None in inside or not inside:
        return "undecided"
    return "true" if True in inside else "false"
