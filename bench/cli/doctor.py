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
        typer.Option("--unlock-clocks", help="Unlock GPU clocks that a killed --lock-clocks left locked."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if there are warnings, e.g. before a nightly run.")
    ] = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Find what makes measurements on this machine unreliable, and how to fix it.

    Changes nothing. With --unlock-clocks it unlocks GPU clocks and does nothing else.
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
    findings = examination.examine(device, machine)
    output.show(formats.content(format_, output.chosen(reporting.document(findings), section, full)))
    return 1 if strict and reporting.has_warnings(findings) else 0


def _unlock() -> int:
    """1 where a clock stays locked."""
    from bench.host import locked_clocks, nvml_driver

    said, mended = locked_clocks.unlock_left(nvml_driver.open_nvml)
    output.show("".join(f"{sentence}\n" for sentence in said))
    return 0 if mended else 1
