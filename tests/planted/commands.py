"""The command line as tests call it: its answer, and what an error looks like."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: where commands run, and what they name relative to it."""


class Answer(NamedTuple):
    """What a command left: its exit code and both its outputs."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """Of `--format json`."""
        found: list[dict[str, Any]] = json.loads(self.out)["rows"]
        return found


Command = Callable[..., Answer]


def is_one_sentence(err: str) -> bool:
    """Whether an error is a single line of a readable length."""
    return err.startswith("convbench: ") and err.count("\n") == 1 and err.endswith("\n") and len(err) < 600
