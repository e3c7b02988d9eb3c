"""A suspect measured again beside two references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec import structs

from bench.stats.confirmed_ratios import (
    FEWEST_ROUNDS,
    MOST_ROUNDS,
    Remeasured,
    confirm,
    references_of,
    rounds_needed,
)
from bench.stats.fleet_ratios import FleetRatios, judge
from models.errors import UserError
from tests.planted.simulated_fleet import Array, SimulatedFleet, simulated_fleet

ROUNDS = 6


class Run:
    """A fleet of 64 GPUs whose first one is 5% slow, and the judgement of its first run."""

    def __init__(self, seed: int = 3, *, noise: float = 0.01) -> None:
        self.rng = np.random.default_rng(seed)
        self.fleet: SimulatedFleet = simulated_fleet(self.rng, 64, planted=(0.05,), noise=noise)
        self.first: FleetRatios = judge(self.fleet.measured(self.rng, slice(None), 3), self.fleet.nodes)
        self.references = references_of(self.first, 0, "seed")

    def again(self, unit: int = 0, rounds: int = ROUNDS) -> Array:
        return self.fleet.measured(self.rng, [unit, *self.references], rounds)

    def confirmed(self, logs: Array, unit: int = 0):  # type: ignore[no-untyped-def]
        (found,) = confirm(self.first, [Remeasured(unit, self.references, logs)])
        return found


def test_a_slow_unit_is_called_slow() -> None:
    run = Run()
    found = run.confirmed(run.again())
    assert found.slow
    assert found.rounds == ROUNDS
    assert found.low < math.log1p(0.05) < found.high


def test_a_unit_that_only_looked_slow_is_not() -> None:
    run = Run()
    unit = int(np.argmin(np.abs(run.fleet.ratios)))
    found = run.confirmed(run.again(unit), unit)
    assert not found.slow
    assert found.log_ratio == pytest.approx(run.fleet.ratios[unit], abs=4 * found.error)


def test_what_changes_slowly_falls_on_the_references_too() -> None:
    run = Run()
    logs = run.again()
    hotter = logs + np.linspace(0, 0.3, ROUNDS)
    assert run.confirmed(hotter).log_ratio == pytest.approx(run.confirmed(logs).log_ratio)
    assert run.confirmed(hotter).slow


def test_what_the_references_differ_from_the_centre_is_taken_off() -> None:
    run = Run()
    logs = run.fleet.measured(run.rng, [0, *run.references], 400)
    found = run.confirmed(logs)
    assert found.log_ratio == pytest.approx(math.log1p(0.05), abs=4 * found.error)
    for_one = sum(run.fleet.ratios[unit] for unit in run.references) / 2
    assert abs(for_one) > 1e-4


def test_references_are_of_the_middle_half_of_other_nodes_and_the_same_for_a_seed() -> None:
    run = Run()
    ranks = {
        unit: rank
        for rank, unit in enumerate(sorted(range(64), key=lambda unit: run.first.units[unit].log_ratio or 0))
    }
    drawn = {references_of(run.first, 0, str(seed)) for seed in range(50)}
    assert len(drawn) > 20
    for references in drawn:
        assert len(set(references)) == 2
        assert all(15 <= ranks[unit] <= 48 for unit in references)
        assert all(run.first.nodes[unit] != run.first.nodes[0] for unit in references)
    assert references_of(run.first, 0, "7") == references_of(run.first, 0, "7")


def test_on_one_node_the_references_are_of_that_node() -> None:
    rng = np.random.default_rng(1)
    fleet = simulated_fleet(rng, 4, planted=(0.08,), spread=0.001)
    first = judge(fleet.measured(rng, slice(None), 3), [0, 0, 0, 0])
    assert first.suspects == (0,)
    assert set(references_of(first, 0, "seed")) <= {1, 2, 3}


def test_a_fleet_with_one_unit_that_is_no_suspect_has_no_references() -> None:
    rng = np.random.default_rng(1)
    fleet = simulated_fleet(rng, 2, planted=(), spread=0.0)
    logs = fleet.measured(rng, slice(None), 3)
    logs[0] += 0.2
    first = judge(logs, [0, 1])
    assert first.suspects == (0,)
    with pytest.raises(UserError, match="two units that are no suspects, and this fleet has 1"):
        references_of(first, 0, "seed")


def test_rounds_and_tests_that_are_missing() -> None:
    run = Run()
    logs = run.again()
    whole = run.confirmed(logs)
    logs[1, :, 2] = np.nan  # a reference's round
    logs[0, 5, 3] = np.nan
    found = run.confirmed(logs)
    assert found.rounds == ROUNDS - 1
    assert found.slow
    assert found.log_ratio == pytest.approx(whole.log_ratio, abs=0.003)


@pytest.mark.parametrize("rounds", [0, 1])
def test_fewer_than_two_rounds_say_nothing(rounds: int) -> None:
    run = Run()
    found = run.confirmed(run.again(rounds=rounds))
    assert found.rounds == rounds
    assert found.p is None
    assert not found.slow
    assert (found.log_ratio is None) == (rounds == 0)


def test_a_reference_that_has_changed_since_is_said() -> None:
    run = Run()
    assert not run.confirmed(run.again()).references_differ
    logs = run.again()
    logs[1] += 0.05
    assert run.confirmed(logs).references_differ


def test_a_reference_that_became_faster_makes_no_suspect_slow() -> None:
    """It is measured as it would be at the margin; what is slow beside the other reference too is slow."""
    run = Run()
    logs = run.again()
    logs[0] -= math.log(1.05 / 1.03)
    logs[1] -= 0.10
    found = run.confirmed(logs)
    assert found.references_differ
    assert (found.low or 0) > math.log(1.03)
    assert not found.slow
    logs[0] += 0.2
    assert run.confirmed(logs).slow


def test_rounds_that_do_not_scatter_are_judged() -> None:
    first = Run(noise=1e-7).first
    logs = np.array([test.log_centre for test in first.tests])
    references = references_of(first, 0, "seed")
    again = np.stack([logs + math.log1p(0.05), *(logs + first.by_test[unit] for unit in references)])
    (found,) = confirm(first, [Remeasured(0, references, np.repeat(again[..., np.newaxis], 3, axis=2))])
    assert found.slow
    assert found.log_ratio == pytest.approx(math.log1p(0.05))


def test_a_noisy_fleet_needs_more_rounds_and_a_hopeless_one_gets_the_most() -> None:
    needed = [
        rounds_needed(run.first, [(0, run.references)])
        for run in (Run(noise=0.003), Run(noise=0.015), Run(noise=0.2))
    ]
    assert needed[0] == FEWEST_ROUNDS
    assert FEWEST_ROUNDS < needed[1] < MOST_ROUNDS
    assert needed[2] == MOST_ROUNDS


def test_many_suspects_need_more_rounds_than_one() -> None:
    run = Run()
    pair = (0, run.references)
    assert rounds_needed(run.first, [pair] * 200) > rounds_needed(run.first, [pair])


def test_suspects_are_corrected_together() -> None:
    run = Run()
    logs = run.again()
    (alone,) = confirm(run.first, [Remeasured(0, run.references, logs)])
    both = confirm(run.first, [Remeasured(0, run.references, logs)] * 2)
    assert alone.adjusted_p == alone.p
    assert all(each.adjusted_p == pytest.approx(2 * (each.p or 0)) for each in both)
    assert structs.asdict(both[0])["references"] == run.references
