"""convbench fleet status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench import executors
from bench.cli import exit_code, fleet_run, options, output
from bench.fleet import dispatch, fleet_folder, node_states
from bench.studies.confirm import confirm_states
from reports import formats
from reports.pages import fleet_state_report

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="What --out of `convbench fleet run` named.")]


def fleet_status(folder: Folder, *, format_: options.Format = "terminal") -> int:
    """Show how each node of a fleet stands; ask the scheduler about what is under way.

    What `fleet confirm` measures is shown too. Exits with 3 while anything is missing.
    """
    plan = fleet_folder.read(folder)
    executor = executors.get(plan.executor)
    states, trouble = node_states.states_of(folder), executor.why_absent()
    if trouble is None:
        states, trouble = dispatch.asked_now(folder, plan, executor)
    again, silence = confirm_states.round_states(folder, None if trouble else executor)
    if trouble or silence:
        output.complain(f"as last seen, since {plan.executor} does not answer: {trouble or silence}")
    output.show(formats.content(format_, fleet_state_report.document(folder, plan, states, again)))
    if any(each.state.state != "complete" for each in again):
        return exit_code.INCOMPLETE
    return fleet_run.code(states)
