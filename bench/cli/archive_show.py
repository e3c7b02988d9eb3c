"""convbench archive show."""

from __future__ import annotations

from bench.archive import entries, names
from bench.cli import options, output
from bench.cli.archive_options import Archive, Run, archive_of, digest_of
from reports import formats
from reports.pages import archived_run_report


def archive_show(
    run: Run,
    archive: Archive = None,
    *,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Show what the archive knows about one run.

    Its cases with their processes and times, where it was measured, and its files. `convbench report @NAME`
    shows its report.
    """
    folder = archive_of(archive)
    entry = entries.read(folder, digest_of(folder, run))
    document = archived_run_report.document(folder, entry, names.pinned(folder))
    output.show(formats.content(format_, output.chosen(document, section, full)))
    return 0
