"""convbench archive pin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.archive import entries, names
from bench.archive.archived_runs import SIGN
from bench.cli import options, output
from bench.cli.archive_options import Archive, Run, archive_of, digest_of
from reports import formats
from reports.pages import archived_run_report


def archive_pin(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name such as v1.0: letters, digits and . _ -")
    ],
    run: Run,
    move: Annotated[bool, typer.Option("--move", help="Move the name here from another run.")] = False,
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Name a run: commands then accept @NAME in place of a run folder.

    A run folder that is not in the archive yet is added. `archive prune` never removes a run with a name.
    """
    folder, name = archive_of(archive), name.removeprefix(SIGN)
    names.check(name)
    is_folder = not run.startswith(SIGN) and Path(run).is_dir()
    digest = entries.add(folder, Path(run)).entry.digest if is_folder else digest_of(folder, run)
    names.pin(folder, name, digest, move=move)
    entry = entries.read(folder, digest)
    output.note(f"{SIGN}{name} stands for {names.short_id(digest)}")
    output.show(formats.content(format_, archived_run_report.document(folder, entry, names.pinned(folder))))
    return 0
