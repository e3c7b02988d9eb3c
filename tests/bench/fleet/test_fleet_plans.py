"""What is measured on every node: the same, whatever the machine that submits is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.contracts.executor import Node
from bench.fleet import fleet_folder, fleet_plans, job_script
from bench.fleet.fleet_plans import FleetAsked
from bench.fleet.job_files import JobFiles
from bench.plan.suite_plan import Asked
from bench.schema.fleet_plan import FLEET, FleetPlan, Site
from models.errors import UserError
from tests.planted.planted_executor import PlantedExecutor, fleet_plan

CPU = (Node(name="n1"), Node(name="n2"))
GPUS = (Node(name="n1", gpus=8), Node(name="n2", gpus=8))


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that submits has none."""
    monkeypatch.setattr("bench.devices.auto", lambda: "cpu")


def planned(nodes: Sequence[Node], *, together: bool = False, **asked: object) -> FleetPlan:
    folder = Path("/shared/fleet")
    wanted = FleetAsked(
        run=structs.replace(Asked(suite="smoke"), **asked),
        together=together,
        site=Site(convbench=("convbench",)),
        command="convbench fleet run",
    )
    return fleet_plans.of_nodes(wanted, PlantedExecutor(folder, fleet_plan()), nodes, folder)


def option(plan: FleetPlan, name: str) -> str | None:
    words = list(plan.arguments)
    return words[words.index(name) + 1] if name in words else None


def test_nodes_with_gpus_measure_all_of_them_though_the_login_node_has_none() -> None:
    plan = planned(GPUS)
    assert {case.device for case in plan.plan.cases} == {"cuda"}
    assert option(plan, "--gpu") == "all"
    assert option(plan, "--device") is None
    assert plan.seconds == pytest.approx(8 * planned(GPUS, together=True).seconds)
    assert "--together" in planned(GPUS, together=True).arguments


def test_nodes_without_gpus_are_told_so() -> None:
    """One whose driver fails must not look like one of them."""
    plan = planned(CPU)
    assert (option(plan, "--device"), option(plan, "--gpu")) == ("cpu", None)
    assert option(planned(GPUS, given={"device": ("cpu",)}), "--device") == "cpu"


def test_two_kinds_of_node_are_refused() -> None:
    with pytest.raises(UserError, match="1 of 2 nodes have GPUs"):
        planned((GPUS[0], CPU[0]))


def test_a_fleet_has_a_fixed_number_of_processes() -> None:
    assert planned(CPU, suite="quick").plan.replicates == 3
    assert option(planned(CPU, suite="quick"), "--replicates") == "3"
    assert planned(CPU).plan.replicates == 2
    assert option(planned(CPU, replicates="5"), "--replicates") == "5"
    with pytest.raises(UserError, match="give --replicates"):
        planned(CPU, until="5%")


def test_what_was_asked_for_is_what_nodes_are_asked_for() -> None:
    plan = planned(
        CPU,
        given={"model": ("lenet5", "vgg11"), "tuning": ("",), "batch": (1, 8)},
        target_ci="2%",
        ceilings=False,
    )
    said = " ".join(plan.arguments)
    assert "--model lenet5 --model vgg11 --tuning none --batch 1 --batch 8" in said
    assert "--target-ci 2%" in said
    assert "--no-ceilings --step-digest" in said


def test_a_budget_is_well_below_the_limit_of_a_job() -> None:
    for site in (
        Site(convbench=()),
        Site(convbench=(), job_seconds=7200.0),
        Site(convbench=(), job_seconds=60.0),
    ):
        plan = structs.replace(planned(CPU), site=site)
        assert job_script.budget_seconds(plan) <= 0.9 * job_script.limit_seconds(plan)
        if site.job_seconds != 60:
            assert job_script.budget_seconds(plan) > 2 * plan.seconds


def test_the_budget_of_a_job_of_a_second_is_a_second(tmp_path: Path) -> None:
    """`--budget 0` would be bad input."""
    plan = structs.replace(planned(CPU), site=Site(convbench=(), job_seconds=1.0))
    words = job_script.run_words(plan, tmp_path, resume=False)
    assert words[words.index("--budget") + 1] == "1"


def test_a_script_quotes_what_it_is_given(tmp_path: Path) -> None:
    plan = structs.replace(
        fleet_plan("n1"),
        folder="/a b",
        arguments=("run", "--model", "my net.py:f"),
        site=Site(convbench=("convbench",), setup=("module load cuda", "export A='b c'"), container=("env",)),
    )
    files = JobFiles(tmp_path / "it's", "planted-n1-1")
    text = job_script.text(plan, files, "n1", 1, tmp_path / "it's" / "1", resume=True)
    assert "cd '/a b' || exit 1\nset -e\nmodule load cuda\nexport A='b c'\nset +e" in text
    assert "\nenv convbench run --model 'my net.py:f' --budget 200 --resume --out " in text
    assert "it'\"'\"'s/jobs/planted-n1-1'" in text


def test_a_folder_that_is_damaged_or_newer_is_refused(tmp_path: Path) -> None:
    fleet_folder.write(tmp_path, fleet_plan("n1"))
    assert fleet_folder.read(tmp_path) == fleet_plan("n1")
    text = (tmp_path / FLEET).read_text()
    (tmp_path / FLEET).write_text(text.replace('"schema": 1', '"schema": 99'))
    with pytest.raises(UserError, match="newer convbench"):
        fleet_folder.read(tmp_path)
    (tmp_path / FLEET).write_text(text.replace('"n1"', '"../n1"'))
    with pytest.raises(UserError, match="no name of a node"):
        fleet_folder.read(tmp_path)
    (tmp_path / FLEET).write_text(text[:50])
    with pytest.raises(UserError, match="is damaged"):
        fleet_folder.read(tmp_path)
