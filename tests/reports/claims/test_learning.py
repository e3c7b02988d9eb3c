"""Claims about learning, on both sides of every boundary."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Record
from models.arch import Arch, Conv, Dropout, Flatten, Linear
from models.catalogue import MODELS
from reports.claims import claims
from reports.claims.activations import (
    ACTIVATION,
    GRADIENT,
    Race,
    epochs_to,
    judge_gradient,
    judge_race,
)
from reports.claims.claim import Judgement, judged
from reports.claims.growth import growth_of
from reports.claims.learning import AUGMENTATION, DROPOUT, NORM, POOLING
from reports.claims.trained_pairs import KERNELS, Pair, cases_of
from tests.planted import planted_learning
from tests.planted.planted_claims import ON_CPU, ON_GPU, evidence, trained

BASE = (0.900, 0.902, 0.904)
HIGHER, LOWER, EQUAL = (tuple(share + shift for share in BASE) for shift in (0.05, -0.05, 0.001))
SCATTERED = (0.80, 0.90, 0.99)
ACCURACY_CLAIMS = {
    "factorise-accuracy": KERNELS,
    "overlapping-pooling": POOLING,
    "lrn-batchnorm": NORM,
    "augmentation": AUGMENTATION,
}


def judge(name: str, folder: Path, records: list[Record]) -> Judgement:
    return judged(claims()[name], evidence(folder, records))


def runs(pair: Pair, base: tuple[float, ...], new: tuple[float, ...]) -> list[Record]:
    one, other = cases_of(pair, ON_CPU)
    return [*trained(one, base), *trained(other, new)]


def unnamed(case: Case) -> Case:
    """All but the network and the recipe's name, which says where it departs from what is prescribed."""
    assert case.task is not None
    recipe = structs.replace(case.task.recipe, name="")
    return structs.replace(case, model="", task=structs.replace(case.task, recipe=recipe))


@pytest.mark.parametrize(
    ("pair", "base", "new"),
    [
        (KERNELS, "vgg-small+kernel=5x5", "vgg-small"),
        (ACTIVATION, "vgg-small+activation=tanh", "vgg-small"),
        (GRADIENT, "vgg-small+activation=sigmoid", "vgg-small"),
        (DROPOUT, "vgg-small+dropout=0", "vgg-small"),
        (POOLING, "vgg-small", "vgg-small+pooling=overlapping"),
        (NORM, "vgg-small+norm=lrn", "vgg-small+norm=bn"),
    ],
)
def test_both_sides_differ_in_nothing_but_the_network(pair: Pair, base: str, new: str) -> None:
    one, other = cases_of(pair, ON_CPU)
    assert (one.model, other.model) == (base, new)
    assert unnamed(one) == unnamed(other)
    assert cases_of(pair, ON_GPU)[0].device == "cuda"


def test_augmentation_differs_in_its_recipe_alone() -> None:
    off, crop = cases_of(AUGMENTATION, ON_CPU)
    assert off.task is not None
    assert crop.task is not None
    assert (off.task.recipe.augment, crop.task.recipe.augment) == ((), ("crop",))
    plain = structs.replace(crop.task.recipe, augment=(), name=off.task.recipe.name)
    assert structs.replace(crop, task=structs.replace(crop.task, recipe=plain)) == off


@pytest.mark.parametrize(("name", "pair"), ACCURACY_CLAIMS.items())
@pytest.mark.parametrize(
    ("new", "word"),
    [(HIGHER, "true"), (LOWER, "false"), (EQUAL, "false"), (SCATTERED, "undecided")],
)
def test_more_accurate_is_a_difference_whose_interval_excludes_none(
    tmp_path: Path, name: str, pair: Pair, new: tuple[float, ...], word: str
) -> None:
    judgement = judge(name, tmp_path, runs(pair, BASE, new))
    expected = "depends" if (name, new) == ("lrn-batchnorm", EQUAL) else word
    assert judgement.verdict == expected
    shift = 100 * (sum(new) - sum(BASE)) / 3
    assert judgement.figure == pytest.approx(shift)
    assert judgement.low is not None
    assert judgement.high is not None
    assert judgement.low <= shift + 1e-9
    assert judgement.high >= shift - 1e-9
    assert "on digits at 32 px" in judgement.reason
    assert "3 seeds" in judgement.reason


GUESSED = (0.100, 0.101, 0.102)


@pytest.mark.parametrize("name", ACCURACY_CLAIMS)
def test_networks_that_only_guess_settle_nothing(tmp_path: Path, name: str) -> None:
    judgement = judge(name, tmp_path, runs(ACCURACY_CLAIMS[name], GUESSED, GUESSED))
    assert judgement.verdict == "undecided"
    assert "Neither side learned more than guessing" in judgement.reason


def test_a_network_that_only_guesses_has_nothing_to_overfit(tmp_path: Path) -> None:
    judgement = judge("dropout", tmp_path, gaps(GUESSED, 0.0, 0.0))
    assert judgement.verdict == "undecided"
    assert "Neither side learned more than guessing" in judgement.reason


