"""Which tensor of an output counts, whatever a network returns; and the loss that is made of it."""

from __future__ import annotations

import math
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from bench.outputs.main_output import main_output
from bench.outputs.network_loss import loss_for
from models.errors import UserError

BATCH = 4
MAIN = torch.linspace(-1, 1, BATCH * 10).reshape(BATCH, 10)
AUX = -MAIN
WHOLE = torch.zeros(BATCH, dtype=torch.int64)

Heads = namedtuple("Heads", "aux logits")


@dataclass
class Answer:
    hidden: Tensor
    logits: Tensor


@dataclass(slots=True)
class Slotted:
    boxes: Tensor
    scores: Tensor | None = None


class Slots:
    __slots__ = ("value",)

    def __init__(self, value: Tensor) -> None:
        self.value = value


class ModelOutput(OrderedDict[str, Any]):
    """As other libraries have them: a dict whose keys are attributes too, the loss first."""


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    """Where they are recorded, an output without one is refused."""
    with torch.no_grad():
        yield


@pytest.mark.parametrize(
    ("outputs", "name", "count"),
    [
        (MAIN, "", 1),
        ((MAIN, AUX), "[0]", 2),
        ([MAIN], "[0]", 1),
        ((WHOLE, MAIN), "[1]", 2),
        ((torch.tensor(0.5), MAIN), "[1]", 2),
        (((MAIN, AUX), AUX), "[0][0]", 3),
        ({"aux": AUX, "out": MAIN}, "out", 2),
        ({"features": MAIN, "aux": AUX}, "features", 2),
        ({"aux_loss": AUX, "anything": MAIN}, "anything", 2),
        ({3: MAIN}, "[3]", 1),
        ({"heads": [AUX], "out": {"logits": MAIN}}, "out.logits", 2),
        (UserDict({"logits": MAIN}), "logits", 1),
        (ModelOutput(loss=torch.tensor(1.0), hidden=(AUX, AUX), logits=MAIN), "logits", 4),
        (Heads(AUX, MAIN), "logits", 2),
        (Answer(AUX, MAIN), "logits", 2),
        (Slotted(MAIN), "boxes", 1),
        (Slots(MAIN), "value", 1),
        (SimpleNamespace(step=3, result=[MAIN]), "result[0]", 1),
        (Normal(MAIN, torch.ones_like(MAIN)), "loc", 1),
        (Independent(Normal(MAIN, torch.ones_like(MAIN)), 1), "mean", 1),
        ((Normal(MAIN, torch.ones_like(MAIN)), AUX), "[0].loc", 2),
    ],
)
def test_the_main_output_is_found(outputs: Any, name: str, count: int) -> None:
    found = main_output(outputs)
    assert torch.equal(found.tensor, MAIN)
    assert (found.name, found.count) == (name, count)
    assert torch.equal(found.take(outputs), MAIN)


def test_of_a_categorical_distribution_it_is_the_logits_and_of_a_mixture_its_mean() -> None:
    torch.testing.assert_close(main_output(Categorical(logits=MAIN)).tensor, MAIN.log_softmax(1))
    torch.testing.assert_close(main_output(Categorical(probs=MAIN.softmax(1))).tensor, MAIN.log_softmax(1))
    mixture = MixtureSameFamily(Categorical(torch.ones(BATCH, 10)), Normal(MAIN, torch.ones_like(MAIN)))
    torch.testing.assert_close(main_output(mixture).tensor, MAIN.mean(1))


def test_what_has_a_gradient_goes_ahead_of_what_has_none() -> None:
    """A detector gives its fixed anchors first."""
    predicted = AUX.clone().requires_grad_()
    assert main_output((MAIN, predicted)).name == "[1]"


def test_an_object_that_leads_back_to_itself_has_an_end() -> None:
    ring = SimpleNamespace(value=MAIN)
    ring.again = ring
    assert main_output(ring).name == "value"


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (None, "nothing"),
        ("yes", "an object of type str without a tensor"),
        ({}, "an object of type dict without a tensor"),
        (WHOLE, r"a tensor of int64 and shape \(4,\)"),
        ({"label": WHOLE}, "with tensors of int64 only"),
    ],
)
def test_without_one_a_sentence_says_what_came(outputs: Any, words: str) -> None:
    with pytest.raises(UserError, match=rf"^the network returns .*{words}.*floating-point") as error:
        main_output(outputs)
    assert "\n" not in str(error.value)


