"""The suspects of a fleet again: who is measured, beside whom, in which order, and what comes of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from bench import executors
from bench.fleet import fleet_folder
from bench.run_folders import named_run
from bench.schema.case import Case
from bench.schema.confirm_plan import ConfirmPlan
from bench.schema.fleet_plan import FleetPlan
from bench.schema.units import Unit
from bench.stats.fleet_ratios import ConfirmedRatio, FleetRatios, judge
from bench.store import RECORDS, read_records
from bench.studies.confirm import confirm_plans, confirm_records, confirm_rounds
from bench.studies.confirm.confirm_plans import JudgedUnits
from bench.studies.confirm.confirm_records import whole_time
from bench.studies.confirm.confirm_rounds import Ended, Rounds, Turn
from models.errors import UserError
from tests.planted import planted_records
from tests.planted.cells_convbench import fleet_of_cells, timed

CELLS = {"cell1": 0.0, "cell2": 0.01, "cell3": 0.30, "cell4": -0.01, "cell5": 0.005, "cell6": 0.0}


class Fleet:
    """Six cells, of which cell3 is 30% slow, and the judgement of their first run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: FleetPlan = fleet_of_cells(folder, CELLS)
        self.units = tuple(unit(cell) for cell in CELLS)
        self.tests: list[Case] = []
        logs: dict[tuple[int, Case, int], float] = {}
        for at, cell in enumerate(CELLS):
            for record in read_records(fleet_folder.attempt_folder(folder, cell, 1) / RECORDS):
                logs[at, record.case.without_replicate(), record.case.replicate] = math.log(
                    whole_time(record) or math.nan
                )
        self.tests = list(dict.fromkeys(case for _, case, _ in logs))
        array = np.array(
            [[[logs[at, case, k] for k in (1, 2, 3)] for case in self.tests] for at in range(len(CELLS))]
        )
        self.ratios: FleetRatios = judge(array, range(len(CELLS)))
        self.kind = JudgedUnits(self.units, self.ratios)

    def look(self, rounds: int | None = 2) -> ConfirmPlan:
        """The plan of a first call, kept."""
        plan = confirm_plans.extended(ConfirmPlan(seed="seed"), [self.kind], rounds)
        confirm_plans.write(self.folder, plan)
        return plan

    def write_round(self, each: Unit, number: int, slowdown: float) -> None:
        """As if the unit had been measured in a round."""
        own = confirm_records.round_folder(self.folder, each, number)
        cases = [structs.replace(case, replicate=1) for case in self.tests]
        records = [timed(case, each.node, slowdown, own) for case in cases]
        planted_records.write(own / "nodes" / each.node / "1", records)
        fleet_folder.write(own, confirm_rounds.plan_of(self.plan, Turn(number, each), self.folder))

    def confirmed(self) -> ConfirmedRatio:
        (found,) = confirm_records.confirmed(self.folder, self.units, self.tests, self.ratios)
        return found


def unit(cell: str) -> Unit:
    return Unit(f"{cell}/one", cell)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "fleet")


def test_the_suspect_is_looked_at_beside_two_others_in_the_rounds_that_it_needs(fleet: Fleet) -> None:
    (look,) = fleet.look(rounds=None).looks
    assert look.suspect == unit("cell3")
    assert len({*look.units}) == 3
    assert look.first_round == 1
    assert len(look.rounds) >= 3


def test_a_suspect_that_has_a_look_gets_no_other_one(fleet: Fleet) -> None:
    plan = fleet.look()
    assert confirm_plans.read(fleet.folder) == plan
    assert confirm_plans.extended(plan, [fleet.kind], 2) == plan


def test_a_later_suspect_gets_rounds_of_its_own(fleet: Fleet) -> None:
    plan = fleet.look()
    suspects = tuple(structs.replace(each, suspect=at == 1) for at, each in enumerate(fleet.ratios.units))
    later = JudgedUnits(fleet.units, structs.replace(fleet.ratios, units=suspects))
    old, new = confirm_plans.extended(plan, [later], 4).looks
    assert old == plan.looks[0]
    assert new.suspect == unit("cell2")
    assert (new.first_round, new.last_round) == (3, 6)


def test_a_round_holds_each_of_the_three_once_in_an_order_that_stays(fleet: Fleet) -> None:
    plan = fleet.look(rounds=8)
    turns = confirm_rounds.turns_left(fleet.folder, plan, fleet.tests)
    assert turns == confirm_rounds.turns_left(fleet.folder, plan, fleet.tests)
    by_round = [[turn.unit for turn in turns if turn.number == number] for number in range(1, 9)]
    assert [turn.number for turn in turns] == sorted(turn.number for turn in turns)
    assert all(set(units) == set(plan.looks[0].units) and len(units) == 3 for units in by_round)
    assert len({tuple(each.id for each in units) for units in by_round}) > 1


