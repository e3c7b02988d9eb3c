"""How the nodes of a fleet stand: of `fleet status`, and the end of `fleet run`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import to_builtins

from bench.contracts.executor import Executor, Node
from bench.fleet import job_script, node_states
from bench.plan import plan_processes
from bench.schema import durations
from bench.schema.fleet_plan import UNDER_WAY, FleetPlan, NodeState
from bench.schema.plurals import how_many
from bench.studies.confirm.confirm_rounds import Turn
from bench.studies.confirm.confirm_states import RoundState
from reports import formats
from reports.cells import Cell, Scalar
from reports.document import Answer, Document, NextStep, Table

TITLE = "Fleet"
_MOST_ROWS = 12
"""Of the first screen; the other nodes are in the whole table."""


def document(
    folder: Path, plan: FleetPlan, states: Sequence[NodeState], again: Sequence[RoundState] = ()
) -> Document:
    """Which nodes are complete, which are under way and what is missing; a row for each node, and for each
    unit and round that `fleet confirm` measures `again`."""
    gaps = [state for state in states if state.is_gap]
    headlines = (_headline(states), *_again(again), *_odd_clocks(states))
    shown = sorted(states, key=lambda state: (state.state == "complete", not state.is_gap))[:_MOST_ROWS]
    answer = Answer(
        about=_about(plan),
        headlines=headlines,
        table=_table("Nodes", shown, of=len(states)),
        warnings=_tail(gaps),
        next_step=_next(folder, plan, states, gaps, again),
    )
    rounds = (_rounds_table(again),) if again else ()
    return Document(
        title=TITLE,
        answer=answer,
        tables=(_table("All nodes", states, of=len(states)), *rounds, *filter(None, map(_log, gaps))),
        rows=(
            *(_row(state) for state in states),
            *(_row(each.state, each.turn) for each in again),
        ),
    )


def _about(plan: FleetPlan) -> str:
    processes = plan_processes.of_plan(plan.plan)
    cases = how_many(len({case.without_replicate() for case in processes}), "case")
    return f"{how_many(len(plan.nodes), 'node')} · {plan.plan.suite}, {cases} on each · {plan.executor}"


def _headline(states: Sequence[NodeState]) -> str:
    """`3 of 4 nodes are complete, 1 node lost.`"""
    counts: dict[str, int] = {}
    for state in states:
        counts[state.state] = counts.get(state.state, 0) + 1
    complete = counts.pop("complete", 0)
    left = "".join(f", {count} {name}" for name, count in counts.items())
    failed = sum(state.failed for state in states)
    cases = f" {how_many(failed, 'process', 'processes')} failed." if failed else ""
    verb = "is" if complete == 1 else "are"
    return f"{complete} of {how_many(len(states), 'node')} {verb} complete{left}.{cases}"


def _again(again: Sequence[RoundState]) -> Iterator[str]:
    """`Of fleet confirm 5 of 12 jobs are complete, 2 running, 5 not submitted.`"""
    if again:
        counts = Counter(each.state.state for each in again)
        complete = counts.pop("complete", 0)
        left = "".join(f", {count} {name}" for name, count in counts.items())
        verb = "is" if complete == 1 else "are"
        yield f"Of fleet confirm {complete} of {how_many(len(again), 'job')} {verb} complete{left}."


def _rounds_table(again: Sequence[RoundState]) -> Table:
    """In the order of measuring; those that are complete are only counted."""
    left = [each for each in again if each.state.state != "complete"]
    return Table(
        title="Suspects and references again",
        columns=("round", "node", "unit", "state", "job", "why"),
        rows=tuple(
            (each.turn.number, each.state.node, each.turn.unit.name, *_standing(each.state)) for each in left
        ),
        notes=(f"{how_many(len(again) - len(left), 'more job')}: complete.",)
        if len(left) < len(again)
        else (),
        optional=("unit", "job"),
    )


def _standing(state: NodeState) -> tuple[Cell, ...]:
    return state.state, state.job, state.reason


def _odd_clocks(states: Sequence[NodeState]) -> tuple[str, ...]:
    """One sentence, for the clock that is furthest off."""
    odd = [state for state in states if node_states.has_odd_clock(state)]
    if not odd:
        return ()
    worst = max(odd, key=lambda state: abs(state.clock_seconds or 0))
    seconds = worst.clock_seconds or 0
    others = f"; {how_many(len(odd) - 1, 'other clock')} differ" if len(odd) > 1 else ""
    way = "ahead of" if seconds > 0 else "behind"
    words = node_states.clock_in_words(seconds)
    return (
        f"The clock of {worst.node} is {words} {way} the shared folder's{others}: times of records differ.",
    )


def _table(title: str, states: Sequence[NodeState], *, of: int) -> Table:
    rows = tuple(
        (state.node, state.state, f"{state.done} of {state.planned}", state.attempt, state.job, state.reason)
        for state in states
    )
    left = of - len(states)
    notes = (f"{how_many(left, 'more node')}: --full.",) if left else ()
    columns = ("node", "state", "processes", "attempt", "job", "why")
    return Table(title=title, columns=columns, rows=rows, notes=notes, optional=("attempt", "job"))


def _tail(gaps: Sequence[NodeState]) -> str:
    """The last line that the first gap printed."""
    found = next((state for state in gaps if state.log), None)
    return f"{found.node} printed last: {found.log[-1]}" if found is not None else ""


def _log(state: NodeState) -> Table | None:
    if not state.log:
        return None
    return Table(title=f"Log of {state.node}", columns=("line",), rows=tuple((each,) for each in state.log))


def _next(
    folder: Path,
    plan: FleetPlan,
    states: Sequence[NodeState],
    gaps: Sequence[NodeState],
    again: Sequence[RoundState],
) -> NextStep | None:
    """What is missing is measured; a fleet that waits is watched; a whole one is reported."""
    at = shlex.quote(str(folder))
    if gaps:
        names = ", ".join(state.node for state in gaps[:3]) + (", ..." if len(gaps) > 3 else "")
        resume = f"convbench fleet run --resume --out {at}"
        return NextStep(command=resume, purpose=f"measures what is missing ({names})", seconds=plan.seconds)
    if any(state.state in UNDER_WAY for state in states):
        return NextStep(command=f"convbench fleet run --resume --out {at}", purpose="watches the jobs")
    if any(each.state.state != "complete" for each in again):
        purpose = "watches these jobs and measures what is missing"
        return NextStep(command=f"convbench fleet confirm {at}", purpose=purpose)
    return NextStep(command=f"convbench fleet report {at}", purpose="shows which machine is slow")


def _row(state: NodeState, turn: Turn | None = None) -> dict[str, Scalar]:
    """For programs; the log as one text. Of the first run it has no round."""
    row: dict[str, Scalar] = to_builtins(state)
    number, unit = (None, None) if turn is None else (turn.number, turn.unit.id)
    again: dict[str, Scalar] = {"round": number, "unit": unit}
    return {**row, "log": "\n".join(state.log), "is_gap": state.is_gap, **again}


def dry_run(plan: FleetPlan, executor: Executor, nodes: Sequence[Node], format_: str) -> str | bytes:
    """The jobs that would be submitted, and how long they take."""
    able = [node for node in nodes if node.why_unusable is None]
    at_once = plan.site.jobs_at_once or executor.jobs_at_once or max(1, len(able))
    turns = -(-len(able) // at_once)
    limit = durations.in_words(job_script.limit_seconds(plan))
    told = (
        f"{how_many(len(able), 'job')} of {durations.about(plan.seconds)} each, "
        f"{min(at_once, len(able))} at once: {durations.about(turns * plan.seconds)}, and the time that they "
        f"wait. The time limit of a job is {limit}."
    )
    text = (told if able else "No job would be submitted.",)
    rows = tuple((node.name, "job" if node.why_unusable is None else node.why_unusable) for node in nodes)
    tables = (
        Table(title="Nodes", columns=("node", "what it gets"), rows=rows),
        Table(title="On each node", columns=("command",), rows=((shlex.join(plan.arguments),),)),
    )
    listed: tuple[dict[str, Scalar], ...] = tuple(
        {"node": node.name, "gpus": node.gpus, "why_unusable": node.why_unusable, "seconds": plan.seconds}
        for node in nodes
    )
    title = "Dry run: nothing is submitted"
    return formats.content(format_, Document(title=title, text=text, tables=tables, rows=listed))


def cancelled(ended: int) -> str:
    """What `fleet cancel` did."""
    return f"cancelled {how_many(ended, 'job')}" if ended else "no job waits or runs"
