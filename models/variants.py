"""Names of ablated networks: `vgg13+kernel=5x5` is VGG-13 with each pair of 3x3 convolutions as one 5x5.

A name is a network of the catalogue and one or more `+transformation=value`, in the order of TRANSFORMATIONS:
so each set of transformations is spelt in one way, and what is done first does not depend on the spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import get_args

from msgspec import Struct, structs

from models.arch import Arch
from models.errors import UserError, unknown
from models.kernel_stacks import factorised, merged, pointwise
from models.transforms import (
    COLUMN_OF_DEPTH,
    Kind,
    Normalisation,
    Pooling,
    with_activation,
    with_depth,
    with_dropout,
    with_normalisation,
    with_pooling,
)

Change = Callable[[Arch], Arch]


class Transformation(Struct, frozen=True):
    """A design decision: what it is, in words, and its values with what each does to a network."""

    summary: str
    values: Mapping[str, Change]


TRANSFORMATIONS: Mapping[str, Transformation] = MappingProxyType(
    {
        "depth": Transformation(
            "convolutions as in the VGG of that depth; for VGG networks",
            {str(depth): partial(with_depth, depth=depth) for depth in COLUMN_OF_DEPTH},
        ),
        "norm": Transformation(
            "normalization: none, local response, batch",
            {norm: partial(with_normalisation, norm=norm) for norm in get_args(Normalisation)},
        ),
        "kernel": Transformation(
            "3x3: larger kernels as stacks of 3x3, -linear without the activation between, -early with the"
            " stride on a stack's first layers; 5x5 and 7x7: stacks of 3x3 as one; 1x1: as configuration C",
            {
                "3x3": factorised,
                "3x3-linear": partial(factorised, activated=False),
                "3x3-early": partial(factorised, stride="early"),
                "3x3-linear-early": partial(factorised, activated=False, stride="early"),
                "5x5": partial(merged, kernel=5),
                "7x7": partial(merged, kernel=7),
                "1x1": pointwise,
            },
        ),
        "pooling": Transformation(
            "maximum of 3x3 at stride 2, maximum or average of 2x2",
            {pooling: partial(with_pooling, pooling=pooling) for pooling in get_args(Pooling)},
        ),
        "activation": Transformation(
            "of all layers",
            {kind: partial(with_activation, kind=kind) for kind in get_args(Kind)},
        ),
        "dropout": Transformation(
            "its probability in the linear layers; 0 is without",
            {f"{tenths / 10:g}": partial(with_dropout, p=tenths / 10) for tenths in range(10)},
        ),
    }
)
"""In the order in which they are applied. It matters to response normalisation: it stands where the network
had its kernels before they were changed, and ends a stack of convolutions."""


def split(name: str) -> tuple[str, dict[str, str]]:
    """The network and the values of its transformations, in their order; nothing is looked up.

    Raises UserError for a part that is not `transformation=value`, and for a transformation given twice.
    """
    base, *words = name.split("+")
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"cannot read {word!r} in model {name!r}. Write +TRANSFORMATION=VALUE")
        if key in values:
            raise UserError(f"model {name!r} gives {key} twice")
        values[key] = value
    return base, values


def variant(name: str, networks: Mapping[str, Arch]) -> Arch:
    """The architecture that a name with transformations stands for, of that name.

    Raises UserError for what is not known, another order than that of TRANSFORMATIONS, and a network that
    has nothing to transform.
    """
    base, values = split(name)
    if base not in networks:
        raise unknown("model", base, networks)
    for key, value in values.items():
        if key not in TRANSFORMATIONS:
            raise unknown("transformation", key, TRANSFORMATIONS)
        if value not in TRANSFORMATIONS[key].values:
            raise unknown(f"value of {key}", value, TRANSFORMATIONS[key].values)
    ordered = [f"{key}={values[key]}" for key in TRANSFORMATIONS if key in values]
    canonical = "+".join([base, *ordered])
    if name != canonical:
        raise UserError(f"model {name!r} has its transformations in the wrong order. Write {canonical}")
    arch = networks[base]
    for key, value in values.items():
        arch = TRANSFORMATIONS[key].values[value](arch)
    return structs.replace(arch, name=name, summary=f"{arch.summary}; {', '.join(ordered)}")
