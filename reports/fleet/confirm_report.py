"""What `fleet confirm` found: each suspect, beside whom it was measured again, and whether it is slow."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench.schema import durations
from bench.schema.confirm_plan import ConfirmPlan, Look
from bench.schema.fleet_plan import FleetPlan, NodeState
from bench.schema.plurals import how_many
from bench.schema.units import Unit
from bench.stats.fleet_ratios import ConfirmedRatio
from reports import formats
from reports.cells import Cell, Scalar, brief
from reports.document import Answer, Document, NextStep, Table
from reports.fleet.fleet_found import is_within
from reports.fleet.percent_slower import slower

TITLE = "Fleet, suspects again"


class Judged(Struct, frozen=True):
    """A look, and what came of it."""

    look: Look
    ratio: ConfirmedRatio

    @property
    def is_complete(self) -> bool:
        """Whether each of its rounds has figures of all three."""
        return self.ratio.rounds == len(self.look.rounds)

    def word(self, margin: float) -> str:
        """`slow`, `within the margin`, or why neither is known."""
        if self.ratio.slow:
            return "slow"
        if self.ratio.high is None:
            return "not measured"
        return "within the margin" if is_within(self.ratio, margin) else "undecided"

    @property
    def cell(self) -> Cell:
        """How much slower the suspect is."""
        return None if self.ratio.high is None else slower(self.ratio)


def document(
    folder: Path, plan: FleetPlan, judged: Sequence[Judged], margin: float, against: str | None = None
) -> Document:
    """The slow ones by name; a row for each suspect. `against` names the run that the center is from."""
    slow = [each for each in judged if each.ratio.slow]
    center = "the center" if against is None else f"the center of {against}"
    headlines = (_headline(judged, slow, margin, center), *(_sentence(each, center) for each in slow[:3]))
    nodes = how_many(len(plan.nodes), "node")
    answer = Answer(
        about=f"{how_many(len(judged), 'suspect')} of a fleet of {nodes} · {plan.plan.suite}",
        headlines=headlines,
        table=Table(title="Suspects", columns=_COLUMNS, rows=tuple(_cells(each, margin) for each in judged)),
        warnings=_warning(judged),
        next_step=_next(folder, judged, against),
    )
    return Document(
        title=f"{TITLE}: {headlines[0]}",
        answer=answer,
        tables=(),
        rows=tuple(_row(each, margin) for each in judged),
    )


_COLUMNS = ("suspect", "node", "slower than the center", "rounds", "references", "verdict")


def _headline(judged: Sequence[Judged], slow: Sequence[Judged], margin: float, center: str) -> str:
    """`1 of 2 suspects is slow: measured again, it is more than 3% slower than the center.`"""
    share = f"more than {100 * margin:.3g}% slower than {center}"
    if not any(each.ratio.rounds for each in judged):
        return f"{how_many(len(judged), 'suspect')}, of which no round is whole yet."
    if not slow:
        return f"No suspect is shown to be slow: measured again, none is clearly {share}."
    verb, they = ("is", "it is") if len(slow) == 1 else ("are", "they are")
    suspects = how_many(len(judged), "suspect")
    return f"{len(slow)} of {suspects} {verb} slow: measured again, {they} {share}."


def _sentence(judged: Judged, center: str) -> str:
    """`cell3 is 41.2% (37.1% to 45.6%) slower than the center, in 3 rounds beside cell1 and cell2.`"""
    one, other = judged.look.references
    rounds = how_many(judged.ratio.rounds, "round")
    return (
        f"{named(judged.look.suspect)} is {brief(slower(judged.ratio))} slower than {center}, "
        f"in {rounds} beside {named(one)} and {named(other)}."
    )


def named(unit: Unit) -> str:
    """A GPU with its node."""
    return f"{unit.node} {unit.name}" if unit.is_gpu else unit.name


def _cells(judged: Judged, margin: float) -> tuple[Cell, ...]:
    return (
        judged.look.suspect.name,
        judged.look.suspect.node,
        judged.cell,
        f"{judged.ratio.rounds} of {len(judged.look.rounds)}",
        " and ".join(named(unit) for unit in judged.look.references),
        judged.word(margin),
    )


def _warning(judged: Sequence[Judged]) -> str:
    differ = [each.look.suspect for each in judged if each.ratio.references_differ]
    if not differ:
        return ""
    names = ", ".join(named(unit) for unit in differ[:3])
    return f"The references of {names} differ from each other more than in the first run: one has changed."


def _next(folder: Path, judged: Sequence[Judged], against: str | None) -> NextStep:
    at = shlex.quote(str(folder)) + ("" if against is None else f" --against {shlex.quote(against)}")
    left = sum(not each.is_complete for each in judged)
    if left:
        purpose = f"measures the missing rounds of {how_many(left, 'suspect')}"
        return NextStep(command=f"convbench fleet confirm {at}", purpose=purpose)
    return NextStep(
        command=f"convbench fleet report {at}", purpose="shows the whole fleet with likely causes"
    )


def _row(judged: Judged, margin: float) -> dict[str, Scalar]:
    look, ratio = judged.look, judged.ratio
    return {
        "unit": look.suspect.id,
        "node": look.suspect.node,
        "references": " ".join(unit.id for unit in look.references),
        "rounds": ratio.rounds,
        "planned_rounds": len(look.rounds),
        "log_ratio": ratio.log_ratio,
        "low": ratio.low,
        "high": ratio.high,
        "error": ratio.error,
        "freedom": ratio.freedom,
        "p": ratio.p,
        "adjusted_p": ratio.adjusted_p,
        "slow": ratio.slow,
        "verdict": judged.word(margin),
        "references_differ": ratio.references_differ,
    }


def nothing(
    folder: Path, format_: str, against: str | None = None, states: Sequence[NodeState] = ()
) -> str | bytes:
    """A sentence for people; programs find no rows. Of a node that is not complete nothing is known yet."""
    by = "" if against is None else f" by the center of {against}"
    missing = sum(state.done < state.planned for state in states)
    verb = "is" if missing == 1 else "are"
    but = f", but {missing:,} of {how_many(len(states), 'node')} {verb} not complete" if missing else ""
    text = f"nothing to confirm: no machine of {folder} is a suspect{by}{but}"
    if format_ == "terminal":
        return f"{text}\n"
    return formats.content(format_, Document(title=TITLE, text=(text,), tables=()))


def dry_run(plan: ConfirmPlan, turns: int, seconds: float, format_: str) -> str | bytes:
    """Who would be measured again, beside whom, and how long it takes at most."""
    rows = tuple(
        (
            named(look.suspect),
            " and ".join(named(unit) for unit in look.references),
            f"{look.first_round} to {look.last_round}",
        )
        for look in plan.looks
    )
    text = (f"{how_many(turns, 'job')}, {durations.about(turns * seconds)} one after the other.",)
    table = Table(title="Suspects", columns=("suspect", "references", "rounds"), rows=rows)
    listed: tuple[dict[str, Scalar], ...] = tuple(
        {"unit": look.suspect.id, "node": look.suspect.node, "rounds": len(look.rounds)}
        for look in plan.looks
    )
    title = "Dry run: nothing is measured"
    return formats.content(format_, Document(title=title, text=text, tables=(table,), rows=listed))
