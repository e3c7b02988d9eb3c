"""The walk-through of docs/fleet.md, command by command, with a planted upgrade: on four cells of this host
as it stands there, and on the four nodes of a Slurm cluster.

One node is slow all the time, the upgrade costs 6% on every node, and after it one node computes other bits
(`tests/planted/upgraded_convbench.py`). What the page shows of a report is what the command says.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from tests.planted import slurm_cluster
from tests.planted.commands import ROOT

NODE = ROOT / "tests" / "planted" / "upgraded_convbench.py"
PAGE = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
OTHER_BITS = 1
"""The exit code of the last report, for one node computes other bits."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


class Walked(NamedTuple):
    """What each command shows, in the order of the page; the nodes are `cell1` or `node1` and so on."""

    said: Mapping[str, str]
    node: str


@pytest.fixture(scope="module", params=["local", pytest.param("slurm", marks=pytest.mark.slurm)])
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """All commands end well but the last, which finds other bits."""
    folder = tmp_path_factory.mktemp("walk")
    if request.param == "local":
        yield Walked(_walk(folder, os.environ, "cell"), "cell")
        return
    with TemporaryDirectory() as short, slurm_cluster.running(Path(short)) as cluster:
        words = ["--executor", "slurm", "--nodes", "node[1-4]"]
        yield Walked(_walk(folder, cluster.environment, "node", words), "node")


def _walk(
    folder: Path, environment: Mapping[str, str], node: str, more: Sequence[str] = ()
) -> dict[str, str]:
    found = {}
    *_, last = commands = "".join(blocks("sh")).splitlines()
    planted = {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "PLANTED_FLIP_ON": f"{node}2"}
    for command in commands:
        _, *words = shlex.split(command)
        if words[:2] == ["fleet", "run"]:
            words += ["--convbench", shlex.join([sys.executable, str(NODE)]), *more]
        done = subprocess.run(
            [sys.executable, "-m", "bench", *words],
            cwd=folder,
            env={**environment, **planted},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        wanted = OTHER_BITS if command == last else 0
        assert done.returncode == wanted, f"{command}\n{done.stdout}\n{done.stderr}"
        found[command] = done.stdout
    return found


def shown(walked: Walked, beginning: str) -> str:
    """Of the first command that begins so, in one line, as if the nodes were cells."""
    text = next(text for command, text in walked.said.items() if command.startswith(beginning))
    return " ".join(text.split()).replace(walked.node, "cell")


def test_it_goes_from_the_first_run_to_the_verdict(walked: Walked) -> None:
    assert [command.split("runs/")[0].split("--nodes")[0].strip() for command in walked.said] == [
        "convbench fleet run",
        "convbench fleet status",
        "convbench fleet report",
        "convbench fleet run",
        "convbench compare",
        "convbench fleet report",
    ]


def test_before_the_upgrade_the_slow_node_is_a_suspect(walked: Walked) -> None:
    report = shown(walked, "convbench fleet report runs/before")
    assert "1 of 4 CPUs is a suspect" in report
    assert re.search(r"cell3 is 9\.\d% \(8\.\d% to 9\.\d%\) slow, suspect: not confirmed yet", report)
    assert "Next: convbench fleet confirm runs/before" in report


def test_the_verdict_is_from_the_four_nodes_in_pairs(walked: Walked) -> None:
    verdict = shown(walked, "convbench compare")
    assert "4 machines, paired" in verdict
    assert re.search(r"VGG-11 inference, batch 8 is 6\.\d% slower \(5\.\d% to 6\.\d%\)", verdict)


def test_afterwards_the_fleet_as_a_whole_is_slow_and_one_node_computes_other_bits(
    walked: Walked,
) -> None:
    report = shown(walked, "convbench fleet report runs/after --against runs/before")
    assert re.search(r"The whole fleet is 6\.\d% slower than runs/before\.", report)
    assert "cell2 computes another gradient than 3 others of its kind in VGG-11 training" in report


def test_what_the_page_shows_is_what_the_commands_say(walked: Walked) -> None:
    everything = " ".join(" ".join(walked.said.values()).split()).replace(walked.node, "cell")
    lines = [line for block in blocks("text") for line in block.split("\n\n")]
    assert len(lines) >= 3
    assert [line for line in lines if " ".join(line.split()) not in everything] == []
