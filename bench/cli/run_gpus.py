"""convbench run --gpu all: a run for each GPU of the host, and one report of all of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import exit_code, options, output, run_cases
from bench.host.gpu_choice import ALL
from bench.plan import plan_processes
from bench.plan.suite_plan import Asked
from bench.runner import gpu_folders, plan_file
from bench.schema.plurals import how_many
from bench.store import RECORDS
from models.errors import UserError

if TYPE_CHECKING:
    from bench.cli.run_cases import Shown
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
    plans = _plans(asked, out, resume=resume, together=together)
    plan, planned = next(iter(plans.values())), sum(len(plan_processes.of_plan(p)) for p in plans.values())
    at_once = plan.gpus_at_once > 1
    if dry_run:
        from reports.pages import plan_report

        output.show(plan_report.dry_run_of(plan, budget, shown.format_))
        how = "at the same time" if at_once else "one after the other"
        output.note(f"this on each of {how_many(len(plans), 'GPU')}, {how}")
        return 0
    gpu_folders.keep(plans)
    try:
        ended = _measured(plans, resume=resume, budget=budget, planned=planned, at_once=at_once)
    except UserError:
        gpu_folders.forget(plans)
        raise
    for sentence in ended.refused:
        output.complain(sentence)
    runs = [folder for folder in plans if _holds_records(folder)]
    runs = [out] if len(runs) == len(plans) else runs
    code = exit_code.end(ended.result, planned, lambda: run_cases.report(runs, out, shown))
    return 1 if ended.refused else code


def _holds_records(folder: Path) -> bool:
    file = folder / RECORDS
    return file.exists() and file.stat().st_size > 0


def _plans(asked: Asked, out: Path, *, resume: bool, together: bool) -> gpu_folders.Plans:
    """By folder. UserError where the folder is resumed in another way than it was begun."""
    if not resume:
        return gpu_folders.new_plans(asked, options.all_gpus(), out, together=together)
    plans = gpu_folders.kept_plans(asked, out)
    if together and all(plan.gpus_at_once == 1 for plan in plans.values()):
        raise UserError(f"{out} was begun without --together. Choose another --out")
    return plans


def _measured(
    plans: gpu_folders.Plans, *, resume: bool, budget: float | None, planned: int, at_once: bool
) -> HostResult:
    began = time.monotonic()
    from bench.cli import progress
    from bench.runner import gpus_of_host

    def on_start(folder: Path) -> None:
        left = len(plan_file.pending(plans[folder], folder))
        output.note(f"{folder.name}: {how_many(left, 'process', 'processes')} to measure")

    with progress.progress(planned) as on_progress:
        asked: Options = gpus_of_host.Options(
            resume=resume,
            budget_seconds=budget,
            began=began,
            on_progress=on_progress,
            on_start=on_start,
        )
        return gpus_of_host.together(plans, asked) if at_once else gpus_of_host.in_turn(plans, asked)
