"""The plan of `time`: one case, whatever the usual suite has beside it."""

from __future__ import annotations

import pytest

from bench.plan import single_case
from bench.plan.axes import AXES
from bench.plan.plan_processes import of_plan, waited_for
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from models.errors import UserError


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.devices.auto", lambda: "cpu")
    monkeypatch.setattr("bench.host.cpu_cores.usable_cores", lambda: 2)


def plan(model: str = "vgg16", **given: tuple[str | int, ...]) -> KeptPlan:
    return single_case.plan_of(model, given, until="5%")


def test_a_model_alone_is_one_image_forward() -> None:
    made = plan()
    assert made.cases == [Case(model="vgg16", batch=1, image=224, threads=2, workload="inference")]
    assert (made.until, made.replicates, made.ceilings, made.auto) == (0.05, None, False, True)
    assert waited_for(made) == made.cases
    assert [case.replicate for case in of_plan(made)] == [1, 2]


def test_every_axis_takes_one_value() -> None:
    (case,) = plan(batch=(8,), workload=("training",), threads=(1,), image=(64,), device=("cpu",)).cases
    assert (case.batch, case.workload, case.threads, case.image) == (8, "training", 1, 64)


@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != "model"])
def test_several_values_are_sent_to_run(axis: str) -> None:
    with pytest.raises(
        UserError, match=f"--{axis} must be a single value here, got 2. `convbench run` takes"
    ):
        single_case.plan_of("vgg16", {axis: (1, 2)}, until="5%")


@pytest.mark.parametrize("model", ["vgg11,vgg16", "vgg1[13]"])
def test_several_networks_are_sent_to_run(model: str) -> None:
    with pytest.raises(UserError, match="time measures one network, got 2 "):
        plan(model)


def test_a_network_that_does_not_exist_has_a_nearest_one() -> None:
    with pytest.raises(UserError, match="Did you mean 'vgg16'"):
        plan("vgg166")


@pytest.mark.parametrize("until", ["0", "-5%", "200%", "narrow", "nan"])
def test_no_width_is_refused(until: str) -> None:
    with pytest.raises(UserError, match="--until must be a number above 0"):
        single_case.plan_of("vgg16", {}, until=until)
