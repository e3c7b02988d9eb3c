"""The script that a job runs on its node, and how long it may take."""

from __future__ import annotations

import shlex
from pathlib import Path

from bench.fleet.job_files import JobFiles
from bench.schema.fleet_plan import FleetPlan

_TWICE = 2.0
"""An estimate of a machine on which nothing was ever measured may be wrong by so much ..."""
_MORE_SECONDS = 180.0
"""... and a cold network disk takes minutes to bring torch."""
_END_SECONDS = 120.0
"""From the end of the last case to that of the job: the report."""

# Of the shell's own commands only: it runs before the node is set up.
_SCRIPT = """\
#!/bin/bash
# Node {node}, attempt {attempt}. Written by convbench fleet run.
at={at}
stage=setup
left() {{
    code=$?
    [ "$stage" = setup ] && echo "convbench: the setup of this node failed with exit code $code"
    echo "$code" > "$at.exit"
}}
trap left EXIT
# Without these a shell that is ended leaves the code of the command before.
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
echo "${{SLURM_JOB_ID:--}} $(date +%s)" > "$at.started"
export CONVBENCH_NODE_NAME={node}
cd {folder} || exit 1
set -e
{setup}
set +e
stage=measuring
{command}
"""


def text(plan: FleetPlan, files: JobFiles, node: str, attempt: int, out: Path, *, resume: bool) -> str:
    """The script of bash: it sets the node up, runs convbench, and leaves the exit code beside itself."""
    words = [*plan.site.container, *plan.site.convbench, *run_words(plan, out, resume=resume)]
    return _SCRIPT.format(
        node=shlex.quote(node),
        attempt=attempt,
        at=shlex.quote(str(files.path("sh").with_suffix(""))),
        folder=shlex.quote(plan.folder),
        setup="\n".join(plan.site.setup) or ":",
        command=shlex.join(words),
    )


def run_words(plan: FleetPlan, out: Path, *, resume: bool) -> list[str]:
    """`run --suite smoke ... --out FOLDER`"""
    budget = f"{max(1.0, budget_seconds(plan)):.0f}"  # 0 is none
    return [*plan.arguments, "--budget", budget, *(["--resume"] if resume else []), "--out", str(out)]


def budget_seconds(plan: FleetPlan) -> float:
    """After which convbench begins no process on a node: well below the job's time limit."""
    if plan.site.job_seconds is None:
        return _TWICE * plan.seconds + _MORE_SECONDS
    left = plan.site.job_seconds - _case_seconds(plan) - _END_SECONDS
    return max(left, plan.site.job_seconds / 2)


def limit_seconds(plan: FleetPlan) -> float:
    """After which the scheduler ends a job: the budget, the longest case and the end."""
    if plan.site.job_seconds is not None:
        return plan.site.job_seconds
    return budget_seconds(plan) + _case_seconds(plan) + _END_SECONDS


def _case_seconds(plan: FleetPlan) -> float:
    return plan.plan.protocol.time_limit_seconds
