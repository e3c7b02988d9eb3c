"""Which series a user asks for: by case, by network, or by a wildcard of either; and since when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from bench.archive.case_series import CaseSeries
from models.errors import UserError, nearest, unknown

_DAYS = re.compile(r"([0-9]{1,5})d")
_WILD = re.compile(r"[*?\[]")


def chosen(series: Sequence[CaseSeries], wanted: Sequence[str]) -> list[bool]:
    """For each series whether one of the words asks for it: `vgg16` is a network, `vgg*` all that begin so,
    `vgg16/training/*` cases. Without words all are asked for.

    Raises UserError for a word that none of them has, with the nearest.
    """
    if not wanted:
        return [True] * len(series)
    models = dict.fromkeys(each.model for each in series)
    cases = dict.fromkeys(each.case for each in series)
    found: set[str] = set()
    for word in wanted:
        own = [name for name in (*models, *cases) if name == word] or _matching(word, (*models, *cases))
        if not own:
            raise _nothing(word, (*models, *cases))
        found.update(own)
    return [each.model in found or each.case in found for each in series]


def _matching(word: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if fnmatchcase(name, word)] if _WILD.search(word) else []


def _nothing(word: str, names: Sequence[str]) -> UserError:
    if _WILD.search(word):
        near = nearest(re.sub(r"[*?\[\]]", "", word), names)
        return UserError(f"no network or case of the archive matches {word!r}{near}")
    return unknown("archived case", word, names)


def date_of(since: str | None) -> str | None:
    """The ISO date that `90d` or `2026-03-01` names. UserError for anything else."""
    if since is None:
        return None
    if days := _DAYS.fullmatch(since):
        return (datetime.now(UTC) - timedelta(days=int(days[1]))).date().isoformat()
    try:
        return datetime.strptime(since, "%Y-%m-%d").date().isoformat()
    except ValueError:
        raise UserError(f"--since takes days, as 90d, or a date, as 2026-03-01; got {since!r}") from None
