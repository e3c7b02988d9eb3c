"""What a record calls a commit of convbench -> what git calls it."""

from __future__ import annotations

import subprocess
from pathlib import Path

DIRTY = "-dirty"
"""Ends the name of a checkout with changes that were not committed."""
_HERE = Path(__file__).resolve().parents[2]


def is_whole(commit: str) -> bool:
    """Whether the checkout was as the commit has it."""
    return not commit.endswith(DIRTY)


def full(commit: str, checkout: Path = _HERE) -> str:
    """All digits of a commit that this checkout of convbench has; of any other its name as it is."""
    command = ["git", "-C", str(checkout), "rev-parse", "--verify", "--quiet", "--end-of-options"]
    try:
        found = subprocess.run(
            [*command, f"{commit}^{{commit}}"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return commit
    return found.stdout.strip() or commit
