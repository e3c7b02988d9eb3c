"""What `doctor` says of one thing on a machine."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Status = Literal["ok", "warn", "unknown"]


class Finding(Struct, frozen=True, kw_only=True):
    """One row: what was looked at, what was found, and for anything but `ok` what to do about it."""

    name: str
    status: Status
    found: str
    advice: str = ""
