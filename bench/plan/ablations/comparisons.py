"""The comparisons: which forms of a network, a block or a recipe are compared with which base.

Each comparison is about one choice. Its forms share everything else: the sizes of the timed cases, and for
training the data, the seeds and the base's recipe.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, get_args

from msgspec import Struct

from bench.plan import recipes
from bench.plan.ablations.sizes import Sizes
from bench.plan.suite import Block
from models import blocks, catalogue
from models.arch import INITS
from models.blocks import KERNELS, STAGES, Kernel
from models.errors import UserError, unknown
from models.variants import TRANSFORMATIONS, split

Level = Literal["block", "network"]
LEVELS: tuple[Level, ...] = get_args(Level)

DATASET = "digits"
RECIPE = "quick"


class Form(Struct, frozen=True, kw_only=True):
    """One answer to an ablation's question.

    label   of the answer, as tables print it
    recipe  fields of the recipe that it sets, as texts
    linear  of a form with ReLUs between its layers: the model of the same form without, if it is compared
    """

    label: str
    model: str
    recipe: tuple[tuple[str, str], ...] = ()
    linear: str = ""


class Comparison(Struct, frozen=True, kw_only=True):
    """A base, and what differs from it in one decision.

    topic     comparisons of one topic share a table: the kernel of blocks, else none
    subject   what it is about: the channels of a block, or a network
    timed     the axes of the timed cases but for the model; none, and it is not timed
    trained   whether its forms are trained
    """

    topic: str = ""
    subject: str
    level: Level
    base: Form
    others: tuple[Form, ...]
    timed: tuple[Block, ...] = ()
    trained: bool = False

    @property
    def forms(self) -> tuple[Form, ...]:
        """The base first."""
        return (self.base, *self.others)


class Ablation(Struct, frozen=True, kw_only=True):
    """A design decision and the comparisons that show what it costs and buys."""

    name: str
    question: str
    comparisons: tuple[Comparison, ...]


Comparisons = Callable[[Sizes, Sequence[str]], Iterator[Comparison]]
"""At these sizes, of these networks, or of the usual ones where none are named."""

KERNELS_OF: Mapping[str, tuple[str, ...]] = {
    "vgg13": ("5x5",),
    "vgg16": ("7x7", "1x1"),
    "alexnet": ("3x3", "3x3-early"),
    "vgg-small": ("5x5",),
}
"""The networks whose kernels are compared, and with which others."""


def _kernels(at: Sizes, models: Sequence[str]) -> Iterator[Comparison]:
    if not models:
        channels = dict.fromkeys(stage.channels for stage in STAGES)
        for kernel, width in itertools.product(KERNELS, channels):
            yield _stack(kernel, width, at)
        for width in channels:
            yield _pointwise(width, at)
    for model in models or KERNELS_OF:
        values = () if models else KERNELS_OF[model]
        yield _transformed("kernel", at, model, values, chosen=bool(models))


def _stack(kernel: Kernel, channels: int, at: Sizes) -> Comparison:
    single, linear, activated = (
        blocks.block_name(channels, layers) for layers in (kernel.single, kernel.linear, kernel.activated)
    )
    return Comparison(
        topic=kernel.single,
        subject=f"{channels} channels",
        level="block",
        base=Form(label=kernel.single, model=single),
        others=(
            Form(label="3x3 stack", model=linear),
            Form(label="3x3 stack with ReLU", model=activated, linear=linear),
        ),
        timed=_at_stages(channels, at),
    )


def _pointwise(channels: int, at: Sizes) -> Comparison:
    two, *three = (
        Form(label=layers, model=blocks.block_name(channels, layers)) for layers in blocks.POINTWISE
    )
    return Comparison(
        topic="1x1",
        subject=f"{channels} channels",
        level="block",
        base=two,
        others=tuple(three),
        timed=_at_stages(channels, at),
    )


def _at_stages(channels: int, at: Sizes) -> tuple[Block, ...]:
    """The resolutions of the stages that have so many channels: the last two have the same."""
    sides = [-(-stage.image // at.shrink) for stage in STAGES if stage.channels == channels]
    return ({**at.block_axes, "image": tuple(sides)},)


def _designed(key: str, *values: str) -> Comparisons:
    """The networks, each with other values of a transformation."""

    def comparisons(at: Sizes, models: Sequence[str]) -> Iterator[Comparison]:
        for model in models or at.designs:
            yield _transformed(key, at, model, values, chosen=bool(models))

    return comparisons


def _transformed(key: str, at: Sizes, model: str, values: Sequence[str], *, chosen: bool) -> Comparison:
    """A network against itself with other values of a transformation: the given ones, or all that it has.

    `chosen` says that the user named the network, who then wants all of it. Raises UserError.
    """
    arch = catalogue.arch_of(model)
    assert arch is not None, "networks that are not ours were refused"
    own = "as it is"
    others = []
    for value in values or TRANSFORMATIONS[key].values:
        name = _with(model, key, value)
        try:
            changed = catalogue.arch_of(name)
        except UserError:  # there is nothing in it that this value could change
            continue
        if changed is None or changed.layers == arch.layers:
            own = value
        else:
            others.append(Form(label=value, model=name))
    if not others:
        raise UserError(f"{model} has no other {key} to compare")
    return Comparison(
        subject=model,
        level="network",
        base=Form(label=own, model=model),
        others=tuple(others),
        timed=(_timed(model, at),),
        trained=chosen or model in at.trained,
    )


def _with(model: str, key: str, value: str) -> str:
    """The name of a network with one more transformation, or another value of one that it has."""
    base, values = split(model)
    values[key] = value
    return "+".join([base, *(f"{name}={values[name]}" for name in TRANSFORMATIONS if name in values)])


def _timed(model: str, at: Sizes) -> Block:
    """The axes of a network that is compared; one that the sizes do not name has its own image."""
    if model in at.designs:
        return at.designs[model]
    image: Block = {"image": (at.images[model],)} if model in at.images else {}
    return {**at.network_axes, **image}


def _retrained(field: str, *values: str, labels: Mapping[str, str] | None = None) -> Comparisons:
    """One and the same network under other values of a field of its recipe, which has one of them itself.

    There is nothing to time apart from the training: a step is the same.
    """

    def comparisons(at: Sizes, models: Sequence[str]) -> Iterator[Comparison]:
        for model in models or ("vgg-small",):
            recipe = recipes.find(RECIPE, model).recipe
            named = labels or {}
            forms = [
                Form(label=named.get(value, value), model=model, recipe=((field, value),)) for value in values
            ]
            base = next(form for form in forms if recipes.changed(recipe, dict(form.recipe)) == recipe)
            others = tuple(form for form in forms if form != base)
            yield Comparison(subject=model, level="network", base=base, others=others, trained=True)

    return comparisons


class _Definition(Struct, frozen=True):
    question: str
    comparisons: Comparisons


ABLATIONS: Mapping[str, _Definition] = {
    "kernels": _Definition("one large kernel or a stack of 3x3 with the same receptive field", _kernels),
    "activation": _Definition("ReLU, tanh or sigmoid", _designed("activation")),
    "norm": _Definition("no normalization, local response or batch normalization", _designed("norm")),
    "pooling": _Definition("2x2 max, overlapping 3x3 max or average pooling", _designed("pooling")),
    "dropout": _Definition("dropout 0.5 or none", _designed("dropout", "0.5", "0")),
    "augmentation": _Definition(
        "unchanged or randomly shifted images",
        _retrained("augment", "none", "crop", labels={"none": "off"}),
    ),
    "depth": _Definition("11, 13, 16 or 19 weight layers", _designed("depth")),
    "init": _Definition(
        "initial weights of He, Glorot (xavier), torchvision (kaiming) or 2012 (normal, deviation 0.01)",
        _retrained("init", *(init for init in INITS if init != "default")),
    ),
}
ALL = "all"


def find(
    name: str, at: Sizes, *, level: str | None = None, models: Sequence[str] = ()
) -> tuple[Ablation, ...]:
    """The ablations of a name, `all` for every one, of one level or both, of the given networks or the usual.

    Raises UserError for an unknown name or level, and where nothing is left to compare.
    """
    if name != ALL and name not in ABLATIONS:
        raise unknown("ablation", name, [*ABLATIONS, ALL])
    if level is not None and level not in LEVELS:
        raise unknown("level", level, LEVELS)
    for model in models:
        if catalogue.arch_of(model) is None:
            raise UserError(f"ablations need built-in networks, got '{model}'. See `convbench list models`")
    if level == "block" and models:
        raise UserError("--level block takes no --model: it compares blocks of convolutions")
    if level == "block" and name not in ("kernels", ALL):
        raise UserError(f"--level block is for the ablation kernels, not for {name}")
    found = []
    refusals = []
    for each in ABLATIONS if name == ALL else [name]:
        definition = ABLATIONS[each]
        try:
            compared = tuple(definition.comparisons(at, models))
        except UserError as refusal:  # `all` is what can be compared of these networks
            refusals.append(refusal)
            continue
        chosen = tuple(comparison for comparison in compared if level in (None, comparison.level))
        if chosen:
            found.append(Ablation(name=each, question=definition.question, comparisons=chosen))
    if not found:
        raise refusals[0]
    return tuple(found)
