"""Changes over time that somebody answered for: a small file for each, under the name of the change."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.archive import archive_folder
from bench.archive.archive_folder import ACKNOWLEDGED
from bench.record_lines import refusals
from bench.schema.acknowledgement import ACKNOWLEDGEMENT_SCHEMA, Acknowledgement
from bench.store import read_json, sync_folder, write_json
from models.errors import UserError, unknown

MOST_LETTERS = 500
"""Of a reason."""
_END = ".json"
_REMEDY = ". Delete it and acknowledge the change again"


def read_all(archive: Path) -> dict[str, Acknowledgement]:
    """Each by the name of its change, sorted. UserError for a damaged one, and for one of a newer version."""
    folder = archive / ACKNOWLEDGED
    with refusals(folder):
        names = archive_folder.names_in(folder)
    found = {
        name: read_json(_file(archive, name), Acknowledgement, ACKNOWLEDGEMENT_SCHEMA, _REMEDY)
        for name in names
    }
    return {name: each for name, each in found.items() if each is not None}  # one may be withdrawn meanwhile


def acknowledge(archive: Path, changes: Mapping[str, Acknowledgement]) -> None:
    """Write all of them, by the names of their changes, or none. UserError where one is there already."""
    with archive_folder.alone(archive), refusals(archive):
        (archive / ACKNOWLEDGED).mkdir(exist_ok=True)
        for name in changes:
            before = read_json(_file(archive, name), Acknowledgement, ACKNOWLEDGEMENT_SCHEMA, _REMEDY)
            if before is not None:
                raise UserError(
                    f"{name} was acknowledged by {before.by} on {before.acknowledged_at[:10]}: {before.why}. "
                    f"`convbench trend unack {name}` takes that back"
                )
        for name, each in changes.items():
            write_json(_file(archive, name), each)


def withdraw(archive: Path, names: Sequence[str]) -> dict[str, Acknowledgement]:
    """Remove all of them, or none; what was removed. UserError for a name under which there is none."""
    with archive_folder.alone(archive), refusals(archive):
        there = read_all(archive)
        for name in names:
            if name not in there:
                raise unknown("acknowledged change", name, there) if there else _nothing(archive)
        removed = {name: there[name] for name in names}
        for name in removed:
            _file(archive, name).unlink()
        if removed:
            sync_folder(archive / ACKNOWLEDGED)
    return removed


def check_reason(why: str) -> str:
    """The reason as one line. UserError for none, a longer one, and characters that cannot be printed."""
    line = " ".join(why.split())
    if not line:
        raise UserError("--why needs a reason, such as --why 'driver 575, accepted'")
    if not line.isprintable():
        raise UserError("--why takes text, without control characters")
    if len(line) > MOST_LETTERS:
        raise UserError(f"--why takes up to {MOST_LETTERS} characters, got {len(line):,}")
    return line


def this_account() -> str:
    """Who acknowledges: the name of the account, or its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _nothing(archive: Path) -> UserError:
    return UserError(
        f"no change in {archive} is acknowledged. `convbench trend ack STEP --why REASON` does so"
    )


def _file(archive: Path, name: str) -> Path:
    return archive / ACKNOWLEDGED / f"{archive_folder.check_name('name of a change', name)}{_END}"
