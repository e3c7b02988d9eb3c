"""convbench fleet confirm."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from bench import executors
from bench.cli import exit_code, fleet_lines, kept_run, options, output
from bench.cli.options import MOST_MARGIN
from bench.contracts.executor import Executor, Unreachable
from bench.fleet import dispatch, fleet_folder, node_states
from bench.plan import axes
from bench.schema.confirm_plan import ConfirmPlan
from bench.schema.fleet_plan import FleetPlan
from bench.schema.plurals import how_many
from bench.stats.fleet_ratios import MARGIN
from bench.studies.confirm import confirm_plans, confirm_records, confirm_rounds
from bench.studies.confirm.confirm_plans import JudgedUnits
from bench.studies.confirm.confirm_rounds import Ended, Rounds, Turn
from models.errors import UserError
from reports import formats
from reports.fleet import confirm_report
from reports.fleet.confirm_report import Judged
from reports.fleet.fleet_records import read_fleet
from reports.fleet.judged_kinds import JudgedKind, judged_kinds

MOST_ROUNDS = 100


# long: its parameters are the command's options.
def fleet_confirm(
    folder: Annotated[Path, typer.Argument(help="What --out of `convbench fleet run` named.")],
    *,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Suspects by the center of this run or fleet, as in fleet report."
        ),
    ] = None,
    margin: Annotated[
        str, typer.Option(help="Slower than the center by more than this is slow, e.g. 3%.")
    ] = f"{MARGIN:.0%}",
    rounds: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Rounds of each suspect, 2 or more. [default: as many as its scatter needs]"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the suspects and the estimated time; measure nothing.")
    ] = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure the suspects of a fleet again, beside healthy machines, and say which are slow.

    Each suspect is measured in rounds together with two references drawn at random from the middle half of
    the fleet. Only these rounds decide: that a suspect looked slow in the first run is not counted. The same
    command continues after an interruption.

    With --against the center is that of another run. A fleet that is slow as a whole has no references: it is
    for `convbench compare`.
    """
    plan = fleet_folder.read(folder)
    share = axes.positive_number("--margin", margin, MOST_MARGIN)
    number = None if rounds is None else axes.whole_number("--rounds", rounds, 2, MOST_ROUNDS)
    executor = executors.get(plan.executor)
    kinds = judged_kinds(read_fleet([folder]), share, None if against is None else read_fleet([against]))
    center = None if against is None else str(against)
    kept = confirm_plans.read(folder) or ConfirmPlan(seed=plan.name)
    wanted = confirm_plans.extended(kept, [_units(kind) for kind in _able(kinds, folder, center)], number)
    if not wanted.looks:
        states = node_states.states_of(folder)
        output.show(confirm_report.nothing(folder, format_, center, states))
        return 0
    turns = turns_left(folder, wanted, kinds)
    if dry_run:
        seconds = confirm_rounds.seconds_of(plan)
        output.show(confirm_report.dry_run(wanted, len(turns), seconds, format_))
        return 0
    if turns:
        _measure(folder, plan, executor, wanted, kinds)
    judged = _judged(folder, kinds, wanted)
    output.show(formats.content(format_, confirm_report.document(folder, plan, judged, share, center)))
    return code(judged)


def _able(kinds: Sequence[JudgedKind], folder: Path, against: str | None) -> Sequence[JudgedKind]:
    """Those whose suspects can be measured beside others; of the rest is said why not. UserError where a
    whole fleet is slower than another."""
    if against is not None and not any(kind.against for kind in kinds):
        raise UserError(f"{against} has no case of this fleet on such a machine, so it gives no center")
    unable = [kind for kind in kinds if kind.ratios.suspects and not kind.has_references]
    able = [kind for kind in kinds if kind not in unable]
    if not unable or (against is None and not any(kind.ratios.suspects for kind in able)):
        return kinds
    suspects = how_many(sum(len(kind.ratios.suspects) for kind in unable), "suspect")
    sentence = f"{suspects} cannot be measured again: fewer than two of the kind are not suspects themselves"
    if any(kind.ratios.suspects for kind in able):
        output.complain(sentence)
        return able
    raise UserError(
        f"{sentence}. Of a whole fleet that is slow, convbench compare {shlex.quote(against or '')} "
        f"{shlex.quote(str(folder))} has the verdict"
    )


def _units(kind: JudgedKind) -> JudgedUnits:
    return JudgedUnits(tuple(each.unit for each in kind.units), kind.ratios)


def turns_left(folder: Path, plan: ConfirmPlan, kinds: Sequence[JudgedKind]) -> list[Turn]:
    """Those of each kind, in whose tests a round is whole: units of two kinds are not measured together."""
    found: list[Turn] = []
    for kind in kinds:
        units = {each.unit for each in kind.units}
        looks = tuple(look for look in plan.looks if units.issuperset(look.units))
        found += confirm_rounds.turns_left(folder, structs.replace(plan, looks=looks), kind.tests)
    return found


def _measure(
    folder: Path, plan: FleetPlan, executor: Executor, wanted: ConfirmPlan, kinds: Sequence[JudgedKind]
) -> None:
    """What is left of the plan, which is kept first."""
    reason = executor.why_absent()
    if reason is not None:
        raise UserError(reason)
    with dispatch.alone(folder):
        confirm_plans.write(folder, wanted)
        turns = turns_left(folder, wanted, kinds)
        kept_run.current.begin(folder)
        try:
            Rounds(folder.resolve(), plan, executor, _told).run(turns)
        except Unreachable as error:
            raise UserError(
                f"{executor.name} does not answer, so jobs may go on: {error}. End them with: convbench "
                f"fleet cancel {shlex.quote(str(folder))}"
            ) from error


def _told(ended: Ended) -> None:
    """A line for each job; gaps are said with --quiet too."""
    say = output.complain if ended.state.is_gap else output.note
    kept_run.current.told(ended.processes, ended.of_processes)
    unit = confirm_report.named(ended.turn.unit)
    why = f" ({fleet_lines.line(ended.state)})" if ended.state.is_gap else ""
    say(f"{ended.done} of {ended.total}: round {ended.turn.number}, {unit}{why}")


def _judged(folder: Path, kinds: Sequence[JudgedKind], wanted: ConfirmPlan) -> list[Judged]:
    """Every look that the fleet's records still know the units of, slowest first."""
    looks = {look.suspect: look for look in wanted.looks}
    found: list[Judged] = []
    for kind in kinds:
        units = [each.unit for each in kind.units]
        ratios = confirm_records.confirmed(folder, units, kind.tests, kind.ratios)
        found += [Judged(looks[units[each.unit]], each) for each in ratios]
    return sorted(found, key=lambda each: -(each.ratio.log_ratio or 0.0))


def code(judged: Sequence[Judged]) -> int:
    """1 where a machine is slow, or else 3 where a round is missing."""
    if any(each.ratio.slow for each in judged):
        return 1
    return 0 if all(each.is_complete for each in judged) else exit_code.INCOMPLETE
