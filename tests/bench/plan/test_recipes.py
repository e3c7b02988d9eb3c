"""Recipes: what the sources prescribe, every field changed by text, and the names that tell what changed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from bench.plan import recipes
from bench.plan.recipes import FIELDS, RECIPES, assignments, changed, find
from bench.schema.training_task import Recipe
from models import catalogue
from models.errors import UserError

PLAIN: dict[str, Any] = {
    "momentum": 0.0,
    "weight_decay": 0.0,
    "warmup_epochs": 0,
    "schedule": "constant",
    "label_smoothing": 0.0,
    "augment": (),
    "init": "xavier",
    "normalise": False,
}


@pytest.mark.parametrize(
    ("model", "rate", "image"),
    [
        ("lenet5", 0.1, 28),
        ("alexnet", 0.01, 224),
        ("alexnet-96", 0.01, 224),
        ("torchvision:alexnet", 0.01, 224),
        ("vgg-small", 0.05, 224),
        ("vgg11", 0.05, 224),
        ("vgg16-bn", 0.05, 224),
        ("torchvision:vgg11_bn", 0.05, 224),
        ("torchvision:resnet18", 0.01, 224),
        ("nets/alexnet.py:build", 0.01, 224),
    ],
)
def test_the_textbook_is_plain_gradient_descent_at_the_rate_of_its_chapter(
    model: str, rate: float, image: int
) -> None:
    """Dive into Deep Learning: 7.6 (LeNet), 8.1 (AlexNet), 8.2 (VGG): SGD, batch 128, 10 epochs, Xavier."""
    found = find("textbook", model)
    assert structs.asdict(found.recipe) == {"name": "textbook", "epochs": 10, "lr": rate, **PLAIN}
    assert (found.batch, found.image) == (128, image)


def test_the_modern_recipe_has_what_is_usual_today() -> None:
    found = find("modern", "vgg11-bn").recipe
    assert (found.momentum, found.weight_decay, found.label_smoothing) == (0.9, 5e-4, 0.1)
    assert found.schedule == "cosine"
    assert 0 < found.warmup_epochs < found.epochs
    assert found.augment == ("crop", "flip", "pca")
    assert found.normalise
    assert find("modern", "vgg11").recipe.lr < found.lr, "without batch normalisation it would diverge"


def test_quick_trains_small_images() -> None:
    for model in ("lenet5", "alexnet", "vgg-small", "vgg11-bn", "vgg16"):
        found = find("quick", model)
        assert found.image <= 64
        assert found.batch <= 64
        assert found.recipe.normalise
        assert not found.recipe.augment


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("model", [*catalogue.MODELS, "torchvision:resnet18", "mine.py:build"])
def test_every_recipe_prescribes_something_that_can_be_trained(name: str, model: str) -> None:
    found = find(name, model)
    recipe = found.recipe
    assert recipe.name == name
    assert 0 < recipe.lr <= 0.1
    assert 0 <= recipe.warmup_epochs < recipe.epochs
    assert found.batch > 0
    if ":" not in model:
        assert catalogue.why_impossible(model, 1, found.image, 10) is None


def test_an_unknown_recipe_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown recipe 'textbok'. Did you mean 'textbook'"):
        find("textbok", "lenet5")


BASE = Recipe(name="base", epochs=10, lr=0.1)
GOOD = [
    ("epochs", "1", 1, "1"),
    ("epochs", "100000", 100_000, "100000"),
    ("lr", "0.05", 0.05, "0.05"),
    ("lr", "1e-6", 1e-6, "1e-06"),
    ("lr", "5%", 0.05, "0.05"),
    ("lr", "1000", 1000.0, "1000"),
    ("momentum", "0.9", 0.9, "0.9"),
    ("momentum", "1", 1.0, "1"),
    ("weight_decay", "5e-4", 5e-4, "0.0005"),
    ("warmup_epochs", "2.5", 2.5, "2.5"),
    ("schedule", "cosine", "cosine", "cosine"),
    ("label_smoothing", "0.1", 0.1, "0.1"),
    ("augment", "crop", ("crop",), "crop"),
    ("augment", "pca+crop+crop", ("crop", "pca"), "crop+pca"),
    ("init", "kaiming", "kaiming", "kaiming"),
    ("normalise", "yes", True, "yes"),
]


@pytest.mark.parametrize(("field", "text", "value", "shown"), GOOD)
def test_every_field_can_be_set_and_the_name_says_so(
    field: str, text: str, value: object, shown: str
) -> None:
    found = changed(BASE, {field: text})
    assert found == structs.replace(BASE, name=f"base+{field}={shown}", **{field: value})


def test_the_good_values_are_of_every_field() -> None:
    assert {field for field, *_ in GOOD} == set(FIELDS) == set(Recipe.__struct_fields__) - {"name"}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("momentum", "0"),
        ("weight_decay", "0.0"),
        ("warmup_epochs", "0"),
        ("label_smoothing", "0%"),
        ("augment", "none"),
        ("normalise", "no"),
        ("epochs", "10"),
        ("lr", "1e-1"),
        ("schedule", "constant"),
        ("init", "xavier"),
    ],
)
def test_what_stays_as_it_was_is_not_in_the_name(field: str, text: str) -> None:
    assert changed(BASE, {field: text}) is BASE


@pytest.mark.parametrize("field", ["momentum", "weight_decay", "warmup_epochs", "label_smoothing"])
def test_zero_switches_off_what_a_recipe_has(field: str) -> None:
    modern = find("modern", "vgg11").recipe
    found = changed(modern, {field: "0"})
    assert getattr(found, field) == 0
    assert found.name == f"modern+{field}=0"
    assert changed(modern, {"augment": "none"}).name == "modern+augment=none"
    assert changed(modern, {"normalise": "no"}).name == "modern+normalise=no"


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("epochs", "0", "epochs must be a whole number from 1"),
        ("epochs", "100001", "epochs must be a whole number from 1"),
        ("epochs", "1.5", "epochs must be a whole number from 1"),
        ("lr", "0", "lr must be a number above 0"),
        ("lr", "-0.1", "lr must be a number above 0"),
        ("lr", "nan", "lr must be a number above 0"),
        ("lr", "1001", "lr must be a number above 0"),
        ("momentum", "1.1", "momentum must be a number from 0 to 1"),
        ("momentum", "-1", "momentum must be a number from 0 to 1"),
        ("weight_decay", "inf", "weight_decay must be a number from 0"),
        ("warmup_epochs", "one", "warmup_epochs must be a number from 0"),
        ("schedule", "cosinus", "unknown schedule 'cosinus'. Did you mean 'cosine'"),
        ("label_smoothing", "2", "label_smoothing must be a number from 0 to 1"),
        ("augment", "crop+flop", "unknown augment 'flop'. Did you mean 'flip'"),
        ("augment", "", "unknown augment ''"),
        ("augment", "crop+none", "unknown augment 'none'"),
        ("init", "keiming", "unknown init 'keiming'. Did you mean 'kaiming'"),
        ("normalise", "true", "unknown normalise 'true'. Accepted: yes, no"),
        ("moment", "0", "unknown recipe field 'moment'. Did you mean 'momentum'"),
        ("name", "mine", "unknown recipe field 'name'"),
    ],
)
def test_a_bad_field_or_value_is_a_sentence(field: str, text: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        changed(BASE, {field: text})
    assert words in str(error.value)


def test_the_same_changes_have_one_name_in_whatever_order_they_came() -> None:
    some = changed(BASE, {"momentum": "0.9", "lr": "0.2", "augment": "flip+crop"})
    others = changed(BASE, {"augment": "crop+flip", "lr": "0.20", "momentum": "90%"})
    assert some == others
    assert some.name == "base+lr=0.2+momentum=0.9+augment=crop+flip"


def test_values_that_differ_a_little_have_different_names() -> None:
    """The name is in a case's id, and so in the names of its files."""
    names = {changed(BASE, {"lr": text}).name for text in ("0.1234567", "0.12345671", "0.123457")}
    assert names == {"base+lr=0.1234567", "base+lr=0.12345671", "base+lr=0.123457"}


def test_assignments_are_read_from_texts() -> None:
    assert assignments([]) == {}
    assert assignments(["momentum=0.9", " weight-decay = 5e-4 ", "augment=crop+flip"]) == {
        "momentum": "0.9",
        "weight_decay": "5e-4",
        "augment": "crop+flip",
    }


@pytest.mark.parametrize("text", ["momentum", "momentum=", "", "momentum 0.9"])
def test_what_is_no_assignment_is_a_sentence(text: str) -> None:
    with pytest.raises(UserError, match="--set must be FIELD=VALUE"):
        assignments([text])


def test_a_field_that_is_set_twice_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"weight_decay is set twice: to 0 and to 1"):
        assignments(["weight_decay=0", "weight-decay=1"])


def test_a_recipe_is_the_same_for_the_same_network_every_time() -> None:
    assert all(find(name, "vgg11") == find(name, "vgg11") for name in recipes.RECIPES)
