"""Golden files: texts that are kept as they were, and written anew only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Golden(NamedTuple):
    """What compares a text with its golden file; `pytest --update-golden` makes it write the file instead."""

    update: bool

    def check(self, path: Path, text: str, essence: Callable[[str], str] = str) -> None:
        """Fail if `text` is not the file's; of both, only what `essence` leaves of them must be the same.

        With `update`, a file that is missing or differs is written, and one that does not is left alone.
        """
        kept = path.read_text(encoding="utf-8") if path.exists() else None
        if self.update:
            if kept is None or essence(kept) != essence(text):
                path.write_text(text, encoding="utf-8")
            return
        assert kept is not None, f"{path} is missing: pytest --update-golden writes it"
        assert essence(text).split("\n") == essence(kept).split("\n")
