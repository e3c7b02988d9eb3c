"""convbench fleet status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench import executors
from bench.cli import fleet_run, options, output
from bench.fleet import dispatch, fleet_folder, node_states
from reports import formats
from reports.pages import fleet_state_report

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="What --out of `convbench fleet run` named.")]


def fleet_status(folder: Folder, *, format_: options.Format = "terminal") -> int:
    """Show how each node of a fleet stands; ask the scheduler about what is under way."""
    plan = fleet_folder.read(folder)
    executor = executors.get(plan.executor)
    states, trouble = node_states.states_of(folder), executor.why_absent()
    if trouble is None:
        states, trouble = dispatch.asked_now(folder, plan, executor)
    if trouble:
        output.complain(f"as last seen, since {plan.executor} does not answer: {trouble}")
    output.show(formats.render(format_, fleet_state_report.document(folder, plan, states)))
    return fleet_run.code(states)
