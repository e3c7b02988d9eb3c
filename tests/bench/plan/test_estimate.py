"""The estimate of a plan, part by part, against counts that are made here by hand."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench import devices
from bench.contracts.costs import Costs
from bench.host import cpu_cores
from bench.plan import estimate, plan_processes
from bench.plan.estimate import case_seconds, estimate_seconds
from bench.plan.step_seconds import step_seconds
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan

COSTS = Costs(
    source="planted",
    process_seconds=1.0,
    parameter_seconds=0.0,
    first_step_seconds=0.0,
    compile_seconds=0.0,
    recompile_seconds=0.0,
    flops_per_second={"fp32": 1e12, "tf32": 2e12, "bf16": 4e12, "fp16": 4e12},
    bytes_per_second=1e15,
    layer_seconds=0.0,
    noise=0.0,
    ceiling_seconds=7.0,
)
VGG = Case(model="vgg16", device="cuda", batch=64)
FORWARD, BACKWARD = 2 * 15_470_264_320, 2 * 2 * 15_470_264_320 - 2 * 86_704_128
"""FLOPs of an image; the first layer's backward has no gradient of its input."""
PROTOCOL = MeasurementProtocol(
    warmup_steps=2,
    warmup_seconds=0.1,
    warmup_limit_seconds=0.1,
    min_samples=5,
    sampling_seconds=1e-9,
    energy_seconds=0,
)


def test_a_step_is_as_long_as_its_flops_need() -> None:
    assert step_seconds(VGG, COSTS, 1) == pytest.approx(64 * FORWARD / 1e12)
    training = structs.replace(VGG, workload="training")
    assert step_seconds(training, COSTS, 1) == pytest.approx(64 * (FORWARD + BACKWARD) / 1e12, rel=1e-3)
    assert step_seconds(structs.replace(VGG, precision="amp-bf16"), COSTS, 1) == pytest.approx(
        64 * FORWARD / 4e12
    )
    assert step_seconds(VGG, COSTS, 2) == pytest.approx(32 * FORWARD / 1e12)


def test_a_step_is_as_long_as_its_bytes_or_its_launches_need() -> None:
    """AlexNet reads 244 MB of weights for one image, and its eight layers are launched one by one."""
    one = Case(model="alexnet")
    slow_memory = structs.replace(COSTS, bytes_per_second=1e10)
    assert step_seconds(one, slow_memory, 1) == pytest.approx(61_100_840 * 4 / 1e10, rel=0.05)
    launches = structs.replace(COSTS, layer_seconds=1.0)
    assert step_seconds(one, launches, 1) == 8.0
    assert step_seconds(structs.replace(one, workload="training"), launches, 1) == pytest.approx(
        24.0, abs=0.1
    )


def test_a_gpu_case_is_its_process_its_warm_up_and_the_samples_of_three_clocks() -> None:
    """Of a long step, 5 samples: 2 steps for device time, 5 for wall time and 1 for host time."""
    step = step_seconds(VGG, COSTS, 1)
    seconds = case_seconds(VGG, PROTOCOL, COSTS)
    beside = estimate._OTHER_STEPS + estimate._TRIAL_STEPS + PROTOCOL.warmup_steps
    assert seconds == pytest.approx(1.0 + step * (beside + 5 * (2 + 5 + 1)))


def test_a_cpu_case_takes_the_samples_of_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """And in training those of the phases, which are another step."""
    case = Case(model="vgg16", threads=1)
    step = step_seconds(case, COSTS, 1)
    long = structs.replace(PROTOCOL, min_samples=50)
    more = case_seconds(case, long, COSTS) - case_seconds(case, PROTOCOL, COSTS)
    assert more == pytest.approx(45 * step)
    training = structs.replace(case, workload="training")
    step = step_seconds(training, COSTS, 1)
    more = case_seconds(training, long, COSTS) - case_seconds(training, PROTOCOL, COSTS)
    assert more == pytest.approx(45 * 2 * step)


def test_a_quiet_machine_ends_at_the_least_samples_and_a_noisy_one_at_its_time() -> None:
    case = Case(model="vgg11", threads=1)
    protocol = structs.replace(PROTOCOL, min_samples=20, max_samples=10**6, sampling_seconds=100.0)
    quiet, noisy = (structs.replace(COSTS, noise=noise) for noise in (0.001, 0.5))
    step = step_seconds(case, COSTS, 1)
    rest = case_seconds(case, structs.replace(protocol, max_samples=1, min_samples=1), quiet) - step
    assert case_seconds(case, protocol, quiet) - rest == pytest.approx(20 * step)
    assert case_seconds(case, protocol, noisy) - rest == pytest.approx(100, rel=0.01)


