"""Networks -> their cost: the closed form here, the libraries' counts from a child; no torch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench.forkserver.client import Server
from bench.schema.counts import CostEntry, CountRequest, CountResult
from models import catalogue
from models.closed_form import cost
from models.errors import UserError

COUNT = "count"
_LIMIT_SECONDS = 1800.0


def entries(models: Sequence[str], sizes: Mapping[str, int]) -> list[CostEntry]:
    """The cost of every network at the given `image`, `channels`, `classes` and `batch`, or its own.

    Raises UserError for a network that does not exist, cannot take the image or cannot be built.
    """
    requests = [_request(model, sizes) for model in models]
    for asked in requests:
        reason = catalogue.why_impossible(asked.model, asked.channels, asked.image, asked.classes)
        if reason is not None:
            raise UserError(reason)
    return [_entry(result) for result in _count(requests)]


def _request(model: str, sizes: Mapping[str, int]) -> CountRequest:
    own = catalogue.defaults(model)
    usual = {"image": own.image, "channels": own.channels, "classes": own.classes, "batch": 1}
    return msgspec.convert({"model": model, **usual, **sizes}, CountRequest)


def _count(requests: list[CountRequest]) -> list[CountResult]:
    with tempfile.TemporaryDirectory(prefix="convbench-") as folder, Server() as server:
        outcome = server.run(
            COUNT,
            msgspec.json.encode(requests),
            folder=Path(folder) / "counts",
            log=Path(folder) / "counts.log",
            time_limit_seconds=_LIMIT_SECONDS,
        )
    if outcome.result is None:
        raise UserError(f"the networks could not be counted: {outcome.reason}")
    return msgspec.json.decode(outcome.result, type=list[CountResult])


def _entry(result: CountResult) -> CostEntry:
    if result.error is not None:
        raise UserError(result.error)
    if result.cost is not None:
        return CostEntry(result.cost, result)
    asked = result.request
    arch = catalogue.arch_of(asked.model)
    assert arch is not None, "the cost of a network that is not ours comes with its counts"
    closed = cost(
        arch,
        channels=asked.channels,
        image=asked.image,
        classes=asked.classes,
        batch=asked.batch,
    )
    return CostEntry(closed, result)
