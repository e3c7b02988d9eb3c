"""What the commands of `convbench archive` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.archive import archive_folder, entries, names
from bench.archive.archived_runs import SIGN

Archive = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="FOLDER",
        help="The archive. [default: CONVBENCH_ARCHIVE, or convbench-archive in this folder]",
    ),
]
Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="@NAME, the first digits of an id, or a run folder."),
]


def archive_of(given: Path | None) -> Path:
    return given or archive_folder.default_archive()


def digest_of(archive: Path, run: str) -> str:
    """Of a run that the archive has. A run folder is looked up by its records; nothing is added. Raises
    UserError."""
    if not run.startswith(SIGN) and Path(run).is_dir():
        archive_folder.require(archive)
        return entries.known(archive, Path(run))
    return names.find(archive, run)
