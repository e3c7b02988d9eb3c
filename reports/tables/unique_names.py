"""Names for files and for places in a page."""

from __future__ import annotations

import re

LONGEST = 80


class UniqueNames:
    """Stems of letters, digits and hyphens, none of them twice."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def unused(self, wanted: str) -> str:
        """The nearest to what is wanted that was not given yet."""
        stem = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:LONGEST] or "unnamed"
        name, number = stem, 1
        while name in self._given:
            number += 1
            name = f"{stem}-{number}"
        self._given.add(name)
        return name