def test_four_tenths_of_a_point_are_not_ruled_out_by_an_equivalence_of_one(tmp_path: Path) -> None:
    """As much as the paper found: with the margin of a point this would be "false"."""
    new = tuple(share + 0.004 + more for share, more in zip(BASE, (0.0, 0.001, -0.001), strict=True))
    judgement = judge("overlapping-pooling", tmp_path, runs(POOLING, BASE, new))
    assert judgement.verdict == "undecided"


def test_one_seed_settles_nothing(tmp_path: Path) -> None:
    judgement = judge("factorise-accuracy", tmp_path, runs(KERNELS, (0.90,), (0.95,)))
    assert judgement.verdict == "undecided"
    assert judgement.figure == pytest.approx(5.0)
    assert judgement.low is None
    assert "One seed per side" in judgement.reason


def test_a_seed_that_diverged_settles_nothing(tmp_path: Path) -> None:
    shallow, deep = cases_of(KERNELS, ON_CPU)
    records = [
        *trained(shallow, BASE),
        *trained(deep, HIGHER[:2]),
        planted_learning.diverged(deep, 3),
    ]
    judgement = judge("factorise-accuracy", tmp_path, records)
    assert judgement.verdict == "undecided"
    assert "vgg-small: 1 of 3 seeds diverged" in judgement.reason


def test_batch_normalisation_as_accurate_depends_on_its_cost(tmp_path: Path) -> None:
    judgement = judge("lrn-batchnorm", tmp_path, runs(NORM, BASE, EQUAL))
    assert judgement.verdict == "depends"
    assert "Training steps: local response 100 images/s, batch 100." in judgement.reason


def gaps(test: tuple[float, ...], without: float, with_: float) -> list[Record]:
    """The same test accuracies on both sides, and train accuracies above them by about so much."""
    one, other = cases_of(DROPOUT, ON_CPU)
    about = (0.001, 0.0, -0.001)
    return [
        *trained(one, test, final=[share + without + more for share, more in zip(test, about, strict=True)]),
        *trained(other, test, final=[share + with_ - more for share, more in zip(test, about, strict=True)]),
    ]


@pytest.mark.parametrize(
    ("without", "with_", "word"),
    [(0.06, 0.02, "true"), (0.02, 0.06, "false"), (0.03, 0.031, "false")],
)
def test_dropout_is_judged_by_the_gap_between_train_and_test(
    tmp_path: Path, without: float, with_: float, word: str
) -> None:
    judgement = judge("dropout", tmp_path, gaps(BASE, without, with_))
    assert judgement.verdict == word
    assert judgement.figure == pytest.approx(100 * (with_ - without))
    assert f"without dropout {100 * without:.1f} points" in judgement.reason


def test_a_gap_that_scatters_settles_nothing(tmp_path: Path) -> None:
    one, other = cases_of(DROPOUT, ON_CPU)
    records = [
        *trained(one, BASE, final=[0.95, 0.91, 0.99]),
        *trained(other, BASE, final=[0.93, 0.96, 0.92]),
    ]
    assert judge("dropout", tmp_path, records).verdict == "undecided"


# guessing is at 0, the first epoch's mean at its middle
@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.1, 0.55, 0.95], 1.5 + 0.5),
        ([0.75], 0.5),
        ([0.5, 0.75], 1.5),
        ([0.9], 0.5 * 0.65 / 0.8),
        ([0.5, 0.74], None),
        ([], None),
    ],
)
def test_epochs_to_a_target_are_interpolated(accuracies: list[float], expected: float | None) -> None:
    assert epochs_to(accuracies, 0.75, 10) == (None if expected is None else pytest.approx(expected))


def race(*reached: float, seeds: int = 3, epochs: int = 10) -> Race:
    return Race(reached=reached, seeds=seeds, epochs=epochs)


ONE_EPOCH = race(1.0, 1.01, 0.99)


@pytest.mark.parametrize(
    ("tanh", "relu", "word"),
    [
        (race(4.5, 4.55, 4.6), ONE_EPOCH, "true"),
        (race(8.4, 8.3, 8.2), ONE_EPOCH, "true"),
        (race(4.0, 4.05, 4.1), ONE_EPOCH, "undecided"),
        (race(9.0, 8.9, 8.8), ONE_EPOCH, "undecided"),
        (race(3.6, 3.65, 3.5), ONE_EPOCH, "false"),
        (race(9.9, 10.0, 9.8), ONE_EPOCH, "false"),
        (race(0.99, 1.0, 1.01), ONE_EPOCH, "false"),
        (race(0.5, 0.51, 0.52), ONE_EPOCH, "false"),
        (race(1.0, 6.0, 3.0), ONE_EPOCH, "undecided"),
        (race(6.0, seeds=1), race(1.0, seeds=1), "undecided"),
        (race(epochs=4), ONE_EPOCH, "true"),
        (race(epochs=3), ONE_EPOCH, "undecided"),
        (race(4.0), ONE_EPOCH, "undecided"),
        (ONE_EPOCH, race(), "false"),
        (ONE_EPOCH, race(1.0, 1.1), "undecided"),
        (race(), race(), "undecided"),
    ],
)
def test_about_six_times_is_from_4_to_9(tanh: Race, relu: Race, word: str) -> None:
    assert judge_race(tanh, relu).verdict == word


