"""A folder without records stands for the run folders below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.run_folders import named_run
from bench.store import RECORDS


def made(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / RECORDS).touch()


def below(folder: Path) -> list[str]:
    return [str(each.relative_to(folder)) for each in named_run(folder).run_folders]


def test_a_run_folder_is_itself_whatever_is_in_it(tmp_path: Path) -> None:
    made(tmp_path / "run", tmp_path / "run" / "inner")
    assert below(tmp_path / "run") == ["."]


def test_a_folder_of_run_folders_is_all_of_them_in_order(tmp_path: Path) -> None:
    made(*(tmp_path / name for name in ("10", "2", "GPU-b", "GPU-a", ".hidden")))
    made(tmp_path / "more" / "deep" / "down" / "here", tmp_path / "more" / "deep" / "down" / "too" / "deep")
    assert below(tmp_path) == ["2", "10", "GPU-a", "GPU-b", "more/deep/down/here"]


def test_of_a_fleet_the_nodes_count_and_what_was_confirmed_does_not(tmp_path: Path) -> None:
    fleet, nodes = tmp_path / "fleet", tmp_path / "fleet" / "nodes"
    made(nodes / "n1" / "1", nodes / "n1" / "2", nodes / "n2" / "1" / "GPU-a", fleet / "confirm" / "n1")
    (fleet / "fleet.json").touch()
    assert below(fleet) == ["nodes/n1/1", "nodes/n1/2", "nodes/n2/1/GPU-a"]
    assert named_run(fleet).is_fleet
    assert [each.name for each in named_run(tmp_path).run_folders] == ["1", "2", "GPU-a"]


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b")])
def test_nothing_and_two_sides_of_a_comparison_stand_for_themselves(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    made(*(tmp_path / name for name in names))
    assert below(tmp_path) == ["."]
    assert below(tmp_path / "absent") == ["."]
