"""The network of a case that is not trained, built or loaded in the child."""

from __future__ import annotations

from bench.schema.case import Case
from models.load import load
from models.network import Network


def load_network(case: Case, where: str) -> Network:
    """On a device of torch, with the sizes of the case; raises as `models.load.load` does."""
    return load(
        case.model,
        channels=case.channels,
        image=case.image,
        classes=case.classes,
        batch=case.batch,
        other_input=case.input,
        init="tiled" if where == "cpu" else "xavier",
        device=where,
    )
