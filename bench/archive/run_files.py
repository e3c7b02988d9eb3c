"""Which files of a folder an archive keeps: all that reports read. Logs, pictures and caches stay behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.archive.packed_files import MOST_DEPTH, RunFile
from bench.record_lines import refusals
from bench.schema.fleet_plan import FLEET, JOBS
from bench.schema.merged import MERGED
from bench.schema.plain_text import why_no_text
from bench.schema.units import REPLACED
from bench.store import LOCK, RECORDS
from models.errors import UserError

_KEPT = {RECORDS, "plan.json", MERGED, FLEET, "suite.toml", "confirm.json", REPLACED}
_OF_JOBS = {".json", ".started", ".exit", ".seen"}
_OF_GPUS = ("GPU-", "MIG-")
SIDES = {"a", "b"}
"""Of `ab`."""


def files_of(folder: Path) -> list[RunFile]:
    """Of a run folder, a fleet, the sides of `ab`, or the GPUs of `run --gpu all`, in the order of their
    paths. UserError for anything else, and for several runs: the archive keeps each for itself."""
    with refusals(folder):
        if folder.is_file():
            raise UserError(f"{folder} is a file. `convbench archive import` keeps those of other tools")
        if not folder.is_dir():
            raise UserError(f"there is no folder {str(folder)!r}. Give the folder that --out named")
        if (folder / RECORDS).exists():
            return [RunFile(folder / name, name) for name in sorted(_KEPT) if (folder / name).is_file()]
        found = sorted(_below(folder, folder, MOST_DEPTH), key=lambda each: each.path)
    runs = [each.path for each in found if each.file.name == RECORDS]
    if not runs:
        raise UserError(f"{folder} is not a run folder (no {RECORDS}). Give the folder that --out named")
    tops = sorted({path.split("/")[0] for path in runs})
    is_one = (folder / FLEET).is_file() or set(tops) <= SIDES or all(t.startswith(_OF_GPUS) for t in tops)
    if not is_one:
        named = " ".join(str(folder / top) for top in tops[:3])
        raise UserError(f"{folder} holds several runs. Name each: {named}{' ...' if len(tops) > 3 else ''}")
    return found


def _below(folder: Path, root: Path, depth: int) -> Iterator[RunFile]:
    for each in folder.iterdir():
        if each.name.startswith(".") or each.is_symlink():
            continue
        if each.is_dir():
            yield from _below(each, root, depth - 1) if depth > 1 else ()
        elif each.is_file() and _is_kept(each):
            path = each.relative_to(root).as_posix()
            if reason := why_no_text(path):
                raise UserError(reason)
            yield RunFile(each, path)


def _is_kept(file: Path) -> bool:
    if file.parent.name == JOBS and (file.suffix in _OF_JOBS or file.name == "cancelled"):
        return True
    return file.name in _KEPT


@contextmanager
def at_rest(files: Sequence[RunFile]) -> Iterator[None]:
    """None of the runs goes on meanwhile. UserError where one does."""
    with ExitStack() as opened:
        for each in files:
            lock = each.file.with_name(LOCK)
            if each.file.name != RECORDS or not lock.exists():
                continue
            with refusals(lock):
                descriptor = os.open(lock, os.O_RDONLY)
                opened.callback(os.close, descriptor)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise UserError(
                        f"{each.file.parent} is in use by another convbench process. Add it when it has ended"
                    ) from None
        yield
