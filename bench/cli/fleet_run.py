"""convbench fleet run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from bench import executors
from bench.cli import completion, exit_code, kept_run, options, output
from bench.cli.axis_options import Axes, Given, axis_options
from bench.cli.fleet_lines import fleet_progress
from bench.contracts.executor import Executor, Node, Unreachable
from bench.fleet import dispatch, fleet_folder, fleet_plans
from bench.fleet.dispatch import Dispatch
from bench.fleet.fleet_plans import FleetAsked
from bench.host import command_line
from bench.plan import axes, suite_plan
from bench.plan.axes import AXES
from bench.schema.fleet_plan import FleetPlan, NodeState, Site
from bench.schema.plurals import how_many
from models.errors import UserError
from reports import formats
from reports.pages import fleet_state_report

USUAL = "local"


# long: its parameters are the options.
@axis_options
def fleet_run(
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the fleet, on a shared disk.")] = None,
    suite: options.Suite = None,
    given: Annotated[Given, Axes(*AXES)],
    executor: Annotated[
        str | None,
        typer.Option(
            help="local: jobs on this host. slurm: a job on each node. [default: local]",
            autocompletion=completion.of_names(executors.executors),
        ),
    ] = None,
    nodes: Annotated[
        str | None,
        typer.Option(
            help="Names of nodes as 'n[1-4],n7', or how many. Local: cells of this CPU. [default: all]"
        ),
    ] = None,
    partition: Annotated[
        str | None, typer.Option(help="Slurm's partition. [default: Slurm's own default]")
    ] = None,
    setup: Annotated[
        list[str] | None,
        typer.Option(help="Bash line that sets a node up, as 'module load cuda'; may be repeated."),
    ] = None,
    setup_file: Annotated[
        Path | None, typer.Option(help="File of such lines, read now and kept in the fleet's folder.")
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(help="Command ahead of convbench, as 'apptainer exec --nv image.sif'."),
    ] = None,
    convbench: Annotated[
        str | None,
        typer.Option(
            help="Command that starts convbench on a node. [default: this one; in a container `convbench`]"
        ),
    ] = None,
    sbatch: Annotated[
        list[str] | None, typer.Option(help="Further option of sbatch, as --account=me; may be repeated.")
    ] = None,
    jobs_at_once: Annotated[
        str | None, typer.Option(help="At most this many jobs at once. [default: 1 local, else any number]")
    ] = None,
    exclusive: Annotated[
        bool | None,
        typer.Option("--exclusive/--no-exclusive", help="Whether a job has its node for itself (default)."),
    ] = None,
    job_time: Annotated[
        str | None,
        typer.Option(help="Time limit of a job: 90m or 2h. [default: from the estimate, with room]"),
    ] = None,
    replicates: Annotated[
        str | None, typer.Option(help="Processes per case. [default: the suite's number, or 3]")
    ] = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    flush_l2: options.FlushL2 = None,
    ceilings: Annotated[bool | None, typer.Option(help="Measure each machine's peak first.")] = None,
    step_digest: Annotated[
        bool | None,
        typer.Option(help="Keep digests of a deterministic training step, to compare bits (default)."),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Measure the GPUs of a node at the same time.")
    ] = False,
    lock_clocks: options.LockClocks = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure what is missing; watch what is under way.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the jobs and the estimated time; submit nothing.")
    ] = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure a suite on every node, each by a job of its own, and wait for them.

    On nodes with GPUs a job measures all of them, one after the other. Every case gets a fixed number of
    processes. What is measured lies below --out, a folder that all nodes must share. A node that fails or
    disappears is named, and --resume measures what it lacks; --resume needs only --out.

    Ctrl-C ends local jobs. Jobs of a scheduler go on: `convbench fleet cancel` ends them.
    """
    if out is None:
        raise UserError("convbench fleet run needs --out FOLDER, on a disk that all nodes share")
    chosen = options.run_options_of(None, lock_clocks)
    asked = FleetAsked(
        run=suite_plan.Asked(
            suite=suite,
            given=given,
            replicates=replicates,
            target_ci=target_ci,
            time_limit=time_limit,
            flush_l2=flush_l2,
            step_digest=step_digest,
            ceilings=ceilings,
            lock_clocks_mhz=chosen.lock_clocks_mhz,
        ),
        nodes=nodes,
        together=together,
        site=_site(
            fleet_folder.read(out).site if resume else Site(convbench=fleet_plans.own_command()),
            setup=_lines(setup, setup_file),
            container=_words("--container", container),
            convbench=_words("--convbench", convbench),
            partition=partition,
            options=None if sbatch is None else tuple(sbatch),
            jobs_at_once=_number(jobs_at_once),
            exclusive=exclusive,
            job_seconds=None if job_time is None else axes.seconds("--job-time", job_time, 1e7),
        ),
        command=command_line.typed() or "",
    )
    if resume:
        return _resumed(out, asked, executor, format_, dry_run=dry_run)
    return _begun(out, asked, executor or USUAL, format_, dry_run=dry_run)