def test_a_faster_core_than_the_one_that_was_measured_takes_less(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(model="vgg16", threads=2)
    costs = structs.replace(COSTS, reference_core=50e9)
    assert estimate.cores_of(structs.replace(case, device="cuda"), costs) == 1
    for core, cores in ((50e9, 2), (100e9, 4)):
        monkeypatch.setattr(cpu_cores, "core_flops", lambda core=core: core)
        assert estimate.cores_of(case, costs) == cores


@pytest.mark.parametrize(("flags", "runs"), [({"avx2"}, False), ({"avx2", "avx512f"}, True)])
def test_what_this_processor_cannot_do_takes_no_time(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], runs: bool
) -> None:
    monkeypatch.setattr(cpu_cores, "instructions", lambda *_: frozenset(flags))
    assert (case_seconds(Case(model="alexnet", precision="amp-bf16"), PROTOCOL) > 0) == runs
    assert case_seconds(Case(model="alexnet"), PROTOCOL) > 0
    assert case_seconds(Case(model="alexnet", device="cuda", precision="amp-bf16"), PROTOCOL) > 0


@pytest.mark.parametrize(("cores", "servers"), [(1, 3), (2, 2)])
def test_a_run_has_a_server_for_each_replicate_and_a_report(
    monkeypatch: pytest.MonkeyPatch, cores: int, servers: int
) -> None:
    """Inductor is imported by the server of the replicate that compiles alone; two start at once, if there is
    a core for each."""
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: cores)
    plain, compiled = Case(model="lenet5"), Case(model="lenet5", engine="compile")
    second, third = (structs.replace(plain, replicate=number) for number in (2, 3))
    assert estimate.server_seconds([plain]) == estimate.SERVER_SECONDS
    assert estimate.server_seconds([plain, compiled]) == estimate.SERVER_SECONDS + estimate.INDUCTOR_SECONDS
    cases = sum(case_seconds(case, PROTOCOL) for case in (plain, compiled))
    cases += 2 * case_seconds(second, PROTOCOL, facts=False)
    total = cases + servers * estimate.SERVER_SECONDS + estimate.INDUCTOR_SECONDS + estimate.REPORT_SECONDS
    assert estimate_seconds([plain, compiled, second, third], PROTOCOL) == pytest.approx(total)


def test_a_process_that_is_not_asked_for_facts_runs_three_steps_fewer_on_a_host() -> None:
    case = Case(model="vgg16", batch=8, threads=2)
    step = step_seconds(
        case, devices.traits("cpu").costs, estimate.cores_of(case, devices.traits("cpu").costs)
    )
    saved = case_seconds(case, PROTOCOL) - case_seconds(case, PROTOCOL, facts=False)
    assert saved == pytest.approx(3 * step)
    on_gpu = structs.replace(case, device="cuda")
    assert case_seconds(on_gpu, PROTOCOL) == case_seconds(on_gpu, PROTOCOL, facts=False)


def test_every_devices_costs_say_where_they_come_from() -> None:
    assert "untested on a GPU" in devices.traits("cuda").costs.source
    assert all(device.traits.costs.source for device in devices.devices().values())


CPU_CASE = Case(model="lenet5", image=28, channels=1, classes=10)


def test_the_processes_expected_are_those_that_were_simulated() -> None:
    """docs/statistics.md: 5.0 at 3%, 3.2 at 5%, 2.4 at 8%; a narrower target never takes fewer."""
    targets = (0.001, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.2, 1.0)
    found = [estimate.expected_processes(until) for until in targets]
    assert [found[targets.index(until)] for until in (0.03, 0.05, 0.08)] == pytest.approx([5.0, 3.2, 2.4])
    assert found == sorted(found, reverse=True)
    assert (found[0], found[-1]) == (10.0, 2.0)


def test_a_target_adds_processes_and_a_budget_takes_them_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """1.2 more processes of each of three cases, and the servers of four rounds, two at a time."""
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: 2)
    cases = [structs.replace(CPU_CASE, seed=seed) for seed in range(3)]
    plan = KeptPlan(
        suite="one", cases=cases, ceilings=False, auto=False, protocol=MeasurementProtocol(), until=0.05
    )
    first = plan_processes.of_plan(plan)
    alone = estimate_seconds(first, plan.protocol)
    each = case_seconds(CPU_CASE, plan.protocol, facts=False)
    whole = alone + 1.2 * 3 * each + 2 * estimate.SERVER_SECONDS
    assert estimate.plan_seconds(plan, first) == pytest.approx(whole)
    assert estimate.plan_seconds(plan, first, alone / 2) == alone / 2
    promised = structs.replace(plan, budget_seconds=alone / 2)
    assert estimate.plan_seconds(promised, first) == alone
    fixed = structs.replace(plan, until=None, replicates=2)
    assert estimate.plan_seconds(fixed, first) == alone


def test_two_ranks_halve_the_step_and_make_rounds_of_three() -> None:
    """One without communication and two whole ones; one rank makes whole steps alone."""
    one = Case(model="vgg16", workload="training", batch=64, ranks=1, strategy="ddp")
    two = structs.replace(one, ranks=2)
    half = step_seconds(structs.replace(one, batch=32), COSTS, 1)
    protocol = structs.replace(PROTOCOL, min_samples=5)
    more = structs.replace(PROTOCOL, min_samples=6)
    costs = structs.replace(COSTS, reference_core=cpu_cores.core_flops())

    def of_a_sample(case: Case) -> float:
        return case_seconds(case, more, costs) - case_seconds(case, protocol, costs)

    assert of_a_sample(one) == pytest.approx(step_seconds(one, COSTS, 1))
    assert of_a_sample(two) == pytest.approx(half * 3)
