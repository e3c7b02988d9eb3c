"""The folder that `convbench merge` writes. It changes in one step: a kill leaves the records that it had, or
all of the new ones, and the next merge sees what was left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bench.fleet.record_index import Line
from bench.record_lines import refusals
from bench.schema.merged import MERGED, MERGED_SCHEMA, Merged
from bench.store import LOCK, RECORDS, locked, read_json, sync_folder, write_json, write_through
from models.errors import UserError

_NEXT = f".{RECORDS}.merging"
"""New records: whole once `merged.json` has their digest."""
_BLOCK_BYTES = 1 << 20


@contextmanager
def locked_folder(out: Path) -> Iterator[None]:
    """The folder, made if it is missing, for this process alone; gone again where it would be left empty."""
    with refusals(out), ExitStack() as stack:
        if not out.exists():
            out.mkdir(parents=True)
            stack.callback(_remove_empty, out)
        stack.enter_context(locked(out))
        yield


def _remove_empty(out: Path) -> None:
    if [each.name for each in out.iterdir()] == [LOCK]:
        with suppress(OSError):
            (out / LOCK).unlink()
            out.rmdir()


def settle(out: Path) -> None:
    """Finish what a killed merge had decided, or undo what it had not."""
    beside = out / _NEXT
    with refusals(out):
        for unfinished in out.glob(f".{MERGED}.*"):
            unfinished.unlink()
        if not beside.exists():
            return
        kept = read(out) if (out / RECORDS).exists() else None
        if kept is not None and kept.digest == _digest_of(beside):
            beside.replace(out / RECORDS)
            sync_folder(out)
        else:
            beside.unlink()


def read(out: Path) -> Merged:
    """Its `merged.json`. Raises UserError where there is none, or none that can be read."""
    found = read_json(out / MERGED, Merged, MERGED_SCHEMA, ". Merge into another --out")
    if found is None:
        raise UserError(f"{out} was not made by convbench merge (no {MERGED}). Choose another --out")
    return found


def kept(out: Path) -> Merged:
    """What a folder that is to be resumed holds. Raises UserError where it holds something else than was
    written there."""
    if not (out / RECORDS).exists():
        raise UserError(f"{out} holds no merged runs (no {RECORDS}). Omit --resume to begin")
    found = read(out)
    with refusals(out):
        if _digest_of(out / RECORDS) != found.digest:
            raise UserError(f"{out / RECORDS} was changed after it was merged. Merge into another --out")
    return found


def write_lines(out: Path, ordered: Iterable[Line]) -> str:
    """Write the new records beside those that count; the SHA-256 of the file. Nothing is left on an error."""
    digest = hashlib.sha256()
    with refusals(out), ExitStack() as undo:
        undo.callback((out / _NEXT).unlink, missing_ok=True)
        with (out / _NEXT).open("wb", buffering=0) as file:
            block = bytearray()
            for line in ordered:
                block += line.read() + b"\n"
                if len(block) >= _BLOCK_BYTES:
                    digest.update(block)
                    write_through(file.fileno(), bytes(block))
                    block.clear()
            digest.update(block)
            write_through(file.fileno(), bytes(block))
        undo.pop_all()
    return digest.hexdigest()


def take_over(out: Path, merged: Merged) -> None:
    """Make the new records those of the folder. Raises UserError, and leaves it as it was."""
    with refusals(out), ExitStack() as undo:
        undo.callback((out / _NEXT).unlink, missing_ok=True)
        write_json(out / MERGED, merged)
        (out / _NEXT).replace(out / RECORDS)
        undo.pop_all()
        sync_folder(out)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
