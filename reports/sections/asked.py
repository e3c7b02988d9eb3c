"""How a command was called, so that its report can name the next one in full."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct


class Asked(Struct, frozen=True, kw_only=True):
    """How a command was called.

    folders  runs that it read beside its own
    out      of --out; `is_used` says whether it holds records
    options  others that a further run must repeat, as typed
    """

    folders: tuple[Path, ...] = ()
    out: Path | None = None
    is_used: bool = False
    options: tuple[str, ...] = ()

    def command(self, words: Sequence[str], out: str) -> str:
        """`convbench WORDS ... --out OUT` for a shell; `out` stands for an --out that was not given."""
        resume = ["--resume"] if self.is_used else []
        folder = str(self.out) if self.out else out
        return shlex.join(("convbench", *words, *self.options, *resume, "--out", folder))
