"""The generators of random numbers of a process: torch's, Python's and numpy's."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import Any

import torch


def seed(number: int) -> None:
    """Every generator that a network's first weights may be drawn from."""
    torch.manual_seed(number)
    random.seed(number)
    if "numpy.random" in sys.modules:
        _seed_numpy(number)


def _seed_numpy(number: int) -> None:
    sys.modules["numpy.random"].seed(number % 2**32)


def read() -> dict[str, Any]:
    """numpy's only where somebody has imported it, an accelerator's where it is in use."""
    numpy = sys.modules.get("numpy.random")
    return {
        "python": random.getstate(),
        "numpy": None if numpy is None else numpy.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None,
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def is_unchanged(before: Mapping[str, Any]) -> bool:
    """Whether nothing was drawn, and no seed was set, since an earlier `read`."""
    return _comparable(before) == _comparable(read())


def _comparable(state: Mapping[str, Any]) -> list[str]:
    numpy, tensors = state["numpy"], (state["torch"], *(state["cuda"] or ()), state["mps"])
    return [
        repr(state["python"]),
        repr(numpy and [part.tolist() if hasattr(part, "tolist") else part for part in numpy]),
        *(repr(None if each is None else each.tolist()) for each in tensors),
    ]


def put_back(state: Mapping[str, Any]) -> None:
    """Go on as from an earlier `read`."""
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    if state["numpy"] is not None:
        sys.modules["numpy.random"].set_state(state["numpy"])
    elif "numpy.random" in sys.modules:  # imported since, and perhaps seeded
        _seed_numpy(torch.initial_seed())
    if state["cuda"] is not None:
        torch.cuda.set_rng_state_all(state["cuda"])
    if state["mps"] is not None:
        torch.mps.set_rng_state(state["mps"])
