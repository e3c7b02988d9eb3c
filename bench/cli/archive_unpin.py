"""convbench archive unpin."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.archive import archive_folder, archive_index, names
from bench.archive.archived_runs import SIGN
from bench.cli import options, output
from bench.cli.archive_options import Archive, archive_of
from reports import formats
from reports.pages import archive_report


def archive_unpin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name, such as v1.0.")],
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Remove a name; its run stays.

    `convbench archive prune` may remove it from now on.
    """
    folder, name = archive_of(archive), name.removeprefix(SIGN)
    archive_folder.require(folder)
    digest = names.unpin(folder, name)
    output.note(f"{SIGN}{name} stood for {names.short_id(digest)}")
    document = archive_report.listing(folder, archive_index.listed(folder), names.pinned(folder))
    output.show(formats.content(format_, document))
    return 0
