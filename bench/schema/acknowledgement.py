"""What an archive keeps of a change over time that somebody answered for (`acknowledged/NAME.json`)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ACKNOWLEDGEMENT_SCHEMA = 1
"""Of the file; a newer one is refused."""

What = Literal["step", "boundary", "drift"]
"""What can be acknowledged: a step, a boundary that changed times, a drift."""


class Acknowledgement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `NAME.json`: which change it answers for, by whom, when and why.

    case, kind, fingerprint, origin  of the series
    run              digest of the first run after the change
    run_at           when that run was measured, ISO 8601: finds the change where the run was pruned
    by               the account of who acknowledged it
    acknowledged_at  ISO 8601, UTC
    """

    schema: int = ACKNOWLEDGEMENT_SCHEMA
    case: str
    kind: str
    fingerprint: str
    origin: str = ""
    what: What
    run: str
    run_at: str
    by: str
    acknowledged_at: str
    why: str
