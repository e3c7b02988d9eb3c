"""Recipes of training as data, and the training runs that a command line asks for.

A recipe may prescribe something else to each network: `find` gives what holds for one. What the papers and
the textbook prescribe is cited; what was found by trial says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from bench.plan import axes
from bench.schema.training_task import AUGMENTATIONS, SCHEDULES, Recipe
from models import catalogue
from models.arch import INITS
from models.errors import UserError, unknown


class Prescription(Struct, frozen=True, kw_only=True):
    """A recipe with the two sizes that are axes of a case: batch size and image size in pixels."""

    recipe: Recipe
    batch: int
    image: int


def find(name: str, model: str) -> Prescription:
    """What the recipe of that name prescribes to a network. Raises UserError for an unknown name."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name](model)


def _small_image(model: str) -> int:
    """A side in pixels at which a network of AlexNet's family or VGG's trains fast."""
    if catalogue.family_of(model) != "alexnet":
        return 32
    # The first layers of some have no padding, and leave nothing of 64 pixels.
    return 64 if catalogue.why_impossible(model, 3, 64, 10) is None else 72


_TEXTBOOK_RATES = {"lenet": 0.1, "alexnet": 0.01, "vgg": 0.05, "other": 0.01}
_TEXTBOOK_IMAGES = {"lenet": 28, "alexnet": 224, "vgg": 224, "other": 224}


def _textbook(model: str) -> Prescription:
    """Zhang et al., Dive into Deep Learning, sections 7.6, 8.1 and 8.2: plain stochastic gradient descent."""
    family = catalogue.family_of(model)
    return Prescription(
        recipe=Recipe(name="textbook", epochs=10, lr=_TEXTBOOK_RATES[family]),
        batch=128,
        image=_TEXTBOOK_IMAGES[family],
    )


def _quick(model: str) -> Prescription:
    """Found by trial on the digits, for two cores: small images, momentum, a warm-up and a cosine.

    He's weights are what makes it quick: with Xavier's or torchvision's the plain networks stay on the
    plateau of guessing for five to ten epochs.
    """
    family = catalogue.family_of(model)
    recipe = Recipe(
        name="quick",
        epochs=6,
        lr=0.01,
        momentum=0.9,
        warmup_epochs=1,
        schedule="cosine",
        init="he",
        normalise=True,
    )
    if family == "lenet":
        # Its sigmoids need twenty epochs to leave the plateau; each takes a twentieth of AlexNet's time.
        return Prescription(
            recipe=structs.replace(recipe, epochs=60, lr=0.1, init="xavier"), batch=32, image=28
        )
    if family == "alexnet":
        # At 0.01 three seeds of five end between 65 and 75%, at 0.02 none learns.
        alexnet = structs.replace(recipe, epochs=5, lr=0.005)
        return Prescription(recipe=alexnet, batch=32, image=_small_image(model))
    if catalogue.has_batch_norm(model):
        return Prescription(recipe=structs.replace(recipe, epochs=4), batch=32, image=32)
    return Prescription(recipe=recipe, batch=32, image=32)


def _modern(model: str) -> Prescription:
    """What is usual today (He et al. 2019, Bag of Tricks): the accuracy to beat."""
    family = catalogue.family_of(model)
    recipe = Recipe(
        name="modern",
        epochs=30,
        lr=0.1 if catalogue.has_batch_norm(model) else 0.02,
        momentum=0.9,
        weight_decay=5e-4,
        warmup_epochs=2,
        schedule="cosine",
        label_smoothing=0.1,
        augment=AUGMENTATIONS,
        init="he",
        normalise=True,
    )
    if family == "lenet":
        lenet = structs.replace(recipe, lr=0.1, weight_decay=0.0, init="xavier")
        return Prescription(recipe=lenet, batch=32, image=28)
    return Prescription(recipe=recipe, batch=128, image=_small_image(model))


RECIPES: Mapping[str, Callable[[str], Prescription]] = {
    "quick": _quick,
    "textbook": _textbook,
    "modern": _modern,
}


def _choice(accepted: Iterable[str]) -> Callable[[str, str], str]:
    names = list(accepted)

    def read(name: str, text: str) -> str:
        if text not in names:
            raise unknown(name, text, names)
        return text

    return read


def _augmentations(name: str, text: str) -> tuple[str, ...]:
    read = _choice(AUGMENTATIONS)
    if text == "none":
        return ()
    chosen = {read(name, part.strip()) for part in text.split("+")}
    return tuple(augmentation for augmentation in AUGMENTATIONS if augmentation in chosen)


def _number(high: float, *, or_zero: bool = True) -> Callable[[str, str], float]:
    return lambda name, text: axes.positive_number(name, text, high, or_zero=or_zero)


def _switch(name: str, text: str) -> bool:
    return _choice(("yes", "no"))(name, text) == "yes"


FIELDS: Mapping[str, Callable[[str, str], Any]] = {
    "epochs": lambda name, text: axes.whole_number(name, text, 1, 100_000),
    "lr": _number(1000.0, or_zero=False),
    "momentum": _number(1.0),
    "weight_decay": _number(1000.0),
    "warmup_epochs": _number(100_000.0),
    "schedule": _choice(SCHEDULES),
    "label_smoothing": _number(1.0),
    "augment": _augmentations,
    "init": _choice(INITS),
    "normalise": _switch,
}
"""The fields of a recipe that can be set, and how each is read from a text."""


def changed(recipe: Recipe, texts: Mapping[str, str]) -> Recipe:
    """The recipe with other values in some fields; what really changed stands in its name, in the order of
    FIELDS, so that the same recipe has one name. Raises UserError."""
    for field in texts:
        if field not in FIELDS:
            raise unknown("recipe field", field, FIELDS)
    read = {field: FIELDS[field](field, texts[field]) for field in FIELDS if field in texts}
    values = {field: value for field, value in read.items() if value != getattr(recipe, field)}
    if not values:
        return recipe
    marks = [f"{field}={shown(value)}" for field, value in values.items()]
    return structs.replace(recipe, name="+".join([recipe.name, *marks]), **values)


def shown(value: object) -> str:
    """A field's value as `--set` takes it."""
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)


def assignments(texts: Iterable[str]) -> dict[str, str]:
    """`field=value` texts, as `--set` takes them. Raises UserError."""
    found: dict[str, str] = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals or not value:
            raise UserError(f"--set must be FIELD=VALUE, such as momentum=0.9, got {text!r}")
        name = field.strip().replace("-", "_")
        if name in found:
            raise UserError(f"{name} is set twice: to {found[name]} and to {value.strip()}")
        found[name] = value.strip()
    return found
