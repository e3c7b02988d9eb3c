"""What a run says while it goes on."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bench.runner.rounds import Round
from bench.schema.case import Case
from bench.schema.record import Record


class Progress(Struct, frozen=True, kw_only=True):
    """Told before a case starts (`record` is None) and after it was appended.

    `done` counts the processes that are over, `total` also those that are expected; `round` is that to which
    the case belongs.
    """

    case: Case
    done: int
    total: int
    record: Record | None = None
    round: Round | None = None


OnProgress = Callable[[Progress], None]
