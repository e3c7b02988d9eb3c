"""How far outputs are from those of fp32: planted outputs, and two real precisions of a small network."""

from __future__ import annotations

import math

import pytest
import torch
from msgspec import structs

from bench.child.output_agreement import agreement, compare_outputs
from bench.schema.agreement import Agreement
from bench.schema.case import Case

pytestmark = pytest.mark.slow

CASE = Case(model="lenet5", batch=16, image=28, channels=1, classes=10)


def test_equal_outputs_agree_without_error() -> None:
    outputs = torch.tensor([[1.0, 2.0], [5.0, -3.0]])
    assert agreement(outputs, outputs) == Agreement(images=2, agreeing=2, near_ties=0, relative_error=0.0)


def test_the_error_is_that_of_all_outputs_and_ties_are_counted_by_their_own() -> None:
    """Margins of 2, 0.1 and 0.1; errors of 0.5, 0.1 (which turns the choice) and none."""
    expected = torch.tensor([[3.0, 1.0], [1.0, 1.1], [2.0, 2.1]])
    found = torch.tensor([[2.5, 1.0], [1.1, 1.0], [2.0, 2.1]])
    measured = agreement(expected, found)
    assert (measured.images, measured.agreeing, measured.near_ties) == (3, 2, 1)
    assert measured.relative_error == pytest.approx(
        math.sqrt(0.25 + 0.01 + 0.01) / math.sqrt(9 + 1 + 1 + 1.21 + 4 + 4.41), rel=1e-6
    )


def test_fp32_in_another_layout_computes_the_same() -> None:
    found = compare_outputs(structs.replace(CASE, layout="channels-last"))
    assert (found.images, found.agreeing) == (64, 64)
    assert found.relative_error < 1e-5


@pytest.mark.parametrize("precision", ["bf16", "amp-bf16"])
def test_the_error_of_bf16_is_that_of_its_mantissa(precision: str) -> None:
    """Eight bits round by 2^-9 at most, in each of a few layers: between that of one product and 20 of them.
    Batches of 48: at least 64 images, in whole batches."""
    found = compare_outputs(structs.replace(CASE, precision=precision, batch=48, workload="training"))
    assert found.images == 96
    assert 2**-10 < found.relative_error < 20 * 2**-9
    assert found.agreeing + found.near_ties >= found.images
