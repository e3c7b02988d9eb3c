"""convbench doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import options, output
from bench.cli.options import OneDevice


def doctor(
    device: OneDevice = "auto",
    gpu: options.Gpu = None,
    unlock_clocks: Annotated[
        bool,
        typer.Option("--unlock-clocks", help="Give back GPU clocks that a killed --lock-clocks left locked."),
    ] = False,
    format_: options.Format = "md",
) -> int:
    """What on this machine would spoil a measurement, and what to do about it.

    Changes nothing, unless told to unlock clocks: then it does that alone.
    """
    from bench import doctor as examination
    from bench.host import gpu_choice
    from reports import formats
    from reports.pages import doctor_report as reporting

    output.check_format(format_)
    if unlock_clocks:
        return _unlock()
    seen = gpu_choice.seeing_only(options.gpu_of(gpu))
    machine = examination.Machine() if seen is None else examination.Machine(environ=seen)
    output.show(formats.render(format_, reporting.document(examination.examine(device, machine))))
    return 0


def _unlock() -> int:
    """1 where a clock stays locked."""
    from bench.host import locked_clocks, nvml_driver

    said, mended = locked_clocks.unlock_left(nvml_driver.open_nvml)
    output.show("".join(f"{sentence}\n" for sentence in said))
    return 0 if mended else 1
