"""The next command of a run: what helps most against its worst defect, else what one asks next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench.plan.feasibility import ACCIDENTS
from bench.plan.suite import MOST_PROCESSES
from bench.schema.case import Case
from bench.schema.plurals import how_many
from reports.analysis.best_measured import BestMeasured
from reports.analysis.contradictions import above_peak
from reports.analysis.further_processes import narrowing, plan_of, resume_command, seconds_to, share
from reports.analysis.utilisation import Utilisation
from reports.document import NextStep
from reports.summary.contended import not_alone
from reports.summary.figures import Summary
from reports.tables.case_command import best_command, ceilings_command, run_command

_PROCESSES = 3
"""Of a peak that is measured again: what an interval takes."""


class Unfinished(Struct, frozen=True):
    """Cases of a run's plan that have no record yet. Of a shard the number of processes is fixed."""

    missing: tuple[Case, ...] = ()
    is_shard: bool = False


def unfinished(summary: Summary, directories: Sequence[Path]) -> Unfinished:
    """Of the only directory; nothing where it keeps no plan."""
    plan = plan_of(directories[0]) if len(directories) == 1 else None
    if plan is None:
        return Unfinished()
    known = {figure.case for figure in summary.figures} | {each.case for each in summary.outcomes}
    planned = dict.fromkeys(case.without_replicate() for case in plan.cases)
    missing = tuple(case for case in planned if case not in known)
    return Unfinished(missing, is_shard=plan.shard is not None)


def next_step(
    summary: Summary,
    tasks: Sequence[BestMeasured],
    reached: Sequence[Utilisation],
    directories: Sequence[Path],
    left: Unfinished,
    target: float,
) -> NextStep:
    """Complete, to be pasted; only a single folder that keeps its plan is gone on with. A network above the
    measured peak asks for another peak before anything else but what is missing. Several machines are not
    measured again from one of them: which of them is slow is what one asks next."""
    resume = resume_command(directories[0]) if len(directories) == 1 else None
    above = _peak_again(summary, reached)
    if resume is not None:
        step = _lacking(summary, resume, left) or above
        if step is None and not left.is_shard:
            step = _resuming(summary, tasks, resume, target)
        if step is not None:
            return step
    several = next((each.units for each in summary.figures if len(set(each.units)) > 1), ())
    if above is None and tasks and directories and several:
        what = "GPU" if several[0].is_gpu else "machine"
        command = f"convbench fleet report {shlex.join(map(str, directories))}"
        return NextStep(command=command, purpose=f"shows which {what} is slow")
    return above or _following(tasks, directories, target)


def _peak_again(summary: Summary, reached: Sequence[Utilisation]) -> NextStep | None:
    """What measures a peak again that a network computed faster than; None where none did."""
    found = list(above_peak(reached))
    if not found:
        return None
    worst = max(found, key=lambda each: each.times).reached
    alone = ", once no other program runs" if not_alone(summary.figures) else ""
    seconds = [summary.seconds[case] for case in summary.seconds if case.workload == "ceiling"]
    return NextStep(
        command=ceilings_command(worst.subject.case, worst.dtype, "--replicates", str(_PROCESSES)),
        purpose=f"measures the peak again{alone}",
        seconds=_PROCESSES * max(seconds) if seconds else None,
        has_dry_run=True,
    )


def _lacking(summary: Summary, resume: str, left: Unfinished) -> NextStep | None:
    """What measures cases that have no figure; None where there are none."""
    failed = {outcome.case for outcome in summary.outcomes if outcome.status in ACCIDENTS}
    if left.missing:
        purpose = f"measures the remaining {how_many(len(left.missing), 'case')}"
        return NextStep(command=resume, purpose=purpose, has_dry_run=True)
    if failed:
        return NextStep(command=resume, purpose="tries again what failed", has_dry_run=True)
    return None


def _resuming(summary: Summary, tasks: Sequence[BestMeasured], resume: str, target: float) -> NextStep | None:
    """The command that narrows a complete run; None where its intervals are narrow enough."""
    single = [task for task in tasks if len(task.shown.time.medians) == 1]
    found = narrowing(summary, target)
    if single or found.wide > found.beyond:
        narrowed = found.wide - found.beyond
        return NextStep(
            command=f"{resume} --until {share(target)}",
            purpose=(
                f"more processes for {how_many(len(single), 'case')}"
                if single
                else f"narrows {how_many(narrowed, 'case')}"
            ),
            seconds=None if single else found.seconds,
            has_dry_run=True,
        )
    if found.wide:
        first = ", once no other program runs" if not_alone(summary.figures) else ""
        return NextStep(
            command=f"{resume} --replicates {2 * MOST_PROCESSES}",
            purpose=f"narrows {how_many(found.wide, 'case')}{first}",
            seconds=seconds_to(2 * MOST_PROCESSES, summary),
        )
    if tasks and all(task.shown.arithmetic is None for task in tasks):
        return NextStep(command=f"{resume} --ceilings", purpose="measures the peak, for % of peak")
    return None


def _following(tasks: Sequence[BestMeasured], directories: Sequence[Path], target: float) -> NextStep:
    """What one asks next of the slowest network; where no time is resolved, a run that resolves one."""
    resolved = [task for task in tasks if task.is_resolved]
    if resolved:
        slowest = max(resolved, key=lambda task: task.shown.time.median / task.case.batch)
        return NextStep(command=best_command(slowest.case), purpose="finds its fastest configuration")
    if tasks:
        command = f"{run_command(tasks[0].case)} --until {share(target)}"
        return NextStep(command=command, purpose="measures it in as many processes as it takes, 10 at most")
    if directories:
        runs = shlex.join(map(str, directories))
        return NextStep(command=f"convbench report {runs} -o report.html", purpose="all figures as a page")
    return NextStep(command="convbench doctor", purpose="finds what makes measurements unreliable")
