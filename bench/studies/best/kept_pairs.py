"""The pairs that searches in one folder have run: each set in a folder of its own, pairs-1, pairs-2, ..."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from bench.stats import verdicts
from bench.store import RECORDS
from bench.studies.ab import sides
from bench.studies.ab.pair_rows import CasePair, PairRow, rows


def find(case_pairs: Sequence[CasePair], directory: Path, enough: int) -> tuple[list[PairRow] | None, Path]:
    """The deciding rows of an earlier search that ran `enough` of these pairs, or None; and the first folder
    that there is not."""
    for number in itertools.count(1):
        folder = directory / f"pairs-{number}"
        if not folder.exists():
            return None, folder
        found = deciding(case_pairs, folder)
        if len(found) == len(case_pairs) and all(row.verdict.n_new >= enough for row in found):
            return found, folder
    raise AssertionError("folders have no end")


def deciding(case_pairs: Sequence[CasePair], folder: Path) -> list[PairRow]:
    """The whole step's row of each pair of cases; none where a side has no records."""
    if not all((folder / side / RECORDS).exists() for side in sides.SIDES):
        return []
    return [row for row in rows(case_pairs, folder, verdicts.MARGIN) if row.decides]