def test_what_was_measured_is_not_left(fleet: Fleet) -> None:
    plan = fleet.look()
    fleet.write_round(unit("cell3"), 1, 0.3)
    turns = confirm_rounds.turns_left(fleet.folder, plan, fleet.tests)
    assert Turn(1, unit("cell3")) not in turns
    assert len(turns) == 5


def test_a_slow_cell_is_confirmed_from_its_rounds(fleet: Fleet) -> None:
    (look,) = fleet.look(rounds=5).looks
    for number in look.rounds:
        for each in look.units:
            fleet.write_round(each, number, CELLS[each.node])
    found = fleet.confirmed()
    assert found.slow
    assert found.rounds == 5
    assert found.log_ratio == pytest.approx(math.log(1.3), abs=0.03)


def test_a_cell_that_is_as_the_others_now_is_not_slow(fleet: Fleet) -> None:
    (look,) = fleet.look(rounds=5).looks
    for number in look.rounds:
        for each in look.units:
            fleet.write_round(each, number, 0.0)
    found = fleet.confirmed()
    assert not found.slow
    assert found.p is not None


def test_rounds_are_not_part_of_the_first_run(fleet: Fleet) -> None:
    (look,) = fleet.look().looks
    for each in look.units:
        fleet.write_round(each, 1, 0.0)
    folders = named_run(fleet.folder).run_folders
    assert len(folders) == len(CELLS)
    assert not any("confirm" in folder.parts for folder in folders)


def test_what_another_machine_measured_in_its_place_does_not_count(fleet: Fleet) -> None:
    fleet.look()
    fleet.write_round(unit("cell3"), 1, 0.3)
    own = confirm_records.round_folder(fleet.folder, unit("cell3"), 1)
    (run,) = named_run(own).run_folders
    planted_records.write(run, [timed(case, "cell9", 0.0, own) for case in fleet.tests])
    assert not confirm_records.is_complete(fleet.folder, unit("cell3"), 1, fleet.tests)


def test_before_any_round_nothing_is_said(fleet: Fleet) -> None:
    assert confirm_records.confirmed(fleet.folder, fleet.units, fleet.tests, fleet.ratios) == ()
    fleet.look()
    found = fleet.confirmed()
    assert found.rounds == 0
    assert found.log_ratio is None


def test_a_damaged_plan_is_named(fleet: Fleet) -> None:
    fleet.look()
    (fleet.folder / "confirm" / "confirm.json").write_text("{")
    with pytest.raises(UserError, match=r"confirm\.json is damaged"):
        confirm_plans.read(fleet.folder)


def test_a_plan_of_a_newer_convbench_is_refused(fleet: Fleet) -> None:
    confirm_plans.write(fleet.folder, ConfirmPlan(seed="seed", schema=99))
    with pytest.raises(UserError, match="newer convbench"):
        confirm_plans.read(fleet.folder)


def test_a_round_is_one_process_of_each_case_on_that_gpu_alone(fleet: Fleet) -> None:
    arguments = ("run", "--suite", "smoke", "--replicates", "5", "--ceilings", "--gpu", "all", "--together")
    gpu = Unit("GPU-3f0c12ab-1111", "node5")
    plan = confirm_rounds.plan_of(
        structs.replace(fleet.plan, arguments=arguments), Turn(1, gpu), fleet.folder
    )
    assert plan.arguments == (
        *("run", "--suite", "smoke", "--no-ceilings", "--no-step-digest"),
        *("--replicates", "1", "--gpu", "GPU-3f0c12ab-1111"),
    )
    assert plan.nodes == ("node5",)
    assert plan.name != fleet.plan.name
    assert plan.plan.replicates == 1
    folder = confirm_records.round_folder(fleet.folder, gpu, 7)
    assert folder.relative_to(fleet.folder).parts == ("confirm", "node5", "GPU-3f0c12ab", "7")


@pytest.mark.slow
@pytest.mark.parametrize(("at_once", "number"), [(1, 1), (3, 2)])
def test_rounds_run_as_jobs_and_are_not_run_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, at_once: int, number: int
) -> None:
    monkeypatch.setenv("SLOWDOWNS", "cell3=0.30")
    plan = fleet.look(rounds=number)
    site = structs.replace(fleet.plan.site, jobs_at_once=at_once)
    ended: list[Ended] = []
    rounds = Rounds(
        fleet.folder, structs.replace(fleet.plan, site=site), executors.get("local"), ended.append
    )
    rounds.run(confirm_rounds.turns_left(fleet.folder, plan, fleet.tests))
    assert [each.done for each in ended] == list(range(1, 3 * number + 1))
    assert [each.turn.number for each in ended] == [at for at in range(1, number + 1) for _ in range(3)]
    assert all(each.state.state == "complete" for each in ended), ended
    assert confirm_rounds.turns_left(fleet.folder, plan, fleet.tests) == []
    assert fleet.confirmed().rounds == number
    assert fleet.confirmed().log_ratio == pytest.approx(math.log(1.3), abs=0.05)
