"""What ranks refuse when they have met."""

from __future__ import annotations

from bench.child.ranks.rank_worker import why_other_torch


def test_nodes_with_different_versions_of_torch_are_named() -> None:
    told = [("2.14.1", "node1"), ("2.14.1", "node1"), ("2.15.0", "node2")]
    assert why_other_torch(told) == (
        "all nodes of a job must have the same torch, and these differ: 2.14.1 on node1, 2.15.0 on node2"
    )
    assert why_other_torch(told[:2]) is None
