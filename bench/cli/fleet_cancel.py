"""convbench fleet cancel."""

from __future__ import annotations

from bench import executors
from bench.cli import options, output
from bench.cli.fleet_status import Folder
from bench.contracts.executor import Unreachable
from bench.fleet import cancelling, fleet_folder
from bench.studies.confirm import confirm_states
from models.errors import UserError
from reports import formats
from reports.pages import fleet_state_report


def fleet_cancel(folder: Folder, *, format_: options.Format = "terminal") -> int:
    """End the jobs of a fleet, whatever became of the command that submitted them.

    What was measured stays; `convbench fleet run --resume` measures the rest. What `fleet confirm` started
    ends too.
    """
    plan = fleet_folder.read(folder)
    executor = executors.get(plan.executor)
    reason = executor.why_absent()
    if reason is not None:
        raise UserError(reason)
    try:
        under_way = confirm_states.jobs_under_way(folder, executor)  # `fleet confirm` may end them first
        states, ended = cancelling.cancel(folder, plan, executor)
        ended += max(under_way, confirm_states.cancel(folder, executor))
    except Unreachable as error:
        raise UserError(f"{executor.name} does not answer, so nothing was cancelled: {error}") from error
    output.note(fleet_state_report.cancelled(ended))
    again, _ = confirm_states.round_states(folder, None)
    output.show(formats.content(format_, fleet_state_report.document(folder, plan, states, again)))
    return 0
