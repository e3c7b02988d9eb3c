"""convbench fleet confirm: the suspects again, by jobs of this host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import fleet_confirm
from bench.contracts.executor import Unreachable
from bench.schema.confirm_plan import ConfirmPlan
from bench.studies.confirm import confirm_plans
from bench.studies.confirm.confirm_plans import JudgedUnits
from bench.studies.confirm.confirm_records import round_folder
from reports.fleet.fleet_records import read_fleet
from reports.fleet.judged_kinds import judged_kinds
from tests.planted import planted_fleet, slurm_cluster
from tests.planted.cells_convbench import fleet_of_cells
from tests.planted.commands import ROOT, Command, is_one_sentence
from tests.planted.planted_fleet import PlantedFleet

CELLS = {"cell1": 0.0, "cell2": 0.005, "cell3": 0.0, "cell4": -0.005, "cell5": 0.0}


def test_a_folder_without_a_fleet_is_named(command_line: Command, tmp_path: Path) -> None:
    answer = command_line("fleet", "confirm", tmp_path)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "is not the folder of a fleet" in answer.err


def test_without_a_suspect_there_is_nothing_to_confirm(command_line: Command, tmp_path: Path) -> None:
    fleet_of_cells(tmp_path, CELLS)
    answer = command_line("fleet", "confirm", tmp_path)
    assert answer.code == 0
    assert answer.out == f"nothing to confirm: no machine of {tmp_path} is a suspect\n"
    for records in tmp_path.glob("nodes/cell2/*/records.jsonl"):
        records.write_bytes(records.read_bytes().splitlines(keepends=True)[0])
    answer = command_line("fleet", "confirm", tmp_path)
    assert answer.out.endswith("is a suspect, but 1 of 5 nodes is not complete\n")
    assert confirm_plans.read(tmp_path) is None
    assert command_line("fleet", "confirm", tmp_path, "--json").rows() == []


def test_a_fleet_of_two_has_no_references(command_line: Command, tmp_path: Path) -> None:
    fleet_of_cells(tmp_path, {"cell1": 0.0, "cell2": 0.5})
    answer = command_line("fleet", "confirm", tmp_path)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "two units that are no suspects, and this fleet has 1" in answer.err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--rounds", "1", "--rounds must be a whole number from 2 to 100"),
        ("--margin", "none", "--margin must be"),
    ],
)
def test_bad_values_are_refused(
    command_line: Command, tmp_path: Path, option: str, value: str, said: str
) -> None:
    fleet_of_cells(tmp_path, CELLS)
    answer = command_line("fleet", "confirm", tmp_path, option, value)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert said in answer.err


def test_a_dry_run_names_the_suspect_and_its_references_and_keeps_nothing(
    command_line: Command, tmp_path: Path
) -> None:
    fleet_of_cells(tmp_path, {**CELLS, "cell3": 0.4})
    one, two = (command_line("fleet", "confirm", tmp_path, "--dry-run", "--rounds", 4) for _ in range(2))
    assert one.code == 0
    assert "12 jobs" in one.out
    assert "cell3" in one.out
    assert one.out == two.out
    assert confirm_plans.read(tmp_path) is None


@pytest.mark.slow
def test_a_slow_cell_is_named_and_the_rounds_are_not_measured_again(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOWDOWNS", "cell3=0.40")
    fleet_of_cells(tmp_path, {**CELLS, "cell3": 0.4})
    answer = command_line("fleet", "confirm", tmp_path, "--rounds", 2)
    assert answer.code == 1, answer.err
    assert "1 of 1 suspect is slow" in answer.out
    assert "cell3 is 4" in answer.out
    assert f"Next: convbench fleet report {tmp_path}" in answer.out
    assert "6 of 6: round 2" in answer.err

    again = command_line("fleet", "confirm", tmp_path, "--json")
    (row,) = again.rows()
    assert row["slow"]
    assert row["verdict"] == "slow"
    assert row["rounds"] == 2
    assert "of 6" not in again.err


@pytest.mark.slow
def test_a_cell_that_recovered_is_not_named_and_a_missing_round_is_measured_later(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOWDOWNS", "")
    fleet_of_cells(tmp_path, {**CELLS, "cell3": 0.4})
    monkeypatch.setenv("PLANTED", "bad")
    broken = command_line("fleet", "confirm", tmp_path, "--rounds", 2)
    assert broken.code == 3
    assert "cell3: failed (exit code 2" in broken.err
    assert "0 of 2" in broken.out
    assert f"Next: convbench fleet confirm {tmp_path}" in broken.out

    monkeypatch.setenv("PLANTED", "")
    answer = command_line("fleet", "confirm", tmp_path)
    assert answer.code == 0, answer.err
    assert "No suspect is shown to be slow" in answer.out
    assert "2 of 2" in answer.out
    assert any(word in answer.out for word in ("within the margin", "undecided"))


@pytest.mark.slow
def test_most_of_a_fleet_is_slow_by_the_center_of_another_run(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their own center they are not: it is theirs."""
    before, fleet = tmp_path / "before", tmp_path / "fleet"
    slow = {"cell1": 0.1, "cell2": 0.1, "cell3": 0.1}
    fleet_of_cells(before, CELLS)
    fleet_of_cells(fleet, {**CELLS, **slow})
    monkeypatch.setenv("SLOWDOWNS", ",".join(f"{cell}={by}" for cell, by in slow.items()))
    assert "nothing to confirm" in command_line("fleet", "confirm", fleet).out
    report = command_line("fleet", "report", fleet, "--against", before)
    assert f"Next: convbench fleet confirm {fleet} --against {before}" in report.out
    answer = command_line("fleet", "confirm", fleet, "--against", before, "--rounds", 2)
    assert answer.code == 1, answer.err
    assert "3 of 3 suspects are slow" in answer.out
    assert f"slower than the center of {before}" in " ".join(answer.out.split())
    assert {look.suspect.node for look in (confirm_plans.read(fleet) or ConfirmPlan(seed="")).looks} == {
        *slow
    }
    report = command_line("fleet", "report", fleet, "--against", before, "--json")
    assert report.code == 1
    assert {row["node"] for row in report.rows() if row["state"] == "slow"} == {*slow}
    assert command_line("fleet", "report", fleet).code == 0


