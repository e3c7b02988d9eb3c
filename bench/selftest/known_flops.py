"""Known answers of the counters: a matrix product, and a network whose cost has a closed form."""

from __future__ import annotations

import msgspec
import torch
from torch import nn

from bench.child import network_flops
from bench.probes.flops import count_flops
from bench.schema.check import Answer, Checks, exactly
from bench.schema.counts import CountRequest, CountResult
from models import catalogue
from models.closed_form import cost
from models.network import Arguments

_NETWORK = "alexnet"
_ROWS, _INNER, _COLUMNS = 64, 128, 256


def checks() -> Checks:
    """All about FLOPs; they touch no device."""
    return {
        "flops: matrix product": _matrix_product,
        f"flops: {_NETWORK}, forward": lambda: _network(backward=False),
        f"flops: {_NETWORK}, backward": lambda: _network(backward=True),
    }


def _matrix_product() -> Answer:
    """[64, 128] x [128, 256]: 2 FLOPs for each of the multiply-accumulates."""
    rows = Arguments((torch.zeros(_ROWS, _INNER),))
    found = count_flops(nn.Linear(_INNER, _COLUMNS, bias=False), rows)
    counted = {
        name: count.total if count else None
        for name, count in (("torch", found.torch_forward), ("fvcore", found.fvcore))
    }
    return exactly(counted, 2 * _ROWS * _INNER * _COLUMNS, "FLOP")


def _network(backward: bool) -> Answer:
    own = catalogue.defaults(_NETWORK)
    asked = CountRequest(model=_NETWORK, channels=own.channels, image=own.image, classes=own.classes)
    closed = cost(
        catalogue.MODELS[_NETWORK], channels=own.channels, image=own.image, classes=own.classes, batch=1
    )
    answer = network_flops.count(msgspec.json.encode([asked]))
    (found,) = msgspec.json.decode(answer, type=list[CountResult])
    if backward:
        return exactly({"torch": found.flops_torch_backward}, closed.flops_backward, "FLOP")
    counted = {"torch": found.flops_torch_forward, "fvcore": found.flops_fvcore}
    return exactly(counted, closed.flops_forward, "FLOP")
