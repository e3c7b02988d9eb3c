"""How the rounds of `fleet confirm` stand, each a fleet of one unit below the folder of the fleet."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from bench.contracts.executor import Executor
from bench.fleet import cancelling, dispatch, fleet_folder, node_states
from bench.schema.fleet_plan import FLEET, UNDER_WAY, NodeState
from bench.studies.confirm import confirm_plans
from bench.studies.confirm.confirm_records import round_folder
from bench.studies.confirm.confirm_rounds import Turn, turns_of


class RoundState(Struct, frozen=True):
    """How the job of a unit in a round stands."""

    turn: Turn
    state: NodeState


def round_states(folder: Path, executor: Executor | None) -> tuple[tuple[RoundState, ...], str]:
    """Of all rounds of the fleet in this folder, and why the scheduler does not answer; without `executor` as
    last seen. Writes nothing. UserError for a plan that is damaged."""
    plan = confirm_plans.read(folder)
    found, trouble = [], ""
    for turn in turns_of(plan) if plan is not None else ():
        own = round_folder(folder, turn.unit, turn.number)
        if not (own / FLEET).exists():
            state = NodeState(node=turn.unit.node, state="not submitted")
        elif executor is None or trouble:
            (state,) = node_states.states_of(own)
        else:
            (state,), trouble = dispatch.asked_now(own, fleet_folder.read(own), executor)
        found.append(RoundState(turn, state))
    return tuple(found), trouble


def jobs_under_way(folder: Path, executor: Executor) -> int:
    """How many jobs of all rounds wait or run."""
    states, _ = round_states(folder, executor)
    return sum(each.state.attempt > 0 and each.state.state in UNDER_WAY for each in states)


def cancel(folder: Path, executor: Executor) -> int:
    """End the jobs of all rounds; how many there were. Raises Unreachable where the scheduler does not
    answer, and UserError where a folder refuses."""
    plan, ended = confirm_plans.read(folder), 0
    for turn in turns_of(plan) if plan is not None else ():
        own = round_folder(folder, turn.unit, turn.number)
        if (own / FLEET).exists():
            ended += cancelling.cancel(own, fleet_folder.read(own), executor)[1]
    return ended