def test_the_labels_of_the_case_are_taken_where_they_fit() -> None:
    labels = torch.tensor([3, 1, 4, 1])
    loss = loss_for(MAIN, 10, labels)
    assert loss.labels is labels
    assert loss.warnings == ()
    assert torch.equal(loss.of(AUX), cross_entropy(AUX, labels)), "of other outputs than it was made for"


def test_ten_outputs_where_a_thousand_classes_were_said() -> None:
    loss = loss_for(MAIN, 1000, torch.tensor([617, 1, 4, 999]))
    assert loss.labels is not None
    assert loss.labels.shape == (BATCH,)
    assert int(loss.labels.max()) < 10
    assert loss.of(torch.zeros(BATCH, 10)).item() == pytest.approx(math.log(10))
    assert [warning.label for warning in loss.warnings] == ["other-classes"]
    assert "10 outputs" in loss.warnings[0].detail


@pytest.mark.parametrize(
    ("shape", "classes", "labels", "nats"),
    [
        ((4, 21, 8, 6), 21, (4, 8, 6), math.log(21)),  # a segmentation map
        ((4, 21, 8, 6), 1000, (4, 8, 6), math.log(21)),
        ((4, 16, 1000), 1000, (4, 16), math.log(1000)),  # a sequence, classes last
        ((4, 1000, 16), 1000, (4, 16), math.log(1000)),
        ((4, 8, 6, 30), 30, (4, 8, 6), math.log(30)),
        ((4, 12, 7, 5, 3), 12, (4, 7, 5, 3), math.log(12)),  # volumes
        ((4, 1), 1000, (4, 1), math.log(2)),
        ((4,), 1000, (4,), math.log(2)),
        ((4, 1, 8, 8), 2, (4, 1, 8, 8), math.log(2)),
    ],
)
def test_zeros_cost_the_logarithm_of_the_number_of_classes(
    shape: tuple[int, ...], classes: int, labels: tuple[int, ...], nats: float
) -> None:
    loss = loss_for(torch.zeros(shape), classes)
    assert loss.labels is not None
    assert tuple(loss.labels.shape) == labels
    assert loss.of(torch.zeros(shape)).item() == pytest.approx(nats, rel=1e-5)


def test_one_number_an_image_is_binary() -> None:
    loss = loss_for(MAIN[:, :1], 1000)
    assert loss.labels is not None
    expected = binary_cross_entropy_with_logits(MAIN[:, :1], loss.labels)
    assert torch.equal(loss.of(MAIN[:, :1]), expected)


def test_the_loss_says_which_output_it_takes_and_takes_no_other() -> None:
    main, aux = MAIN.clone().requires_grad_(), AUX.clone().requires_grad_()
    with torch.enable_grad():
        loss = loss_for({"aux": aux, "out": main}, 10)
        loss.of({"aux": aux, "out": main}).backward()
    assert main.grad is not None
    assert aux.grad is None
    assert [str(each.detail) for each in loss.warnings] == ["the loss takes out, one of 2 tensors returned"]


def test_a_network_that_returns_its_loss_keeps_it() -> None:
    loss = loss_for(torch.tensor(2.5), 10)
    assert loss.labels is None
    assert loss.of(torch.tensor(1.5)).item() == 1.5
    assert [warning.label for warning in loss.warnings] == ["main-output"]


def test_an_output_without_a_gradient_is_refused_where_gradients_are_recorded() -> None:
    with torch.enable_grad(), pytest.raises(UserError, match="depends on no parameter: the output out has"):
        loss_for({"out": MAIN}, 10)


def test_a_complex_output_is_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match="the network's output is complex"):
        loss_for(torch.zeros(4, 10, dtype=torch.complex64), 10)
