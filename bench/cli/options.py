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
from models.errors import unknown
from reports import formats

MOST_MARGIN = 0.5

OneDevice = Annotated[
    str,
    typer.Option(
        "--device", help=f"{', '.join(devices.devices())} or auto.", autocompletion=completion.DEVICE
    ),
]

Gpu = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="The NVIDIA GPU to use: nvidia-smi's index, or a UUID, of which the beginning is enough.",
    ),
]

LockClocks = Annotated[
    str | None,
    typer.Option(
        "--lock-clocks",
        metavar="MHZ",
        help="Lock the GPU's SM clock while measuring, and unlock it at the end. Usually only root may.",
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
TargetCi = Annotated[
    str | None, typer.Option("--target-ci", help="Stop sampling at this half width, e.g. 1%.")
]
TimeLimit = Annotated[str | None, typer.Option("--time-limit", help="Seconds for each case.")]
FlushL2 = Annotated[
    bool | None,
    typer.Option(
        "--flush-l2/--no-flush-l2",
        help="Write over the L2 (of a CPU the last cache) before each sample, for cold figures.",
    ),
]
Budget = Annotated[str | None, typer.Option("--budget", help="Seconds after which no further case begins.")]
Until = Annotated[
    str | None,
    typer.Option("--until", help="Run more processes of a case until its interval is +-this, e.g. 5%."),
]
Format = Annotated[
    str,
    typer.Option("--format", help=f"One of {', '.join(formats.names())}.", autocompletion=completion.FORMAT),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the records and the report; without it nothing is kept."),
]
PlainIntervals = Annotated[
    bool,
    typer.Option(
        "--plain-intervals",
        help="Take each interval from its own processes alone, not from what the run's other cases show too.",
    ),
]
Margin = Annotated[str, typer.Option("--margin", help="Changes inside this share do not matter.")]
Section = Annotated[
    str | None,
    typer.Option("--section", metavar="NAME", help="Show one part of the report, e.g. memory."),
]
Full = Annotated[bool, typer.Option("--full", help="Show the whole report, not only its answer.")]


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

    return gpu_choice.resolve(text, nvml_driver.open_nvml, os.environ)


def gate_of(fail_on: str | None) -> FailOn | None:
    """What the gate fails on; UserError for a word that it does not know."""
    for accepted in get_args(FailOn):
        if fail_on == accepted:
            return cast(FailOn, accepted)
    if fail_on is None:
        return None
    raise unknown("--fail-on", fail_on, get_args(FailOn))