def test_a_fleet_that_is_slow_as_a_whole_is_for_compare(command_line: Command, tmp_path: Path) -> None:
    before, fleet = tmp_path / "before", tmp_path / "fleet"
    fleet_of_cells(before, CELLS)
    fleet_of_cells(fleet, {cell: 0.2 + by for cell, by in CELLS.items()})
    answer = command_line("fleet", "confirm", fleet, "--against", before)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert f"convbench compare {before} {fleet} has the verdict" in answer.err
    report = command_line("fleet", "report", fleet, "--against", before)
    assert f"Next: convbench compare {before} {fleet}" in report.out


def test_another_run_without_such_a_case_gives_no_center(command_line: Command, tmp_path: Path) -> None:
    fleet_of_cells(tmp_path / "fleet", CELLS)
    planted_fleet.write(tmp_path / "gpus", PlantedFleet(nodes=3, gpus=1, tests=1))
    answer = command_line("fleet", "confirm", tmp_path / "fleet", "--against", tmp_path / "gpus")
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)
    assert "so it gives no center" in answer.err


def test_a_scheduler_that_is_silent_when_jobs_are_to_end_is_one_sentence(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise Unreachable("timed out")

    fleet_of_cells(tmp_path, {**CELLS, "cell3": 0.4})
    monkeypatch.setattr("bench.studies.confirm.confirm_rounds.Rounds.run", silent)
    answer = command_line("fleet", "confirm", tmp_path, "--rounds", 2)
    assert (answer.code, "does not answer, so jobs may go on: timed out." in answer.err) == (2, True)
    assert f"convbench fleet cancel {tmp_path}" in answer.err


@pytest.mark.slow
def test_status_shows_its_jobs_and_cancel_ends_them(command_line: Command, tmp_path: Path) -> None:
    fleet_of_cells(tmp_path, {**CELLS, "cell3": 0.4})
    confirm = subprocess.Popen(
        [sys.executable, "-m", "bench", "fleet", "confirm", str(tmp_path), "--rounds", "2"],
        cwd=ROOT,
        env={**os.environ, "SLOWDOWNS": "", "PLANTED": "stuck"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        slurm_cluster.wait_until(lambda: list(tmp_path.glob("confirm/*/cpu/1/nodes/*/1/records.jsonl")), 60)
        status = command_line("fleet", "status", tmp_path)
        assert status.code == 3
        assert "Of fleet confirm 0 of 6 jobs are complete, 1 running, 5 not submitted." in status.out
        cancelled = command_line("fleet", "cancel", tmp_path)
        assert "cancelled 1 job" in cancelled.err
        out, _ = confirm.communicate(timeout=60)
        assert confirm.returncode == 3, out
    finally:
        confirm.kill()
        confirm.wait()
    rows = command_line("fleet", "status", tmp_path, "--json").rows()
    rounds = [row["state"] for row in rows if row["round"] is not None]
    assert sorted(rounds) == ["cancelled", *["not submitted"] * 5]
    assert f"Next: convbench fleet confirm {tmp_path}" in command_line("fleet", "status", tmp_path).out


@pytest.mark.slurm
@pytest.mark.slow
def test_suspect_and_references_are_measured_at_once_on_a_cluster(
    command_line: Command,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next round begins when all of a round have ended."""
    nodes = {f"node{number}": 0.0 for number in range(1, 6)}
    fleet_of_cells(tmp_path, {**nodes, "node3": 0.4}, executor="slurm")
    with slurm_cluster.running(tmp_path_factory.mktemp("slurm"), nodes=5) as cluster:
        for name, value in {**cluster.environment, "SLOWDOWNS": "node3=0.40"}.items():
            monkeypatch.setenv(name, value)
        answer = command_line("fleet", "confirm", tmp_path, "--rounds", 2)
    assert answer.code == 1, answer.err
    assert "6 of 6: round 2" in answer.err
    assert "node3 is 4" in answer.out
    started = [
        [path.stat().st_mtime for path in tmp_path.glob(f"confirm/*/cpu/{number}/jobs/*.started")]
        for number in (1, 2)
    ]
    assert [len(times) for times in started] == [3, 3]
    assert max(started[0]) < min(started[1])


def test_a_round_is_whole_in_a_fleet_of_two_kinds_too(tmp_path: Path) -> None:
    """Units of both kinds have the same tests, or, as processors beside GPUs, others."""
    fleet = PlantedFleet(nodes=5, gpus=1, tests=2, drivers={5: "590.1"}, slow={(2, 0): 0.3})
    planted_fleet.write_fleet(tmp_path, fleet)
    kinds = judged_kinds(read_fleet([tmp_path]), 0.03)
    judged = [JudgedUnits(tuple(each.unit for each in kind.units), kind.ratios) for kind in kinds]
    plan = confirm_plans.extended(ConfirmPlan(seed="seed"), judged, rounds=2)
    turns = fleet_confirm.turns_left(tmp_path, plan, kinds)
    assert len(turns) == 6
    for turn in turns:
        (own,) = (tmp_path / "nodes" / turn.unit.node).rglob("records.jsonl")
        again = round_folder(tmp_path, turn.unit, turn.number) / "nodes" / turn.unit.node / "1"
        again.mkdir(parents=True)
        shutil.copy(own, again)
    assert fleet_confirm.turns_left(tmp_path, plan, kinds) == []
