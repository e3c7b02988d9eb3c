"""What a name stands for: `v1.0` that was pinned, or the first digits of a run's digest."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from bench.archive import archive_folder
from bench.archive.archive_folder import PINS
from bench.record_lines import refusals
from bench.schema.archive_entry import PIN_SCHEMA, Pin
from bench.store import read_json, sync_folder, write_json
from models.errors import UserError, unknown

FEWEST_DIGITS = 6
_SHORT_DIGITS = 12
_END = ".json"
_DIGITS = re.compile(r"[0-9a-f]+")


def short_id(digest: str) -> str:
    """The first digits of a digest, as people read it and type it behind an @."""
    return digest[:_SHORT_DIGITS]


def pinned(archive: Path) -> dict[str, str]:
    """Each name with the digest that it stands for, sorted. UserError for a damaged one."""
    folder = archive / PINS
    with refusals(folder):
        found = archive_folder.names_in(folder)
    return {name: _read(archive, name) for name in found}


def _read(archive: Path, name: str) -> str:
    pin = read_json(_file(archive, name), Pin, PIN_SCHEMA, ". Delete it and pin the run again")
    if pin is None or not archive_folder.is_digest(pin.digest):
        raise UserError(
            f"{_file(archive, name)} is damaged: it names no run. Delete it and pin the run again"
        )
    return pin.digest


def check(name: str) -> str:
    """The name. UserError for one that no run can have."""
    return archive_folder.check_name("name of a run", name)


def _file(archive: Path, name: str) -> Path:
    return archive / PINS / f"{check(name)}{_END}"


def pin(archive: Path, name: str, digest: str, *, move: bool = False) -> None:
    """Let a name stand for an entry. UserError where it stands for another one already, unless it may move,
    and where the entry is not there."""
    file = _file(archive, name)
    with archive_folder.alone(archive):
        if digest not in archive_folder.digests(archive):
            raise UserError(f"{archive} has no run {short_id(digest)} any more. Add it again")
        before = _read(archive, name) if file.exists() else digest
        if before != digest and not move:
            raise UserError(
                f"{name} is pinned to {short_id(before)} already. --move lets it stand for another run"
            )
        write_json(file, Pin(digest=digest, pinned_at=datetime.now(UTC).isoformat(timespec="seconds")))


def unpin(archive: Path, name: str) -> str:
    """Take a name away; the digest that it stood for. UserError where there is no such name."""
    file = _file(archive, name)
    with archive_folder.alone(archive), refusals(file):
        if not file.exists():
            raise unknown("name", name, pinned(archive)) if pinned(archive) else _without_names(archive)
        digest = _read(archive, name)
        file.unlink()
        sync_folder(file.parent)
    return digest


def _without_names(archive: Path) -> UserError:
    return UserError(f"no run of {archive} has a name yet. `convbench archive pin NAME RUN` gives one")


def find(archive: Path, name: str) -> str:
    """The digest that a name, or the first digits of a digest, stand for.

    Raises UserError for a name that there is not, with the nearest one, and where there is no archive.
    """
    archive_folder.require(archive)
    given = check(name.removeprefix("@"))
    if _file(archive, given).exists():
        return _read(archive, given)
    begun = [each for each in archive_folder.digests(archive) if each.startswith(given)]
    if len(given) >= FEWEST_DIGITS and len(begun) == 1:
        return begun[0]
    if len(given) >= FEWEST_DIGITS and begun:
        raise UserError(f"{len(begun)} runs of {archive} begin with {given}. Give more digits")
    names = pinned(archive)
    if _DIGITS.fullmatch(given) and (len(given) >= FEWEST_DIGITS or not names):
        raise UserError(
            f"no run of {archive} has the name or id {given!r}. `convbench archive list` shows both; give at "
            f"least {FEWEST_DIGITS} digits of an id"
        )
    if not names:
        raise _without_names(archive)
    raise unknown("archived run", f"@{given}", [f"@{each}" for each in names])
