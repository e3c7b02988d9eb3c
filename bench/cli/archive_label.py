"""convbench archive label."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.archive import archive_folder, archive_index, labels, names
from bench.cli import options, output
from bench.cli.archive_options import Archive, archive_of, digest_of
from reports import formats
from reports.pages import archive_report


def archive_label(
    label: Annotated[
        str, typer.Argument(metavar="LABEL", help='The new label, such as nightly; "" removes the old one.')
    ],
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="@NAME, the first digits of an id, or a run folder.")
    ],
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Give runs another label.

    A run has one label, by which list, trend and prune select runs. Its entry does not change. archive pin
    gives it names, as many as you like.
    """
    folder = archive_of(archive)
    archive_folder.require(folder)
    digests = [digest_of(folder, run) for run in runs]
    labels.relabel(folder, digests, label)
    document = archive_report.listing(folder, archive_index.listed(folder), names.pinned(folder))
    shown = ", ".join(map(names.short_id, digests))
    output.note(f"{shown}: {f'label {label}' if label else 'no label'}")
    output.show(formats.content(format_, document))
    return 0
