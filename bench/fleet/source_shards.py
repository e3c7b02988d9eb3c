"""Which shard of which plan a run is: the parts of two plans make no whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import structs

from bench.record_lines import UNREADABLE
from bench.runner.plan_file import PLAN
from bench.schema.kept_plan import KeptPlan, Shard
from bench.schema.merged import Source
from models.errors import UserError


def shard_of(folder: Path) -> tuple[Shard, str] | tuple[None, None]:
    """The shard that a run folder is, and the digest of what all shards of its plan have in common."""
    try:
        plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=KeptPlan)
    except (OSError, *UNREADABLE):
        return None, None
    if plan.shard is None:
        return None, None
    first = Shard(index=0, count=plan.shard.count)
    common = structs.replace(plan, schema=0, shard=first, gpu=None, node_name=None, machine=None)
    return plan.shard, hashlib.sha256(msgspec.json.encode(common)).hexdigest()


def missing_shards(sources: Iterable[Source]) -> list[Shard]:
    """Those that no source is. Raises UserError where the sources are shards of two plans."""
    shards = [(source, source.shard) for source in sources if source.shard is not None]
    for source, shard in shards:
        first, its_shard = shards[0]
        if source.plan != first.plan:
            raise UserError(
                f"{first.folder} is shard {its_shard} of a plan and {source.folder} is shard {shard} of "
                "another plan. Give all shards the same options, also --threads where their cores differ"
            )
    if not shards:
        return []
    count = shards[0][1].count
    found = {shard.index for _, shard in shards}
    return [Shard(index=index, count=count) for index in range(count) if index not in found]
