"""Networks -> their cost: the closed form here, the libraries' counts from a child; no torch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench.forkserver.client import Server
from bench.plan import input_shapes
from bench.plan.axes import Value
from bench.schema.counts import CostEntry, CountRequest, CountResult
from models import catalogue
from models.arch import Arch
from models.closed_form import Cost, cost
from models.errors import UserError

COUNT = "count"
Sizes = Mapping[str, Value]
"""By axis: image, channels, input, classes, batch."""
_LIMIT_SECONDS = 1800.0


def closed_form(model: str, sizes: Sizes) -> Cost | None:
    """The cost of a network of ours at these sizes, or its own; None for any other, which must be counted.

    Raises UserError for a network that does not exist or cannot take the image.
    """
    asked = _request(model, sizes)
    arch = catalogue.arch_of(model)
    if arch is None:
        return None
    reason = _why_impossible(asked)
    if reason is not None:
        raise UserError(reason)
    return _cost(arch, asked)


def entries(models: Sequence[str], sizes: Sizes) -> tuple[list[CostEntry], list[str]]:
    """The cost of every network at the given sizes (image, channels, input, classes, batch), or its own; and
    a sentence for each that cannot take the image or cannot be built.

    Raises UserError for a network that does not exist, and where none has a cost.
    """
    requests = [_request(model, sizes) for model in models]
    reasons = {asked: reason for asked in requests if (reason := _why_impossible(asked)) is not None}
    if len(reasons) == len(requests):
        raise UserError(reasons[requests[0]])
    results = _count([asked for asked in requests if asked not in reasons])
    found = [_entry(result) for result in results if result.error is None]
    failed = [*reasons.values(), *(result.error for result in results if result.error is not None)]
    if not found:
        raise UserError(failed[0])
    return found, failed


def _request(model: str, sizes: Sizes) -> CountRequest:
    own = catalogue.defaults(model)
    usual = {"image": own.image, "channels": own.channels, "classes": own.classes, "batch": 1}
    input_shapes.refuse_both(sizes, "the options")
    shape = input_shapes.of_input(str(sizes["input"])) if "input" in sizes else {}
    return msgspec.convert({"model": model, **usual, **sizes, "input": "", **shape}, CountRequest)


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
    if result.cost is not None:
        return CostEntry(result.cost, result)
    asked = result.request
    arch = catalogue.arch_of(asked.model)
    assert arch is not None, "the cost of a network that is not ours comes with its counts"
    return CostEntry(_cost(arch, asked), result)


def _why_impossible(asked: CountRequest) -> str | None:
    return catalogue.why_impossible(asked.model, asked.channels, asked.image, asked.classes, asked.input)


def _cost(arch: Arch, asked: CountRequest) -> Cost:
    return cost(arch, channels=asked.channels, image=asked.image, classes=asked.classes, batch=asked.batch)
