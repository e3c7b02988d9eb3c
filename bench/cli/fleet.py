"""convbench fleet: the commands of a group, a module each."""

from __future__ import annotations

HELP = "Measure the same plan on many machines, one job on each; show what is missing."

SUBCOMMANDS = {
    "run": "Measure a suite on every node, each by a job of its own, and wait for them.",
    "status": "Show how each node of a fleet stands; ask the scheduler about what is under way.",
    "report": "Show which GPU of a fleet is slow, the likely cause, and what is missing.",
    "confirm": "Measure the suspects of a fleet again, beside healthy machines, and say which are slow.",
    "cancel": "End the jobs of a fleet, whatever became of the command that submitted them.",
}
"""Of each command the first sentence of its own help; `fleet run` is in `fleet_run.py`."""
