"""How long a plan takes, before it runs: right where its costs were found, and of the right size elsewhere.

The costs of a device stand in its file, as `Traits.costs`; docs/method.md, "The estimate of a plan".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence

from msgspec import structs

from bench import datasets, devices, engines
from bench.contracts.costs import Costs
from bench.contracts.device import Traits
from bench.contracts.energy_source import BEFORE_SECONDS
from bench.host import cpu_cores
from bench.plan import plan_processes
from bench.plan.step_seconds import layers_of, step_seconds
from bench.plan.suite import MOST_PROCESSES, first_processes
from bench.schema.case import ARITHMETIC, Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.timing.repeats import Repeats, enough_on_queue, enough_samples, repeats_of

SERVER_SECONDS = 2.5
"""A fork server, which imports torch; a round has one, and each process of a pair of `ab`."""
INDUCTOR_SECONDS = 1.0
"""More, where it imports torch.compile's compiler too."""
REPORT_SECONDS = 3.0
"""The report of a run, with its plots."""
_SWEEP_SECONDS = 1.0
"""Of messages between ranks: some dozens of sizes, the largest of 16 MiB on a host and of 256 MiB on GPUs."""
_WARM_UP_STEPS = 8
"""Two windows of three rarely agree at once ..."""
_TWO_WINDOWS = 6
"""... and are not waited for where the limit leaves no room for so many."""
_OTHER_STEPS = 5
"""Beside the timing: the first one, and those of the memory's passes ..."""
_FACT_STEPS = 3
"""... which on a host the first process of a case alone has."""
_SHIELD_STEPS = 1
"""Behind which device time is taken, unless the step is launch-bound."""
_TRIAL_STEPS = 12
"""On a queue more: those that choose the repeats and the shield, and keep it busy while clocks are read."""
_INSTRUCTIONS = {
    "bf16": frozenset({"avx512f", "bf16"}),
    "fp16": frozenset({"avx512_fp16", "amx_fp16", "fphp"}),
}
"""Of a processor, one of which its convolutions in this arithmetic need."""
_FEWEST_SAMPLES = 6
"""Fewer have no 95% interval, and so never reach the target."""
_SIMULATED = ((0.03, 5.0), (0.05, 3.2), (0.08, 2.4))
"""Target and mean number of processes until it is met, of 12 cases: docs/statistics.md."""
_FURTHER_ROUNDS = 4
"""That follow the first ones: the last hold few cases."""
_HALF_WIDTH = 2.5
"""Half of a median's 95% interval, in standard deviations over the root of the number of samples."""


def estimate_seconds(planned: Collection[Case], protocol: MeasurementProtocol) -> float:
    """About how long a run of the cases takes, with its servers and its report."""
    if not planned:
        return 0.0
    cases = sum(case_seconds(case, protocol, facts=case.replicate == 1) for case in planned)
    replicates = sorted({case.replicate for case in planned})
    rounds = [[case for case in planned if case.replicate == each] for each in replicates]
    return cases + servers_seconds(rounds, cpu_cores.usable_cores()) + REPORT_SECONDS


def plan_seconds(plan: KeptPlan, runnable: Collection[Case], budget_seconds: float | None = None) -> float:
    """About how long a plan takes whose first processes `runnable` are: with what its target asks for, and
    within its budget."""
    first = estimate_seconds(runnable, plan.protocol)
    whole = first + further_seconds(plan, runnable)
    if budget_seconds is not None:
        return min(whole, budget_seconds)
    return whole if plan.budget_seconds is None else min(whole, max(first, plan.budget_seconds))


def further_seconds(plan: KeptPlan, runnable: Iterable[Case]) -> float:
    """About how long the processes take that a plan's target asks for after its first ones, of those cases
    that can run; 0 without a target."""
    if plan.until is None:
        return 0.0
    more = expected_processes(plan.until) - first_processes(plan.until)
    able = {case for case in runnable if case.replicate == 1}
    waited = [case for case in plan_processes.waited_for(plan) if case in able]
    cases = sum(case_seconds(case, plan.protocol, facts=False) for case in waited)
    rounds = [waited] * _FURTHER_ROUNDS if waited else []
    return max(0.0, more) * cases + servers_seconds(rounds, cpu_cores.usable_cores())


def expected_processes(until: float) -> float:
    """Of a case, in the mean, until its interval is narrow enough: interpolated in what was simulated."""
    (low, most), *_, (high, least) = _SIMULATED
    if until <= low:
        return min(float(MOST_PROCESSES), most * (low / until) ** 2)
    for (left, more), (right, fewer) in itertools.pairwise(_SIMULATED):
        if left <= until <= right:
            share = math.log(until / left) / math.log(right / left)
            return more + share * (fewer - more)
    return max(float(first_processes(until)), least * high / until)


def server_seconds(planned: Collection[Case]) -> float:
    """A fork server for these cases."""
    compiled = any(case.workload != "ceiling" and engines.get(case.engine).compiles for case in planned)
    return SERVER_SECONDS + (INDUCTOR_SECONDS if compiled else 0.0)


def servers_seconds(rounds: Sequence[Collection[Case]], cores: int = 2) -> float:
    """The servers of these rounds: two start at once where there is a core for each."""
    seconds = [server_seconds(cases) for cases in rounds]
    if cores < 2:
        return sum(seconds)
    return sum(map(max, itertools.zip_longest(seconds[::2], seconds[1::2], fillvalue=0.0)))