def test_seeds_that_partly_reached_it_have_no_least_ratio() -> None:
    """Two seeds with tanh were as fast as ReLU: that the third was not says nothing of "at least"."""
    judgement = judge_race(race(1.0, 1.01), ONE_EPOCH)
    assert (judgement.figure, judgement.low) == (None, None)


def test_the_race_is_read_off_the_curves_of_the_training_steps(tmp_path: Path) -> None:
    tanh, relu = cases_of(ACTIVATION, ON_CPU)
    slow = [[0.1, 0.1, wobble, 1.0] for wobble in (0.749, 0.750, 0.751)]
    fast = [[wobble, 1.0, 1.0, 1.0, 1.0, 1.0] for wobble in (0.750, 0.751, 0.752)]
    records = [*trained(tanh, BASE, train=slow), *trained(relu, BASE, train=fast)]
    judgement = judge("relu-speed", tmp_path, records)
    assert judgement.verdict == "true"
    assert judgement.figure == pytest.approx(2.5 / 0.5, rel=1e-2)
    assert "2.50 epochs with tanh and 0.50 with ReLU" in judgement.reason


@pytest.mark.parametrize(
    ("sigmoid", "relu", "word"),
    [
        ((1e-7, 1.1e-7, 0.9e-7), (0.06, 0.061, 0.062), "true"),
        ((0.0099, 0.01, 0.0101), (0.11, 0.111, 0.109), "true"),
        ((0.0099, 0.01, 0.0101), (0.101, 0.102, 0.1), "undecided"),
        ((0.0099, 0.01, 0.0101), (0.09, 0.091, 0.089), "false"),
        ((0.1, 0.1001, 0.0999), (0.1, 0.1001, 0.0999), "false"),
        ((0.1, 0.1001, 0.0999), (0.05, 0.0501, 0.0499), "false"),
        ((0.001, 0.1, 0.01), (0.06, 0.5, 0.01), "undecided"),
        ((0.01,), (0.5,), "undecided"),
        ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), "true"),
        ((0.1, 0.1, 0.1), (0.0, 0.0, 0.0), "undecided"),
        ((), (), "not tested"),
    ],
)
def test_a_gradient_that_vanishes_is_ten_times_smaller(
    sigmoid: tuple[float, ...], relu: tuple[float, ...], word: str
) -> None:
    assert judge_gradient(sigmoid, relu).verdict == word


def test_the_gradient_norms_are_those_that_runs_recorded(tmp_path: Path) -> None:
    sigmoid, relu = cases_of(GRADIENT, ON_CPU)
    records = [
        *trained(sigmoid, (0.1, 0.1, 0.1), norms=[(0.001, 1.0), (0.002, 2.0), (0.00101, 1.0)]),
        *trained(relu, BASE, norms=[(0.5, 1.0), (1.0, 2.0), (0.505, 1.0)]),
    ]
    judgement = judge("relu-gradient", tmp_path, records)
    assert judgement.verdict == "true"
    assert judgement.figure == pytest.approx(500.0)
    assert "sigmoid 10.0%" in judgement.reason


def test_runs_without_gradient_norms_are_said_to_have_none(tmp_path: Path) -> None:
    judgement = judge("relu-gradient", tmp_path, runs(GRADIENT, BASE, BASE))
    assert judgement.verdict == "not tested"
    assert "no gradient was recorded" in judgement.reason


@pytest.mark.parametrize(
    ("new", "word"),
    [(HIGHER, "true"), (EQUAL, "depends"), (LOWER, "depends"), (SCATTERED, "undecided")],
)
def test_that_alexnet_grew_is_a_fact_and_what_it_gains_is_measured(
    tmp_path: Path, new: tuple[float, ...], word: str
) -> None:
    once = [case for case in claims()["lenet-alexnet"].needs(ON_CPU) if case.replicate == 1]
    by_model = {case.model: case for case in once}
    records = [*trained(by_model["lenet5"], BASE), *trained(by_model["alexnet"], new)]
    judgement = judge("lenet-alexnet", tmp_path, records)
    assert judgement.verdict == word
    assert (
        "5 to 8 layers with weights, 28 to 227 pixels, sigmoid to relu, dropout 0 to 0.5" in judgement.reason
    )
    assert "LeNet-5 on digits at 28 px (quick, 60 epochs, batch 32, 3 seeds)" in judgement.reason


def test_growth_counts_layers_with_weights() -> None:
    arch = Arch(
        name="tiny",
        summary="",
        source="",
        year=2000,
        image=12,
        layers=(Conv(4, 3), Flatten(), Dropout(0.25), Linear()),
    )
    found = growth_of(arch)
    assert (found.layers, found.image, found.activations, found.dropout) == (2, 12, (), 0.25)
    assert growth_of(MODELS["vgg16"]).layers == 16
