"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from bench import devices
from bench.cli import completion
from bench.plan.axes import AXES, MOST_MHZ, whole_number
from bench.runner.run_options import RunOptions
from bench.stats.verdicts import FailOn
from models.errors import UserError, unknown

MOST_MARGIN = 0.5

OneDevice = Annotated[
    str,
    typer.Option(
        "--device",
        help=f"{', '.join(devices.devices())} or auto.",
        autocompletion=completion.DEVICE,
        callback=lambda name: devices.aliases().get(name, name),
    ),
]

Gpu = Annotated[
    str | None,
    typer.Option("--gpu", help="NVIDIA GPU: an index of nvidia-smi, or the beginning of a UUID."),
]

StepDigest = Annotated[
    bool | None,
    typer.Option(
        help="Also keep digests of a deterministic training step, to compare bits. "
        "[default: with --gpu all, and in fleets]",
    ),
]
GpuOrAll = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="NVIDIA GPU: an index of nvidia-smi, the beginning of a UUID, or all: each GPU of this host, in "
        "a folder of its own below --out.",
    ),
]
Together = Annotated[
    bool,
    typer.Option(
        "--together",
        help="With --gpu all: measure all GPUs at the same time. Such figures are pooled with no others.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Measure one of N equal parts of all processes: 0/4 is the first, 3/4 the last. Needs "
        "--replicates. convbench merge unites the parts.",
    ),
]
NodeName = Annotated[
    str | None,
    typer.Option("--node-name", metavar="NAME", help="Name of this machine in reports (default: host name)."),
]

LockClocks = Annotated[
    str | None,
    typer.Option(
        "--lock-clocks",
        metavar="MHZ",
        help="Lock the GPU's SM clock while measuring, unlock it at the end. Usually needs root.",
    ),
]

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL...", help=AXES["model"].summary, autocompletion=completion.MODEL),
]
SuiteName = Annotated[
    str,
    typer.Option(
        "--suite", help="smoke, quick, standard, full or FILE.toml.", autocompletion=completion.SUITE
    ),
]
Suite = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="smoke, quick, standard, full or FILE.toml (default: quick).",
        autocompletion=completion.SUITE,
    ),
]
TargetCi = Annotated[
    str | None,
    typer.Option("--target-ci", help="Stop sampling once the 95% interval is within this, e.g. 1%."),
]
TimeLimit = Annotated[str | None, typer.Option("--time-limit", help="Time limit per case: 90, 90s or 5m.")]
FlushL2 = Annotated[
    bool | None,
    typer.Option(
        "--flush-l2/--no-flush-l2",
        help="Overwrite the L2 cache (on a CPU the last-level cache) before each sample: cold times.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget", help="Start no new case after this time: 600, 10m or 2h. Continue with --resume."
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", help="Measure more processes per case until the 95% interval is within this, e.g. 5%."
    ),
]
Format = Annotated[str, "declared in bench.cli.common_options"]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Save records and report here (default: nothing is saved)."),
]
NewOut = Annotated[
    Path | None,
    typer.Option("--out", help="Save records and report here (default: runs/NUMBER)."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue this run: measure only missing or failed cases.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the cases, estimated time and disk use; measure nothing.")
]
PlainIntervals = Annotated[
    bool,
    typer.Option(
        "--plain-intervals",
        help="Compute each interval from its own processes, without the scatter of other cases.",
    ),
]
Section = Annotated[
    str | None,
    typer.Option("--section", metavar="NAME", help="Show one part of the report, e.g. memory."),
]
Full = Annotated[bool, typer.Option("--full", help="Show the whole report, not only its answer.")]
Margin = Annotated[str, typer.Option("--margin", help="Treat differences smaller than this as equivalent.")]


def run_options_of(gpu: str | int | None, lock_clocks: str | int | None) -> RunOptions:
    """What `--gpu` and `--lock-clocks` ask for. Raises UserError as `gpu_of` does, and for no frequency."""
    mhz = None if lock_clocks is None else whole_number("--lock-clocks", str(lock_clocks), 1, MOST_MHZ)
    return RunOptions(gpu=gpu_of(None if gpu is None else str(gpu)), lock_clocks_mhz=mhz)


def gpu_of(text: str | None) -> str | None:
    """The full UUID of the GPU that `--gpu` names, or None where nothing was asked for.

    Raises UserError for what is no GPU of this machine, or one that CUDA_VISIBLE_DEVICES hides.
    """
    if text is None:
        return None
    from bench.host import gpu_choice, nvml_driver

    if text == gpu_choice.ALL:
        raise UserError(f"--gpu {text} works with convbench run. Here give one GPU: an index or a UUID")
    return gpu_choice.resolve(text, nvml_driver.open_nvml, os.environ)


def all_gpus() -> list[str]:
    """The full UUIDs of the GPUs that `--gpu all` measures. Raises UserError without any."""
    from bench.host import gpu_choice, nvml_driver

    return gpu_choice.all_of_host(nvml_driver.open_nvml, os.environ)


def gate_of(fail_on: str | None) -> FailOn | None:
    """What the gate fails on; UserError for a word that it does not know."""
    for accepted in get_args(FailOn):
        if fail_on == accepted:
            return cast(FailOn, accepted)
    if fail_on is None:
        return None
    raise unknown("--fail-on", fail_on, get_args(FailOn))
