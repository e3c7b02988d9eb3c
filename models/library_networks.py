"""Networks of torchvision, without weights; for the child only."""

from __future__ import annotations

import inspect

from torch import nn

from models.catalogue import Torchvision
from models.errors import UserError, nearest
from models.user_code import as_factory_error


def load_torchvision(source: Torchvision, *, channels: int, classes: int) -> nn.Module:
    """Torchvision's network without weights; raises UserError for a name that it does not have."""
    import torchvision

    if channels != 3:
        raise UserError(f"torchvision:{source.name} takes images of 3 channels only, not {channels}")
    names = torchvision.models.list_models()
    if source.name not in names:
        raise UserError(f"unknown torchvision model {source.name!r}{nearest(source.name, names)}")
    builder = torchvision.models.get_model_builder(source.name)
    given: dict[str, object] = {"weights": None, "num_classes": classes}
    if "weights_backbone" in inspect.signature(builder).parameters:
        given["weights_backbone"] = None  # by default it would be downloaded
    with as_factory_error(f"torchvision:{source.name}"):
        made: nn.Module = builder(**given)
    return made
