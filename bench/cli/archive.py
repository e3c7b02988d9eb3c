"""convbench archive: the commands of a group, a module each."""

from __future__ import annotations

HELP = "Keep runs for long, compressed and unchanged; give some of them names."

SUBCOMMANDS = {
    "add": "Copy runs into the archive, which is made where there is none.",
    "list": "List the runs of the archive.",
    "show": "Show what the archive knows of one run.",
    "pin": "Give a run a name: @NAME then stands for it wherever a run folder is named.",
    "unpin": "Take a name away; the run stays.",
    "verify": "Read every byte of the archive, and say what is not as it was added.",
    "prune": "Remove the runs that no --keep keeps, never one that has a name.",
}
"""Of each command the first sentence of its own help; `archive add` is in `archive_add.py`."""
