"""What `convbench merge` leaves beside the records that it united: where each of them came from."""

from __future__ import annotations

from msgspec import Struct

from bench.schema.kept_plan import Shard

MERGED = "merged.json"
MERGED_SCHEMA = 1
"""Of `merged.json`; a newer one is refused."""


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run folder.

    folder   as it was named, or found below what was named
    records  that it held when it was merged
    damaged  lines that it held and that are no records: they were left out
    lines    of the united file that it held: ranges from the first to the last line, counted from 1
    shard    the part of a plan that it is, or None
    plan     digest of that plan; None for what is no shard
    """

    folder: str
    records: int
    lines: list[tuple[int, int]]
    damaged: int = 0
    shard: Shard | None = None
    plan: str | None = None


class Merged(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `merged.json`; `digest` is the SHA-256 of the united file, in hexadecimal digits."""

    schema: int = MERGED_SCHEMA
    records: int
    digest: str
    sources: list[Source]
