"""What a run says while it goes on."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.record import Record


class Progress(Struct, frozen=True, kw_only=True):
    """Told before a case starts (`record` is None) and after it was appended; `done` counts finished ones."""

    case: Case
    done: int
    total: int
    record: Record | None = None


OnProgress = Callable[[Progress], None]
