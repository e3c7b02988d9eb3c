"""Networks of torchvision and of timm in their published form, without weights; for the child only."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn

from models.catalogue import Timm, Torchvision
from models.errors import UserError, nearest
from models.spec import Literals
from models.user_code import FactoryError, as_factory_error

_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": False, "transform_input": True},
    "inception_v3": {"init_weights": False, "transform_input": True},
}
"""What torchvision passes on beside pretrained weights; its own initialisation of these two takes
seconds. Inception's second head belongs to the published network, and runs in training only."""

_SIZED = {"vision_transformer": "image_size", "maxvit": "input_size"}
"""Files of torchvision whose networks are built for one size of image -> the argument that says it."""

_WEIGHTS = (
    "weights",
    "weights_backbone",
    "pretrained",
    "pretrained_backbone",
    "checkpoint_path",
    "pretrained_cfg",
)
_AXES = {
    "num_classes": "classes",
    "in_chans": "channels",
    "image_size": "image",
    "img_size": "image",
    "input_size": "image",
}


def load_torchvision(source: Torchvision, *, channels: int, image: int, classes: int) -> nn.Module:
    """Torchvision's network without weights; raises UserError for a name that it does not have."""
    import torchvision

    name = f"torchvision:{source.name}"
    if channels != 3:
        raise UserError(f"{name} needs images of 3 channels, got {channels}")
    names = torchvision.models.list_models()
    if source.name not in names:
        raise UserError(f"unknown torchvision model {source.name!r}{nearest(source.name, names)}")
    builder = torchvision.models.get_model_builder(source.name)
    given: dict[str, Any] = {"weights": None, "num_classes": classes, **_PUBLISHED.get(source.name, {})}
    if "weights_backbone" in inspect.signature(builder).parameters:
        given["weights_backbone"] = None  # by default it would be downloaded
    size = _SIZED.get(builder.__module__.rpartition(".")[2])
    if size is not None:
        given[size] = image if size == "image_size" else (image, image)
    with as_factory_error(name):
        made: nn.Module = builder(**{**given, **_named(name, source.arguments)})
    return made


def load_timm(source: Timm, *, channels: int, image: int, classes: int) -> nn.Module:
    """timm's network without weights; raises UserError for a name that it does not have."""
    import timm

    name = f"timm:{source.name}"
    named = _named(name, source.arguments)
    with as_factory_error(name), warnings.catch_warnings(action="ignore"):  # of names that were renamed
        said = timm.get_pretrained_cfg(source.name)
        given: dict[str, Any] = {"num_classes": classes, "in_chans": channels}
        if said is not None and said.fixed_input_size and said.input_size[1:] != (image, image):
            given["img_size"] = image
        made: nn.Module = timm.create_model(source.name, pretrained=False, **{**given, **named})
    return made


def _named(name: str, arguments: Literals) -> Mapping[str, Any]:
    """The arguments that a builder gets beside ours. Raises FactoryError for what is ours to say."""
    if arguments.positional:
        raise FactoryError(f"{name} takes its arguments by name: {name}(drop_rate=0.1)")
    for each in arguments.named:
        if each in _WEIGHTS:
            raise FactoryError(f"{name} is measured with random weights: {each} cannot be given")
        if each in _AXES:
            raise FactoryError(f"{each} of {name} is an option. Give --{_AXES[each]}")
    return arguments.named
