"""convbench trend ack."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import completion, help_layout, options, output
from bench.cli.archive_options import Archive, archive_of
from models.errors import UserError


# long: its parameters are the command's options.
def trend_ack(
    steps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STEP...",
            help="Names that convbench trend shows: steps, boundaries or drifts.",
            autocompletion=completion.NEW_STEP,
        ),
    ] = None,
    why: Annotated[str, typer.Option(metavar="REASON", help="The reason, in one line.")] = "",
    all_: Annotated[
        bool,
        typer.Option(
            "--all",
            rich_help_panel=help_layout.WHAT,
            help="All that nobody has acknowledged, such as before the first night in CI.",
        ),
    ] = False,
    same_run: Annotated[
        bool,
        typer.Option(
            "--same-run",
            rich_help_panel=help_layout.WHAT,
            help="Also the changes of other cases that the report lists on one line with each STEP.",
        ),
    ] = False,
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Acknowledge changes, so that they are not told again.

    The archive keeps who acknowledged each, when and why. `convbench trend --fail-on new-step` passes once
    all changes toward slower are acknowledged.
    """
    from bench.archive import acknowledged
    from reports import formats
    from reports.over_time import acknowledged_report
    from reports.over_time.answers import answers

    output.check_format(format_)
    reason = acknowledged.check_reason(why)
    if bool(steps) == all_:
        raise UserError(
            "trend ack needs STEP..., or --all, not both. Usage: convbench trend ack STEP --why REASON"
        )
    folder = archive_of(archive)
    by = acknowledged.this_account()
    answered = answers(folder, steps or (), why=reason, by=by, same_run=same_run)
    acknowledged.acknowledge(folder, answered)
    output.show(formats.content(format_, acknowledged_report.document(folder, answered, is_withdrawn=False)))
    return 0
