"""What `convbench fleet run` is asked for -> the plan of a fleet; UserError before anything is written."""

from __future__ import annotations

import shlex
import sys
import sysconfig
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from bench import devices
from bench.contracts.executor import Executor, Node
from bench.fleet import fleet_folder
from bench.plan import estimate, named_suites, plan_processes, suite_plan
from bench.plan.suite_plan import USUAL_SUITE, Asked
from bench.schema import tuning
from bench.schema.fleet_plan import FleetPlan, Site
from models.errors import UserError

USUAL_REPLICATES = 3
"""Of a suite whose intervals decide elsewhere: the machines of a fleet must do the same work."""
_ROOT = Path(__file__).resolve().parents[2]


class FleetAsked(Struct, frozen=True, kw_only=True):
    """What is to run on which nodes.

    run       as `convbench run` is asked
    together  whether the GPUs of a node are measured at the same time
    nodes     a list or a number, as the executor takes it; None for all that it has
    command   as one types it
    """

    run: Asked
    together: bool = False
    nodes: str | None = None
    site: Site
    command: str


def own_command() -> tuple[str, ...]:
    """The words that start this convbench on a node that shares its folders."""
    words = (sys.executable, "-P", "-m", "bench")
    if Path(sysconfig.get_path("purelib")).resolve() == _ROOT:
        return words
    return ("env", f"PYTHONPATH={_ROOT}", *words)


def of_nodes(asked: FleetAsked, executor: Executor, nodes: Sequence[Node], folder: Path) -> FleetPlan:
    """The plan of a fleet in this folder. Where no device is named it is the GPUs of nodes that have some."""
    fleet_folder.refuse_unsafe(node.name for node in nodes)
    if not nodes:
        raise UserError(f"--nodes names no node, got {asked.nodes!r}")
    device = _device(asked.run, executor, nodes)
    run = _fixed(asked.run, device)
    plan = suite_plan.of_suite(run, None if executor.is_here else device)
    on_gpus = devices.traits(device).uses_nvml
    if on_gpus and executor.is_here and len(nodes) > 1:
        raise UserError("one job measures all GPUs of this host: leave --nodes out, or add --device cpu")
    gpus = max((node.gpus for node in nodes), default=0) if on_gpus and not asked.together else 1
    return FleetPlan(
        name=f"convbench-{uuid.uuid4().hex[:8]}",
        command=asked.command,
        arguments=tuple(_arguments(run, device, folder, together=asked.together)),
        plan=plan,
        executor=executor.name,
        nodes=tuple(node.name for node in nodes),
        site=asked.site,
        folder=str(Path.cwd()),
        seconds=max(1, gpus) * estimate.estimate_seconds(plan_processes.of_plan(plan), plan.protocol),
        began_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _device(run: Asked, executor: Executor, nodes: Sequence[Node]) -> str:
    """What `auto` means on all of the nodes. UserError where it would mean two things."""
    named = set(run.given.get("device", ())) - {"auto"}
    if len(named) == 1:
        return str(named.pop())
    if executor.is_here:
        return devices.auto()
    with_gpus = [node.name for node in nodes if node.gpus]
    if with_gpus and len(with_gpus) < len(nodes):
        raise UserError(
            f"{len(with_gpus)} of {len(nodes)} nodes have GPUs: name --nodes or --partition of one kind, or "
            "--device"
        )
    return (devices.of_nvidia() if with_gpus else devices.host()).name


def _fixed(run: Asked, device: str) -> Asked:
    """With a number of processes and without `auto`: a node whose driver fails must not measure its CPU. A
    fleet has what to compare bits with, so each network makes a deterministic step unless nobody wants it."""
    if run.until is not None:
        raise UserError("a fleet measures a fixed number of processes per case: give --replicates")
    given = {axis: values for axis, values in run.given.items() if axis != "device" or values != ("auto",)}
    if not devices.traits(device).uses_nvml:
        given.setdefault("device", (device,))
    suite = named_suites.find(run.suite or USUAL_SUITE, device)
    is_open = run.replicates is None and suite.until is not None
    return structs.replace(
        run,
        given=given,
        replicates=USUAL_REPLICATES if is_open else run.replicates,
        step_digest=run.step_digest is not False,
    )


def _arguments(run: Asked, device: str, folder: Path, *, together: bool) -> list[str]:
    """Of `convbench run` on every node. The folder keeps a copy of a suite that is a file. UserError for
    --together without GPUs."""
    if together and not devices.traits(device).uses_nvml:
        raise UserError("--together measures the GPUs of a node at the same time, and this fleet has none")
    suite = run.suite or USUAL_SUITE
    kept = str(folder.resolve() / fleet_folder.SUITE) if suite.endswith(".toml") else suite
    words = ["run", "--suite", kept]
    for axis, values in run.given.items():
        words += [word for value in values for word in (f"--{axis}", str(value) or tuning.NONE)]
    for option, value in (
        ("--replicates", run.replicates),
        ("--target-ci", run.target_ci),
        ("--time-limit", run.time_limit),
        ("--lock-clocks", run.lock_clocks_mhz),
    ):
        words += [] if value is None else [option, str(value)]
    for option, is_on in (
        ("flush-l2", run.flush_l2),
        ("ceilings", run.ceilings),
        ("step-digest", run.step_digest),
    ):
        words += [] if is_on is None else [f"--{option}" if is_on else f"--no-{option}"]
    if devices.traits(device).uses_nvml:
        words += ["--gpu", run.gpu or "all", *(["--together"] if together else [])]
    return words


def keep_suite(asked: Asked, folder: Path) -> None:
    """Copy the suite's file beside the plan. UserError where that is refused."""
    if asked.suite is not None and asked.suite.endswith(".toml"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / fleet_folder.SUITE).write_bytes(Path(asked.suite).read_bytes())
        except OSError as error:
            raise UserError(f"cannot copy {asked.suite}: {error.strerror or error}") from error


def resumed(kept: FleetPlan, asked: FleetAsked, executor: str | None, folder: Path) -> FleetPlan:
    """The kept plan, with what is said of the site now: the command by which the fleet was begun resumes it
    too. UserError where something else is to be measured, or elsewhere."""
    if executor not in (None, kept.executor):
        raise UserError(f"--executor is {kept.executor} in the plan of {folder}, got {executor}")
    if asked.run == Asked() and not asked.together:
        return structs.replace(kept, site=asked.site)
    device = (devices.of_nvidia() if "--gpu" in kept.arguments else devices.host()).name
    wanted = _arguments(_fixed(asked.run, device), device, folder, together=asked.together)
    if tuple(wanted) != kept.arguments:
        raise UserError(
            f"{folder} measures `{shlex.join(kept.arguments)}` on each node, got `{shlex.join(wanted)}`. "
            "--resume needs only --out"
        )
    return structs.replace(kept, site=asked.site)
