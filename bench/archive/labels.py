"""Labels that runs were given after they were added: a small file for each, beside the unchanged entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.archive import archive_folder
from bench.archive.archive_folder import LABELS
from bench.record_lines import refusals
from bench.schema.archive_entry import LABEL_SCHEMA, Label
from bench.store import read_json, write_json
from models.errors import UserError


def given(archive: Path, digest: str) -> str | None:
    """The label that an entry was given since it was added; None where it has that of its entry. UserError
    for a damaged file."""
    file = archive_folder.label_file(archive, digest)
    label = read_json(file, Label, LABEL_SCHEMA, ". Delete it and label the run again")
    return None if label is None else label.label


def relabel(archive: Path, digests: Sequence[str], label: str) -> None:
    """Give entries another label, or none if it is empty. UserError for what is no label, and where an entry
    is not there."""
    if label:
        archive_folder.check_name("label", label)
    with archive_folder.alone(archive), refusals(archive):
        (archive / LABELS).mkdir(exist_ok=True)
        gone = set(digests) - archive_folder.digests(archive)
        if gone:
            raise UserError(f"{archive} has no run {min(gone)[:80]} any more. Add it again")
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        for digest in digests:
            write_json(archive_folder.label_file(archive, digest), Label(label=label, labeled_at=now))
