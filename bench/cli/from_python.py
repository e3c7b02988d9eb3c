"""What `import convbench` does where commands print: a run with a bar at most, and a live module timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from bench.cli import options, run_gpus
from bench.cli.live_stages import stages
from bench.cli.progress import progress
from bench.plan import plan_processes
from bench.plan.suite_plan import Asked
from bench.runner import plan_file
from bench.runner.execute import RunResult, run_kept
from bench.schema.case import MeasurementProtocol
from bench.schema.case_warnings import in_words
from reports.pages.module_report import Measured, phase_time


class Ended(Struct, frozen=True):
    """How a run ended; `refused` says of each GPU that could not be measured why."""

    result: RunResult
    refused: Sequence[str] = ()


class How(Struct, frozen=True):
    """The options of a run that are none of its plan; `gpu` and `lock_clocks_mhz` as a program gives them."""

    gpu: int | str | None
    lock_clocks_mhz: int | None
    resume: bool
    together: bool
    budget: float | None


def run(asked: Asked, out: Path, how: How, *, is_shown: bool) -> Ended:
    """Measure what is asked for, on all GPUs where that is meant (`bench.cli.run_gpus.is_meant`). UserError
    before anything is written."""
    resume, gpu = how.resume, None if how.gpu is None else str(how.gpu)
    on_all = run_gpus.is_meant(gpu, out, resume=resume, together=how.together)
    chosen = options.run_options_of(None if on_all else gpu, how.lock_clocks_mhz)
    asked = structs.replace(asked, gpu=chosen.gpu, lock_clocks_mhz=chosen.lock_clocks_mhz)
    if on_all:
        plans = run_gpus.plans_of(asked, out, resume=resume, together=how.together)
        with progress(plans.processes, is_wanted=is_shown, in_lines=False) as on_progress:
            host = run_gpus.measure(plans, resume=resume, budget=how.budget, on_progress=on_progress)
        return Ended(host.result, host.refused)
    plan = plan_file.plan_for(asked, out, resume=resume)
    with progress(len(plan_processes.of_plan(plan)), is_wanted=is_shown, in_lines=False) as on_progress:
        return Ended(run_kept(plan, out, resume=resume, budget_seconds=how.budget, on_progress=on_progress))


def measured(
    name: str, live: Any, time_live: Callable[..., Any], protocol: MeasurementProtocol, *, is_shown: bool
) -> Measured:
    """A live module of this name, timed: a `bench.child.live_module.LiveModule` and the function for it,
    which the parent's code does not import."""
    with stages(name, is_wanted=is_shown) as on_stage:
        found = time_live(live, protocol, on_stage)
    timed = [each for each in found.measurements if each.unit == "s" and not each.disturbed]
    return Measured(
        module=name,
        workload=live.workload,
        device=found.device,
        precision=live.precision,
        effective=found.effective,
        engine=live.engine,
        threads=found.threads,
        times=tuple(map(phase_time, timed)),
        warnings=tuple(map(in_words, found.warnings)),
        invalid=found.invalid,
    )