def case_seconds(
    case: Case, protocol: MeasurementProtocol, costs: Costs | None = None, *, facts: bool = True
) -> float:
    """The processes of one case, asked for `facts` or not; `costs` are those of its device unless given."""
    traits = devices.traits(case.device)
    costs = costs or traits.costs
    if lacks_instructions(case):
        return 0.0
    if case.workload == "ceiling":
        return costs.ceiling_seconds
    step = step_seconds(_share_of_a_rank(case), costs, cores_of(case, costs))
    work = layers_of(case.model, case.channels, case.image, case.classes)
    process = costs.process_seconds + costs.parameter_seconds * sum(layer.parameters for layer in work)
    if case.task is not None:
        return process + _steps_of(case) * step
    first = _first_seconds(case, costs, len(work))
    compiling = process if engines.get(case.engine).compiles else 0.0
    steps = _OTHER_STEPS if facts or not traits.is_host else _OTHER_STEPS - _FACT_STEPS
    steps += 0 if len(traits.clocks) == 1 else _TRIAL_STEPS
    sampling = sum(_pass_seconds(clock, step, case, protocol, costs) for clock in traits.clocks)
    sampling += _between_ranks_seconds(step, case, protocol, costs)
    return (
        process
        + compiling
        + first
        + steps * step
        + _warm_up_seconds(step, protocol)
        + sampling
        + _energy_seconds(step, traits, protocol)
    )


def _share_of_a_rank(case: Case) -> Case:
    """Of a job of several ranks what each does: its messages are known only when it runs."""
    return structs.replace(case, batch=-(-case.batch // case.ranks))


def _between_ranks_seconds(step: float, case: Case, protocol: MeasurementProtocol, costs: Costs) -> float:
    """Beyond the passes of one rank: a sample of several is a round of three steps; messages are swept."""
    if case.ranks == 1:
        return 0.0
    clock = devices.traits(case.device).clocks[0]
    rounds, steps = (_pass_seconds(clock, many * step, case, protocol, costs) for many in (3, 1))
    return rounds - steps + _SWEEP_SECONDS


def lacks_instructions(case: Case) -> bool:
    """Whether torch will probably skip a case for want of instructions of this processor; only it can say."""
    needed = _INSTRUCTIONS.get(ARITHMETIC[case.precision])
    return (
        devices.traits(case.device).is_host
        and needed is not None
        and needed.isdisjoint(cpu_cores.instructions())
    )


def cores_of(case: Case, costs: Costs) -> float:
    """How many cores of the machine where the costs were found do the work of the case's threads here; 1 of
    what is not the host."""
    if not devices.traits(case.device).is_host:
        return 1.0
    reference = costs.reference_core or cpu_cores.core_flops()
    return case.threads * cpu_cores.core_flops() / reference


def _steps_of(case: Case) -> int:
    assert case.task is not None
    return case.task.recipe.epochs * math.ceil(datasets.get(case.task.dataset).train_images / case.batch)


def _first_seconds(case: Case, costs: Costs, layers: int) -> float:
    """Beyond a step: the search for kernels, or compiling from an empty cache and from a filled one."""
    passes = 2 if case.workload == "training" else 1
    if engines.get(case.engine).compiles:
        return passes * layers * (costs.compile_seconds + costs.recompile_seconds)
    return passes * layers * costs.first_step_seconds


def _warm_up_seconds(step: float, protocol: MeasurementProtocol) -> float:
    least = max(protocol.warmup_steps, math.ceil(protocol.warmup_seconds / step)) * step
    if least < _TWO_WINDOWS * step and _TWO_WINDOWS * step > protocol.warmup_limit_seconds:
        return least
    steps = max(protocol.warmup_steps, _WARM_UP_STEPS) * step
    return max(
        protocol.warmup_seconds, protocol.warmup_steps * step, min(steps, protocol.warmup_limit_seconds)
    )


def samples_of(case: Case, protocol: MeasurementProtocol) -> int:
    """About how many samples a process of a timed case keeps, over all clocks."""
    traits = devices.traits(case.device)
    step = step_seconds(_share_of_a_rank(case), traits.costs, cores_of(case, traits.costs))
    return sum(_window(clock, step, case, protocol, traits.costs)[0] for clock in traits.clocks)


def _pass_seconds(clock: str, step: float, case: Case, protocol: MeasurementProtocol, costs: Costs) -> float:
    samples, seconds = _window(clock, step, case, protocol, costs)
    return samples * seconds


def _window(
    clock: str, step: float, case: Case, protocol: MeasurementProtocol, costs: Costs
) -> tuple[int, float]:
    """One clock's samples, those that reach the target or that fit into its time, and the seconds of one."""
    is_queued = len(devices.traits(case.device).clocks) > 1
    repeats = (
        repeats_of(step, step, _SHIELD_STEPS, alone=protocol.flush_l2) if is_queued else {clock: Repeats()}
    )
    phased = case.workload == "training" and not case.strategy
    sample = step * repeats[clock].steps(phased=phased)
    fewest = enough_on_queue(protocol, sample) if is_queued else enough_samples(protocol, step)
    needed = max(_FEWEST_SAMPLES, math.ceil((_HALF_WIDTH * costs.noise / protocol.target_ci) ** 2))
    fitting = int(protocol.sampling_seconds / sample)
    return min(protocol.max_samples, max(fewest, min(needed, fitting))), sample


def _energy_seconds(step: float, traits: Traits, protocol: MeasurementProtocol) -> float:
    counted = traits.counts_energy and protocol.energy_seconds > 0
    return max(protocol.energy_seconds, 3 * step) + BEFORE_SECONDS if counted else 0.0