def _site(site: Site, **given: object) -> Site:
    """With what was given in its place. A container has a convbench of its own."""
    if given["container"] is not None and given["convbench"] is None:
        given["convbench"] = ("convbench",)
    return structs.replace(site, **{name: value for name, value in given.items() if value is not None})


def _lines(setup: list[str] | None, file: Path | None) -> tuple[str, ...] | None:
    """Those of the file first."""
    if setup is None and file is None:
        return None
    try:
        kept = file.read_text(encoding="utf-8").splitlines() if file is not None else []
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    return (*kept, *(setup or ()))


def _words(option: str, text: str | None) -> tuple[str, ...] | None:
    try:
        return None if text is None else tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"{option} is no command: {error}, got {text!r}") from error


def _number(text: str | None) -> int | None:
    return None if text is None else axes.whole_number("--jobs-at-once", text, 1, 100_000)


def _present(name: str) -> Executor:
    found = executors.get(name)
    reason = found.why_absent()
    if reason is not None:
        raise UserError(reason)
    return found


def _refuse_unused(executor: Executor, site: Site) -> None:
    """UserError for what only a scheduler knows: whoever gives it does not want this host measured."""
    for option, given in (("--partition", site.partition), ("--sbatch", site.options)):
        if given and executor.is_here:
            raise UserError(f"{option} needs a scheduler: add --executor slurm, or leave {option} out")


def _nodes(executor: Executor, wanted: str | None, site: Site) -> tuple[Node, ...]:
    try:
        return executor.nodes(wanted, site)
    except Unreachable as error:
        raise UserError(f"{executor.name} does not answer: {error}") from error


def _begun(out: Path, asked: FleetAsked, name: str, format_: str, *, dry_run: bool) -> int:
    executor = _present(name)
    _refuse_unused(executor, asked.site)
    fleet_folder.refuse_used(out)
    nodes = _nodes(executor, asked.nodes, asked.site)
    plan = fleet_plans.of_nodes(asked, executor, nodes, out)
    if dry_run:
        output.show(fleet_state_report.dry_run(plan, executor, nodes, format_))
        return 0
    with dispatch.alone(out):
        fleet_folder.refuse_used(out)
        fleet_plans.keep_suite(asked.run, out)
        fleet_folder.write(out, plan)
        return _watched(out, plan, executor, _down(nodes), format_, resume=False)


def _resumed(out: Path, asked: FleetAsked, name: str | None, format_: str, *, dry_run: bool) -> int:
    plan = fleet_plans.resumed(fleet_folder.read(out), asked, name, out)
    executor = _present(plan.executor)
    _refuse_unused(executor, plan.site)
    nodes = _nodes(executor, ",".join(plan.nodes), plan.site)
    if asked.nodes is not None and _nodes(executor, asked.nodes, plan.site) != nodes:
        raise UserError(f"--nodes is {', '.join(plan.nodes)} in the plan of {out}, got {asked.nodes}")
    if dry_run:
        states, _ = dispatch.asked_now(out, plan, executor)
        missing = [node for node in nodes for state in states if state.node == node.name and state.is_gap]
        output.show(fleet_state_report.dry_run(plan, executor, missing, format_))
        return 0
    with dispatch.alone(out):
        fleet_folder.write(out, plan)
        return _watched(out, plan, executor, _down(nodes), format_, resume=True)


def _down(nodes: tuple[Node, ...]) -> dict[str, str]:
    return {node.name: node.why_unusable for node in nodes if node.why_unusable is not None}


def _watched(
    out: Path, plan: FleetPlan, executor: Executor, down: dict[str, str], format_: str, *, resume: bool
) -> int:
    """Submit and watch; what is under way here ends with this command, and what a scheduler has goes on."""
    kept_run.current.begin(out)
    with fleet_progress(plan, out) as tell:
        jobs = Dispatch(out.resolve(), plan, executor, tell)
        try:
            states = jobs.run(down, resume=resume)
        except BaseException:
            if executor.is_here:
                jobs.cancel()
            elif jobs.under_way():
                output.note(_left(len(jobs.under_way()), out))
            raise
    output.show(formats.content(format_, fleet_state_report.document(out, plan, states)))
    return code(states)


def _left(jobs: int, out: Path) -> str:
    verbs, them = ("waits or runs", "it") if jobs == 1 else ("wait or run", "them")
    cancel = f"convbench fleet cancel {shlex.quote(str(out))}"
    return f"{how_many(jobs, 'job')} still {verbs}: {cancel} ends {them}"


def code(states: tuple[NodeState, ...]) -> int:
    """3 where something is missing, or else 1 where a case failed."""
    if any(state.state != "complete" for state in states):
        return exit_code.INCOMPLETE
    return 1 if any(state.failed for state in states) else 0
