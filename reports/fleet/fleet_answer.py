"""The first screen of a fleet's report: how far units lie apart, which are slow and why, what is missing."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.archive.archived_runs import is_archived
from bench.schema.fleet_plan import UNDER_WAY, NodeState
from bench.schema.plurals import how_many
from reports.cells import brief
from reports.document import Answer, NextStep, Table
from reports.dot_chart import Dot, DotChart
from reports.fleet.causes import in_words
from reports.fleet.fleet_alarms import alarms
from reports.fleet.fleet_found import FleetFound, JudgedUnit, listed
from reports.fleet.judged_kinds import JudgedKind
from reports.fleet.percent_slower import percent, slower
from reports.tables.wording import one_line

MOST_NAMED = 2
"""Slow units that have a sentence of their own each; more of them are in a table."""
MOST_ROWS = 6
MOST_FOLDERS = 4
"""In a command to be pasted."""


def answer(found: FleetFound) -> Answer:
    """Within one screen."""
    outstanding = [*found.of_state("slow"), *found.of_state("suspect")]
    return Answer(
        about=" · ".join(_about(found)),
        alarms=tuple(alarms(found)),
        headlines=tuple(_headlines(found, outstanding)),
        dots=_dots(found, outstanding),
        table=_table(found, outstanding) if len(outstanding) > MOST_NAMED else None,
        warnings=" ".join(_missing(found)),
        next_step=_next_step(found, outstanding),
    )


def title(found: FleetFound) -> str:
    """`1 of 64 GPUs is slow`, `2 of 64 GPUs are suspects`, `64 GPUs, none slow`."""
    slow, suspects = found.of_state("slow"), found.of_state("suspect")
    units = how_many(len(found.units), found.what)
    if slow:
        return f"{len(slow):,} of {units} {'is' if len(slow) == 1 else 'are'} slow"
    if suspects:
        return f"{len(suspects):,} of {units} {'is a suspect' if len(suspects) == 1 else 'are suspects'}"
    if undecided := found.of_state("undecided"):
        return f"{len(undecided):,} of {units} {'is' if len(undecided) == 1 else 'are'} undecided"
    if found.of_state("ok"):
        return f"{units}, none slow"
    return f"{units}, none judged"


def _about(found: FleetFound) -> Iterator[str]:
    """`64 GPUs (H100) on 8 nodes`, `smoke, 12 cases x 3 processes`, `torch 2.15.0, driver 580.159`."""
    kind = found.kinds[0]
    environment = kind.environment
    nodes = {unit.measured.unit.node for unit in found.units}
    name = ""
    if environment is not None:
        name = environment.gpu.name if kind.uses_gpu and environment.gpu else environment.cpu
        name = f" ({one_line(name.replace('(R)', '').replace('(TM)', ''), 40)})"
    of = max(len(found.states), len(nodes))
    on = how_many(of, "node") if of == len(nodes) else f"{len(nodes):,} of {how_many(of, 'node')}"
    yield f"{how_many(len(found.units), found.what)}{name} on {on}"
    suite = f"{found.plan.plan.suite}, " if found.plan else ""
    processes = found.records.logs.shape[2]
    cases = how_many(len(found.records.tests), "case")
    yield f"{suite}{cases} x {how_many(processes, 'process', 'processes')}"
    if environment is not None:
        versions = [f"torch {environment.libraries['torch']}"] if "torch" in environment.libraries else []
        if kind.uses_gpu and environment.gpu and environment.gpu.driver:
            versions.append(f"driver {environment.gpu.driver}")
        yield ", ".join(versions) or environment.os


def _headlines(found: FleetFound, outstanding: Sequence[JudgedUnit]) -> Iterator[str]:
    undecided = _undecided(found)
    first = _within(found) if found.of_state("ok") or not undecided else ""
    if not outstanding:
        yield from filter(None, (first, undecided))
        return
    slow = len(found.of_state("slow"))
    counts = [f"{slow:,} {'is' if slow == 1 else 'are'} slow"] if slow else []
    suspects = len(outstanding) - slow
    counts += [f"{suspects:,} {'is a suspect' if suspects == 1 else 'are suspects'}"] if suspects else []
    yield f"{first or undecided} {' and '.join(counts)} (margin {100 * found.margin:g}%):"
    if len(outstanding) <= MOST_NAMED:
        yield from (_sentence(found, unit) for unit in outstanding)
    if first and undecided:
        yield undecided


def _undecided(found: FleetFound) -> str:
    """`2 of 3 CPUs are undecided: their processes scatter too much to tell 3%; add --replicates.`"""
    units = found.of_state("undecided")
    if not units:
        return ""
    one = len(units) == 1
    why, then = f"{'its' if one else 'their'} processes scatter", "Measure again with more --replicates"
    if found.against is not None and all(_is_by_center(found, unit) for unit in units):
        why, then = f"units of {found.against.name} scatter", "Take the center from a run of more machines"
    return (
        f"{len(units):,} of {how_many(len(found.units), found.what)} {'is' if one else 'are'} undecided: "
        f"{why} too much to show a difference of {100 * found.margin:g}%. {then}."
    )


def _is_by_center(found: FleetFound, unit: JudgedUnit) -> bool:
    """Whether the center of another run is the larger part of what is unsure."""
    kind = found.kinds[unit.kind]
    return kind.against and 2 * kind.ratios.centre_error**2 > (unit.ratio.error or 0.0) ** 2


def _within(found: FleetFound) -> str:
    """`63 of 64 GPUs are within ±1.8% of the fleet's center.`"""
    ok = found.of_state("ok")
    total = len(found.units)
    if not ok:
        return _why_none(found)
    widest = max(abs(percent(unit.ratio.log_ratio or 0.0)) for unit in ok)
    reach = f"within ±{math.ceil(widest * 10) / 10:.1f}%"
    whose = (
        f"the center of {found.against.name}"
        if found.against and found.kinds[0].against
        else "the fleet's center"
    )
    kinds = " of their kind" if len(found.kinds) > 1 and whose == "the fleet's center" else ""
    whose = f"the center{kinds}" if kinds else whose
    unit = found.what
    if len(ok) == total:
        return f"{'Both' if total == 2 else f'All {total:,}'} {unit}s are {reach} of {whose}."
    return f"{len(ok):,} of {how_many(total, unit)} {'is' if len(ok) == 1 else 'are'} {reach} of {whose}."


def _why_none(found: FleetFound) -> str:
    unjudged = found.of_state("not judged")
    if len(found.units) == 1:
        return (
            f"One {found.what}: nothing shows whether it is slow, unless --against DIR names an earlier run."
        )
    if unjudged and all(unit.ratio.why == "alone" for unit in unjudged):
        return f"{len(found.units):,} {found.what}s, each the only one of its kind: nothing to compare with."
    if unjudged:
        return (
            f"{how_many(len(unjudged), found.what)} with one process a test: how sure a ratio is is unknown."
        )
    return f"No {found.what} is within the margin."


def _sentence(found: FleetFound, unit: JudgedUnit) -> str:
    """`node5 GPU 3 (GPU-3f0c12ab) is 5.1% slow (4.2% to 6.0%), confirmed beside 2 others; likely ...`"""
    told = in_words(unit.causes)
    cause = f"likely cause: {told}" if told else "no likely cause in what was recorded"
    beside = f" (with {found.kinds[unit.kind].differs})" if found.kinds[unit.kind].differs else ""
    return f"{unit.name}{beside} is {brief(slower(unit.judged))} slow, {standing(unit)}; {cause}."


def standing(unit: JudgedUnit) -> str:
    """`confirmed beside 2 others`, `suspect: not confirmed yet`"""
    again = unit.confirmed
    if unit.state == "slow" and again is not None:
        return f"confirmed beside {len(again.references)} others"
    if again is None:
        return "suspect: not confirmed yet"
    if again.references_differ:
        return "suspect: its references contradict each other"
    return f"suspect: measured again in {how_many(again.rounds, 'round')}, not confirmed"


def _dots(found: FleetFound, outstanding: Sequence[JudgedUnit]) -> DotChart | None:
    """None of a single unit."""
    named = {id(unit) for unit in outstanding}
    dots = [
        Dot(percent(unit.ratio.log_ratio), unit.name if id(unit) in named else "")
        for unit in found.units
        if unit.ratio.log_ratio is not None
    ]
    if len(dots) < 2:
        return None
    title = f"Slower than the center, %, a dot for each {found.what}"
    return DotChart(title=title, what=found.what, dots=tuple(dots), margin=100 * found.margin)


def _table(found: FleetFound, outstanding: Sequence[JudgedUnit]) -> Table:
    shown = outstanding[:MOST_ROWS]
    more = len(outstanding) - len(shown)
    return Table(
        title="Slow and suspect",
        columns=(found.what, "slower", "state", "likely cause"),
        rows=tuple(
            (
                unit.name,
                slower(unit.judged),
                unit.state,
                in_words(unit.causes) or None,
            )
            for unit in shown
        ),
        notes=(f"{more:,} more: --section suspects.",) if more else (),
    )


def _missing(found: FleetFound) -> Iterator[str]:
    """What is missing, and which units are a group of their own."""
    gaps = [state for state in found.states if state.is_gap]
    gaps += [state for state in found.unseen if state.state == "complete"]
    waiting = [state for state in found.states if state.state in UNDER_WAY]
    if gaps:
        yield f"Missing: {listed(map(_gap, gaps))}."
    if waiting:
        yield f"Not finished: {listed(state.node for state in waiting)} ({', '.join(_states(waiting))})."
    short = [unit for unit in found.units if unit.lacks]
    if short and not gaps:
        yield f"Incomplete: {listed(_lacks(found, unit) for unit in short)}."
    for kind in found.kinds[1 : 1 + MOST_NAMED]:
        yield _group(kind)
    if len(found.kinds) > 1 + MOST_NAMED:
        yield f"{how_many(len(found.kinds) - 1 - MOST_NAMED, 'further group')}: --section versions."


def _gap(state: NodeState) -> str:
    """`node7 (node lost: NODE_FAIL, 9 of 36 processes measured)`"""
    if state.reason:
        return f"{state.node} ({state.state}: {one_line(state.reason, 80)})"
    return f"{state.node} ({state.state} after {state.done:,} of {state.planned:,} processes)"


def _states(states: Sequence[NodeState]) -> list[str]:
    return list(dict.fromkeys(state.state for state in states))


def _lacks(found: FleetFound, unit: JudgedUnit) -> str:
    """`node3 GPU 1 (GPU-1234abcd) lacks 2 of 12 cases (2 oom)`"""
    failed = ", ".join(f"{count} {status}" for status, count in unit.measured.failed.items())
    cases = how_many(len(found.kinds[unit.kind].tests), "case")
    return f"{unit.name} lacks {unit.lacks} of {cases}{f' ({failed})' if failed else ''}"


def _group(kind: JudgedKind) -> str:
    """`node2 has driver 575.51: its GPUs are a group of their own.`"""
    nodes = list(dict.fromkeys(unit.unit.node for unit in kind.units))
    units = f"{'GPU' if kind.uses_gpu else 'CPU'}{'' if len(kind.units) == 1 else 's'}"
    one = len(nodes) == 1
    group = "is a group of its own" if len(kind.units) == 1 else "are a group of their own"
    group += ", too few to be judged" if all(unit.why == "alone" for unit in kind.ratios.units) else ""
    whose = f"{listed(nodes)} {'has' if one else 'have'} {kind.differs}: {'its' if one else 'their'}"
    return f"{whose} {units} {group}."


def _folders(directories: Sequence[Path]) -> str:
    """To be pasted; of many the folder that holds them."""
    if len(directories) > MOST_FOLDERS:
        return shlex.quote(os.path.commonpath(directories))
    return shlex.join(map(str, directories))


def _next_step(found: FleetFound, outstanding: Sequence[JudgedUnit]) -> NextStep:
    folders = _folders(found.directories)
    as_page = NextStep(
        command=f"convbench fleet report {folders} -o fleet.html", purpose=f"all {found.what}s as a page"
    )
    if any(map(is_archived, found.directories)):  # nothing goes on there
        return as_page
    gaps = [state for state in found.states if state.is_gap]
    unsure = [unit for unit in outstanding if unit.state == "suspect" and unit.confirmed is None]
    suspects = [unit for unit in unsure if found.kinds[unit.kind].has_references]
    against = "" if found.against is None else f" --against {shlex.quote(found.against.name)}"
    if found.plan is not None and gaps:
        share = max(1 - state.done / max(state.planned, 1) for state in gaps)
        then = f" && convbench fleet confirm {folders}{against}" if suspects else ""
        nodes = listed(state.node for state in gaps)
        return NextStep(
            command=f"convbench fleet run --resume --out {folders}{then}",
            purpose=f"{nodes}, then {how_many(len(suspects), 'suspect')} again" if then else nodes,
            seconds=found.plan.seconds * share if share and not then else None,
        )
    if any(state.state in UNDER_WAY for state in found.states):
        return NextStep(command=f"convbench fleet status {folders}", purpose="shows how the nodes stand")
    if found.plan is not None and suspects:
        again = how_many(len(suspects), "suspect")
        return NextStep(
            command=f"convbench fleet confirm {folders}{against}", purpose=f"measures {again} beside 2 others"
        )
    if found.against is not None and unsure:
        command = f"convbench compare {shlex.quote(found.against.name)} {folders}"
        return NextStep(command=command, purpose="a verdict for each case, over nodes")
    return as_page
