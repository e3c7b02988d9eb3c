"""convbench run --gpu all: a run for each GPU of the host, and one report of all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bench.cli import exit_code, options, output, run_cases
from bench.host.gpu_choice import ALL
from bench.plan import plan_processes
from bench.plan.suite_plan import Asked
from bench.runner import gpu_folders, plan_file
from bench.schema.kept_plan import KeptPlan
from bench.schema.plurals import how_many
from bench.store import RECORDS
from models.errors import UserError

if TYPE_CHECKING:
    from bench.cli.run_cases import Shown
    from bench.runner.events import OnProgress
    from bench.runner.gpus_of_host import HostResult, Options


def is_meant(gpu: str | None, out: Path | None, *, resume: bool, together: bool) -> bool:
    """Whether all GPUs are to be measured: asked for, or begun in the folder that is resumed.

    Raises UserError for --together without that.
    """
    if gpu == ALL or (resume and gpu is None and out is not None and gpu_folders.begun(out)):
        return True
    if together:
        raise UserError("--together measures all GPUs of this host at the same time: add --gpu all")
    return False


class HostPlans(Struct, frozen=True):
    """What is measured on which GPU, by folder, and the folders of GPUs that were replaced since the run was
    begun."""

    plans: gpu_folders.Plans
    replaced: Sequence[Path] = ()

    @property
    def processes(self) -> int:
        """Those of all GPUs."""
        return sum(len(plan_processes.of_plan(plan)) for plan in self.plans.values())

    @property
    def any(self) -> KeptPlan:
        """That of the first GPU: the others differ in their GPU alone."""
        return next(iter(self.plans.values()))


def run(
    asked: Asked,
    out: Path,
    budget: float | None,
    shown: Shown,
    *,
    resume: bool,
    together: bool,
    dry_run: bool,
) -> int:
    """Measure what is pending on each GPU, each in a folder below `out`; the exit code."""
    found = plans_of(asked, out, resume=resume, together=together)
    plans = found.plans
    if dry_run:
        from reports.pages import plan_report

        output.show(plan_report.dry_run_of(found.any, budget, shown.format_))
        how = "at the same time" if found.any.gpus_at_once > 1 else "one after the other"
        output.note(f"this on each of {how_many(len(plans), 'GPU')}, {how}")
        return 0
    for gone in found.replaced:
        output.complain(f"{gone.name} is not in this machine any more: another GPU is measured in its place")
    from bench.cli import progress

    def on_start(folder: Path) -> None:
        left = len(plan_file.pending(plans[folder], folder))
        output.note(f"{folder.name}: {how_many(left, 'process', 'processes')} to measure")

    with progress.progress(found.processes) as on_progress:
        ended = measure(found, resume=resume, budget=budget, on_progress=on_progress, on_start=on_start)
    for sentence in ended.refused:
        output.complain(sentence)
    runs = [folder for folder in plans if _holds_records(folder)]
    runs = [out] if len(runs) == len(plans) else runs
    code = exit_code.end(ended.result, found.processes, lambda: run_cases.report(runs, out, shown))
    return 1 if ended.refused else code


def measure(
    found: HostPlans,
    *,
    resume: bool,
    budget: float | None,
    on_progress: OnProgress,
    on_start: Callable[[Path], None] = lambda folder: None,
) -> HostResult:
    """Keep the plans and measure what is pending. UserError, with nothing left, where nothing could be."""
    from bench.runner import gpus_of_host

    began = time.monotonic()
    gpu_folders.keep(found.plans)
    gpu_folders.mark_replaced(found.replaced)
    options_: Options = gpus_of_host.Options(
        resume=resume, budget_seconds=budget, began=began, on_progress=on_progress, on_start=on_start
    )
    measured = gpus_of_host.together if found.any.gpus_at_once > 1 else gpus_of_host.in_turn
    try:
        return measured(found.plans, options_)
    except UserError:
        gpu_folders.forget(found.plans)
        raise


def _holds_records(folder: Path) -> bool:
    file = folder / RECORDS
    return file.exists() and file.stat().st_size > 0


def plans_of(asked: Asked, out: Path, *, resume: bool, together: bool) -> HostPlans:
    """Nothing is written. UserError where the folder is resumed in another way than it was begun."""
    if not resume:
        return HostPlans(gpu_folders.new_plans(asked, options.all_gpus(), out, together=together))
    plans = gpu_folders.kept_plans(asked, out)
    if together and all(plan.gpus_at_once == 1 for plan in plans.values()):
        raise UserError(f"{out} was begun without --together. Choose another --out")
    return HostPlans(*gpu_folders.with_replaced(plans, options.all_gpus()))
