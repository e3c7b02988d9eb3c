"""What torchvision publishes for its classification networks, and what is counted of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision import models
from torchvision.models import regnet

from bench.probes.meta_modules import count_parameters
from bench.probes.step_work import counted_call
from models.catalogue import Torchvision
from models.library_networks import load_torchvision
from models.network import Arguments

pytestmark = pytest.mark.slow

ROUNDED = 0.0005
"""G multiply-accumulates: three decimals are published."""


def shapes_only(name: str, side: int, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """The published network on `meta`, where its weights take no time to write."""
    of_depth = regnet.BlockParams.from_init_params

    def on_the_host(*args: Any, **kwargs: Any) -> Any:
        with torch.device("cpu"):  # RegNet computes its widths by tensors
            return of_depth(*args, **kwargs)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", on_the_host)
    with torch.device("meta"):
        return load_torchvision(Torchvision(name), channels=3, image=side, classes=1000).eval()


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_parameters_and_gmacs_are_the_published_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    published = list(models.get_model_weights(name))
    for side in {_side(weights) for weights in published}:
        module = shapes_only(name, side, monkeypatch)
        work = counted_call(module, Arguments((torch.zeros(1, 3, side, side, device="meta"),)))
        assert work.unknown == ()
        parameters = count_parameters(module).total
        for weights in published:
            if _side(weights) == side:
                assert parameters == weights.meta["num_params"], weights.name
                gmacs = work.macs("forward") / 1e9
                assert gmacs == pytest.approx(weights.meta["_ops"], abs=ROUNDED), weights.name


def _side(weights: models.WeightsEnum) -> int:
    (side,) = set(weights.transforms().crop_size)
    return int(side)
