"""Which NUMA node a rank's cores are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.host.cpu_nodes import numa_node


@pytest.fixture
def two_nodes(tmp_path: Path) -> Path:
    for number, listed in enumerate(("0-3,8-11\n", "4-7,12\n")):
        folder = tmp_path / f"node{number}"
        folder.mkdir()
        (folder / "cpulist").write_text(listed)
    return tmp_path


def test_cores_of_one_node(two_nodes: Path) -> None:
    assert numa_node((2, 9), two_nodes) == 0
    assert numa_node((4, 12), two_nodes) == 1


def test_cores_of_both_nodes_have_none(two_nodes: Path) -> None:
    assert numa_node((3, 4), two_nodes) is None


def test_a_kernel_that_says_nothing(tmp_path: Path) -> None:
    assert numa_node((0,), tmp_path) is None
    assert numa_node((), tmp_path) is None
