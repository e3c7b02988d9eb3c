"""Two ranks compute what one process does, with the same global batch and the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.schema.case import Case
from tests.planted.equal_ranks import EXACT, Differences
from tests.planted.rank_jobs import answer_of

TOLERANCE = 1e-5
"""fp32 has 6e-8; sums of thousands of products in another order differ by more."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Differences]:
    """One job of two ranks for all strategies."""
    return answer_of(
        "tests.planted.equal_ranks:compare_rank", tmp_path_factory.mktemp("ranks"), dict[str, Differences]
    )


@pytest.mark.parametrize("case", EXACT, ids=lambda case: f"{Path(case.model).stem}-{case.strategy}")
def test_two_ranks_equal_one_process(differences: Mapping[str, Differences], case: Case) -> None:
    """Outputs, loss, every gradient and every weight after the update; `towers-2012` weight for weight those
    of alexnet-towers. What one process does not train, no rank does."""
    found = differences[case.id]
    assert found.names_are_equal
    assert found.outputs < TOLERANCE
    assert found.loss < TOLERANCE
    assert found.gradients < TOLERANCE
    assert found.weights < TOLERANCE
