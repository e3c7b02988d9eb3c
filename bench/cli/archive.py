"""convbench archive: the commands of a group, a module each."""

from __future__ import annotations

HELP = "Keep runs for years, compressed and unchanged, and name some of them."

SUBCOMMANDS = {
    "add": "Copy runs into the archive, which is created if needed.",
    "import": "Copy files of timm, hyperfine and pytest-benchmark into the archive, as series of their own.",
    "list": "List the runs of the archive.",
    "show": "Show what the archive knows about one run.",
    "pin": "Name a run: commands then accept @NAME in place of a run folder.",
    "label": "Give runs another label.",
    "unpin": "Remove a name; its run stays.",
    "verify": "Read every byte of the archive and list what has changed.",
    "prune": "Remove the runs that no --keep rule keeps. Runs with a name stay.",
}
"""Of each command the first sentence of its own help; `archive add` is in `archive_add.py`."""
