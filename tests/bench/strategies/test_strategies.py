"""Two ranks compute what one process does, with the same global batch and the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from bench.forkserver.client import Server
from bench.schema.case import Case
from bench.schema.job import RankFiles
from tests.planted.equal_ranks import EXACT, RANKS, Differences

TOLERANCE = 1e-5
"""fp32 has 6e-8; sums of thousands of products in another order differ by more."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Differences]:
    """One job of two ranks for all strategies."""
    folder = tmp_path_factory.mktemp("ranks")
    files = RankFiles(folder=str(folder / "job"), logs=str(folder / "log"), ranks=RANKS, seconds=280.0)
    with Server(preload=("timed", "ranks")) as server:
        outcome = server.run(
            "tests.planted.equal_ranks:compare",
            msgspec.json.encode(files),
            folder=folder / "result",
            log=folder / "child.log",
            time_limit_seconds=300.0,
        )
    assert outcome.result is not None, outcome.reason
    return msgspec.json.decode(outcome.result, type=dict[str, Differences])


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
