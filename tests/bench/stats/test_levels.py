"""Nodes, units and processes: closed forms, and what the intervals cover where all three levels scatter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as oracle

from bench.stats.levels import levels, paired_units, pooled_variance
from bench.stats.verdicts import paired

VALUES = [1.0, 1.1, 1.3, 1.2, 2.0, 2.2, 4.0]
UNITS = ["g1", "g1", "g2", "g2", "g3", "g3", "g4"]
NODES = ["n1", "n1", "n1", "n1", "n2", "n2", "n3"]


def test_the_figure_is_the_mean_over_nodes_of_units_of_processes() -> None:
    found = levels(VALUES, UNITS, NODES)
    assert found is not None
    g1, g2, g3 = (math.sqrt(a * b) for a, b in ((1.0, 1.1), (1.3, 1.2), (2.0, 2.2)))
    nodes = [math.sqrt(g1 * g2), g3, 4.0]
    assert found.outer == pytest.approx(nodes)
    assert found.value == pytest.approx(oracle.gmean(nodes))
    assert (found.kind, found.units) == ("across-machines", 4)
    logs = np.log(nodes)
    interval = found.interval()
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(
        np.exp(oracle.t.interval(0.95, 2, logs.mean(), oracle.sem(logs)))
    )
    assert (interval.kind, interval.method) == ("across-machines", "t")
    assert found.outer_sd == pytest.approx(np.std(logs, ddof=1))
    assert found.unit_sd == pytest.approx(abs(math.log(g1 / g2)) / math.sqrt(2))
    squares = [math.log(a / b) ** 2 / 2 for a, b in ((1.0, 1.1), (1.3, 1.2), (2.0, 2.2))]
    assert found.process_sd == pytest.approx(math.sqrt(sum(squares) / 3))


def test_on_one_node_the_units_are_what_is_counted() -> None:
    found = levels([1.0, 1.2, 2.0], ["g1", "g1", "g2"], ["n"] * 3)
    assert found is not None
    assert found.outer == pytest.approx([math.sqrt(1.2), 2.0])
    assert (found.kind, found.units, found.unit_sd) == ("across-gpus", 2, None)


def test_one_unit_has_no_levels() -> None:
    assert levels([1.0, 2.0], ["g", "g"], ["n", "n"]) is None


def test_sizes_that_are_equal_stay_exact_and_zeros_have_no_interval() -> None:
    equal = levels([5.0] * 3, ["a", "b", "b"], ["a", "b", "b"])
    zero = levels([0.0, 1.0], ["a", "b"], ["a", "b"])
    assert equal is not None
    assert zero is not None
    interval = equal.interval()
    assert interval is not None
    assert (equal.value, interval.low, interval.high, equal.process_sd) == (5.0, 5.0, 5.0, 0.0)
    assert (zero.value, zero.interval(), zero.outer_sd) == (0.5, None, None)


def test_units_are_paired_and_a_node_is_one_pair() -> None:
    before = {"g1": [1.0, 1.0], "g2": [2.0], "g3": [4.0], "gone": [1.0]}
    after = {"g3": [2.0], "g1": [1.1], "g2": [2.4], "new": [1.0]}
    found = paired_units(before, after, {"g1": "n1", "g2": "n1", "g3": "n2"})
    assert found is not None
    assert found.units == ("g1", "g2", "g3")
    assert found.of_unit == pytest.approx(np.log([1.1, 1.2, 0.5]))
    assert found.log_ratios == pytest.approx([(math.log(1.1) + math.log(1.2)) / 2, math.log(0.5)])
    assert found.kind == "across-machines"
    one_node = paired_units(before, after, dict.fromkeys(before, "n"))
    assert one_node is not None
    assert (one_node.kind, one_node.log_ratios) == ("across-gpus", one_node.of_unit)
    assert paired_units({"g1": [1.0]}, {"g1": [1.0]}, {"g1": "n"}) is None
    assert (
        paired_units({"g1": [0.0], "g2": [1.0]}, {"g1": [1.0], "g2": [1.0]}, {"g1": "n", "g2": "m"}) is None
    )


def test_the_variance_within_groups_is_weighted_by_freedom() -> None:
    assert pooled_variance([[1.0, math.e], [1.0, 1.0, 1.0], [7.0]]) == pytest.approx((0.5 / 3, 3))
    assert pooled_variance([[1.0], [2.0]]) is None


def _drawn(rng: np.random.Generator, sd: tuple[float, float, float], nodes: int) -> list[float]:
    """Values of 1 to 3 GPUs of each node and 1 to 4 processes of each GPU, around 1; sd of the logs of nodes,
    GPUs and processes."""
    values: list[float] = []
    for node in range(nodes):
        of_node = rng.normal(0, sd[0])
        for gpu in range(1 + node % 3):
            of_gpu = of_node + rng.normal(0, sd[1])
            values += np.exp(of_gpu + rng.normal(0, sd[2], 1 + (node + gpu) % 4)).tolist()
    return values


def _places(nodes: int) -> tuple[list[str], list[str]]:
    where = [
        (f"n{node}g{gpu}", f"n{node}")
        for node in range(nodes)
        for gpu in range(1 + node % 3)
        for _ in range(1 + (node + gpu) % 4)
    ]
    return [unit for unit, _ in where], [node for _, node in where]


SPREADS = [(0.02, 0.01, 0.01), (0.0, 0.02, 0.01), (0.0, 0.0, 0.03), (0.03, 0.0, 0.0)]
RUNS = 800
"""One standard error of a coverage of 95%: 0.8 points."""


@pytest.mark.parametrize("sd", SPREADS)
@pytest.mark.parametrize("nodes", [2, 4, 12])
def test_the_interval_covers_the_kind_whatever_scatters(sd: tuple[float, float, float], nodes: int) -> None:
    rng = np.random.default_rng(17)
    units, of_units = _places(nodes)
    covered = 0
    for _ in range(RUNS):
        found = levels(_drawn(rng, sd, nodes), units, of_units)
        interval = found.interval() if found else None
        assert interval is not None
        covered += interval.low <= 1 <= interval.high
    assert 0.925 <= covered / RUNS <= 0.99


def test_processes_as_if_independent_would_cover_far_less() -> None:
    """What a summary that forgets the machines does."""
    rng = np.random.default_rng(17)
    covered = 0
    for _ in range(RUNS):
        logs = np.log(_drawn(rng, SPREADS[0], 4))
        low, high = oracle.t.interval(0.95, len(logs) - 1, logs.mean(), oracle.sem(logs))
        covered += low <= 0 <= high
    assert covered / RUNS < 0.8


def test_a_fleet_before_and_after_is_told_from_itself_in_one_of_a_hundred() -> None:
    """What a reboot does to a node (1%) is not what a driver does; GPUs of a node share it."""
    rng = np.random.default_rng(18)
    told = 0
    for _ in range(RUNS):
        sides = [rng.normal(0, 0.01, (4, 1, 1)) + rng.normal(0, 0.01, (4, 8, 3)) for _ in range(2)]
        before, after = (
            {(node, gpu): np.exp(side[node, gpu]).tolist() for node in range(4) for gpu in range(8)}
            for side in sides
        )
        found = paired_units(before, after, {unit: unit[0] for unit in before})
        assert found is not None
        told += paired(found.log_ratios).verdict in ("faster", "slower")
    assert told / RUNS <= 0.02
