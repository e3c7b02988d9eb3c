"""convbench trend: what became slower over the runs of an archive, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion, options, output
from bench.cli.archive_options import Archive, archive_of
from bench.schema.plurals import how_many
from models.errors import UserError, unknown

SUBCOMMANDS = {
    "ack": "Acknowledge changes, so that they are not told again.",
    "unack": "Take back what trend ack recorded.",
}
"""Commands behind the word `trend`; any other word there names cases."""
_FOR_PEOPLE = ("terminal", "md", "html")
"""Formats that show no flat rows: those of years take half a second and are not made for them."""


# long: its parameters are the command's options.
def trend(
    cases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CASE...]",
            help="Networks, cases or wildcards such as 'vgg*'. [default: all cases of the archive]",
            autocompletion=completion.ARCHIVED_CASE,
        ),
    ] = None,
    archive: Archive = None,
    label: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs with this label.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="90d|DATE", help="Show the last days, or what was measured and told since a date."
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="[new-step]",
            help="Exit with 1 if a case got slower and nobody has acknowledged it with trend ack.",
        ),
    ] = None,
    section: options.Section = None,
    full: options.Full = False,
    file: Path | None = None,  # -o of all commands, written with its plots
    format_: options.Format = "terminal",
) -> int:
    """Show what changed over the runs of an archive: steps, drifts, and what differs across each.

    The run is the unit, and each case on each kind of GPU has a line of its own. A change of driver, torch or
    clock setting is marked and tested.

    `convbench trend ack STEP --why REASON` acknowledges a change, so that it is not told again;
    `convbench trend unack STEP` takes that back.
    """
    from bench.archive.asked_series import date_of
    from reports import formats
    from reports.drawing import plots
    from reports.over_time import found_trend, new_steps, trend_parts, trend_report

    output.check_format(format_)
    for word in SUBCOMMANDS.keys() & set(cases or ()):
        raise UserError(f"{word} comes right after trend: convbench trend {word} STEP")
    if fail_on not in (None, new_steps.NEW_STEP):
        raise unknown("--fail-on", str(fail_on), (new_steps.NEW_STEP,))
    if section is not None and section not in trend_parts.NAMES:
        raise unknown("section", section, trend_parts.NAMES)
    found = found_trend.found_trend(archive_of(archive), cases or (), label=label, since=date_of(since))
    rows_too = format_ not in _FOR_PEOPLE
    document = output.chosen(trend_report.document(found, section, with_rows=rows_too), section, full)
    if file is not None and format_ == "md" and (file.is_file() or not file.exists()):
        document = plots.write(document, file.with_name(f"{file.stem}-plots"))
    content = formats.content(format_, document)
    output.show(content) if file is None else output.write(file, content)
    failures = new_steps.reasons(found) if fail_on else ()
    for reason in failures:
        output.complain(f"gate: {reason}")
    if failures:
        more = "; --same-run accepts all of one line of the report" if len(failures) > 1 else ""
        output.note(
            f"to accept a change: convbench trend ack NAME --why REASON; the name is in brackets{more}"
        )
    if found.damaged:
        count = how_many(len(found.damaged), "damaged run is", "damaged runs are")
        output.complain(f"{count} left out: {found.damaged[0]}")
    return 1 if failures or found.damaged else 0
