"""The run folders that a named folder stands for: itself, or all that are below it.

A run on several GPUs, shards or a fleet leaves a run folder for each of them in one folder. Naming that
folder names all of them. `@NAME` is what the archive keeps under that name (`bench.archive`): nothing else
knows that a folder can be named so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bench.archive import archived_runs
from bench.schema.units import REPLACED, place_of
from bench.store import RECORDS

FLEET = "fleet.json"
"""In the folder of a fleet."""
NODES = "nodes"
"""In it: the run folders of its first run, by node and attempt. What `confirm` measured is beside it, because
it was chosen for looking slow."""
DEEPEST = 4
"""Levels below the named folder: nodes/NODE/ATTEMPT/GPU."""
AB_SIDES = {"a", "b"}
"""Two sides that are compared: never one run."""


class NamedRun(Struct, frozen=True):
    """A folder as it was named, and the run folders that it stands for.

    is_fleet  whether these are attempts at one plan: what an attempt repeats of another counts once
    """

    folder: Path
    run_folders: tuple[Path, ...]
    is_fleet: bool = False


def located(folder: Path) -> Path:
    """Where the files of a named folder lie: in itself, or of `@NAME` where the archive's run is unpacked.

    Raises UserError for a name that the archive does not have.
    """
    return archived_runs.unpacked_folder(folder) if archived_runs.is_archived(folder) else folder


def named_run(folder: Path) -> NamedRun:
    """What the folder stands for: itself where it holds records, or holds nothing that does.

    Raises OSError for what cannot be read, and UserError as `located` does.
    """
    root = located(folder)
    if (root / RECORDS).exists() or not root.is_dir():
        return NamedRun(folder, (root,))
    is_fleet = (root / FLEET).is_file()
    top, depth = (root / NODES, DEEPEST - 1) if is_fleet else (root, DEEPEST)
    found = _without_replaced(root, tuple(_below(top, depth))) if top.is_dir() else ()
    if not found or (not is_fleet and {each.name for each in found} <= AB_SIDES):
        return NamedRun(folder, (root,), is_fleet)
    return NamedRun(folder, found, is_fleet)


def _without_replaced(folder: Path, found: tuple[Path, ...]) -> tuple[Path, ...]:
    """Of a GPU that was replaced in a node's last attempt the earlier ones count no more either."""
    gone = {place_of(each.relative_to(folder)) for each in found if (each / REPLACED).exists()}
    return tuple(each for each in found if place_of(each.relative_to(folder)) not in gone) if gone else found


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Sorted by name, numbers in it by value; a run folder has no other below it."""
    for each in sorted(filter(Path.is_dir, folder.iterdir()), key=_in_order):
        if each.name.startswith("."):
            continue
        if (each / RECORDS).exists():
            yield each
        elif (each / FLEET).is_file():
            yield from _below(each / NODES, DEEPEST - 1) if (each / NODES).is_dir() else ()
        elif depth > 1:
            yield from _below(each, depth - 1)


def _in_order(path: Path) -> tuple[bool, int, str]:
    return (not path.name.isdecimal(), int(path.name) if path.name.isdecimal() else 0, path.name)
