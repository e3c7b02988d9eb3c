"""convbench fleet report: formats, exit codes, and what it refuses."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.planted.commands import Command, is_one_sentence
from tests.planted.planted_fleet import PlantedFleet, uuid, write, write_fleet

FLEET = PlantedFleet(nodes=3, gpus=4, tests=3, slow={(2, 1): 0.08}, missing=frozenset({3}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet with a slow GPU and a lost node."""
    return write_fleet(tmp_path_factory.mktemp("made") / "fleet", FLEET)


def test_a_gap_is_3_and_a_suspect_1_where_it_is_to_fail(command_line: Command, folder: Path) -> None:
    answer = command_line("fleet", "report", folder)
    assert (answer.code, answer.err) == (3, "")
    assert answer.out.startswith(
        "1 of 8 GPUs is a suspect · 8 GPUs (Test GPU) on 2 of 3 nodes · smoke, 3 cases"
    )
    assert "node2 GPU 1 (GPU-00020001) is " in answer.out
    assert "Missing: node3 (node lost" in answer.out
    assert f"Next: convbench fleet run --resume --out {folder}" in answer.out
    assert command_line("fleet", "report", folder, "--fail-on", "suspect").code == 1
    assert command_line("fleet", "report", folder, "--fail-on", "suspect", "--margin", "10%").code == 3


def test_csv_and_json_have_a_line_for_each_gpu_and_for_the_lost_node(
    command_line: Command, folder: Path
) -> None:
    lines = list(csv.DictReader(io.StringIO(command_line("fleet", "report", folder, "--format", "csv").out)))
    states = {line["uuid"]: line["state"] for line in lines}
    assert len(lines) == 9
    assert (states[uuid((2, 1))], states[uuid((1, 0))], states[""]) == ("suspect", "ok", "missing")
    rows = command_line("fleet", "report", folder, "--json").rows()
    assert [row["uuid"] for row in rows] == [line["uuid"] for line in lines]
    assert rows[0]["ratio"] == pytest.approx(1.0, abs=0.03)


def test_run_folders_that_nobody_scheduled_are_a_fleet_too(command_line: Command, tmp_path: Path) -> None:
    runs = write(tmp_path / "runs", PlantedFleet(nodes=3, gpus=0, tests=3))
    nodes = sorted((runs / "nodes").iterdir())
    for named in ([runs], nodes):
        answer = command_line("fleet", "report", *named)
        assert (answer.code, answer.err) == (0, "")
        assert answer.out.startswith("3 CPUs, none slow")


def test_a_page_and_a_report_with_pictures_are_written(
    command_line: Command, folder: Path, tmp_path: Path
) -> None:
    assert command_line("fleet", "report", folder, "-o", tmp_path / "fleet.md").code == 3
    text = (tmp_path / "fleet.md").read_text(encoding="utf-8")
    assert "fleet-plots/answer-light.svg" in text
    assert (tmp_path / "fleet-plots" / "fleet-nodes-1.png").exists()
    section = command_line("fleet", "report", folder, "--section", "suspects", "--format", "md")
    assert uuid((2, 1))[:12] in section.out
    assert "Spread by test" not in section.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fail-on", "any"), "unknown --fail-on 'any'"),
        (("--margin", "90%"), "--margin"),
        (("--against", "nowhere"), "there is no directory 'nowhere'"),
    ],
)
def test_bad_input_is_one_sentence(
    command_line: Command, folder: Path, words: tuple[str, ...], said: str
) -> None:
    answer = command_line("fleet", "report", folder, *words)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert said in answer.err
