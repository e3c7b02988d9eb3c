"""convbench selftest and doctor: may this machine and this harness be trusted."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import options, output

Device = Annotated[str, typer.Option("--device", help="cpu, cuda or auto.")]


def selftest(device: Device = "auto", format_: options.Format = "md") -> int:
    """Recover answers that are known beforehand, on this machine. Exit code 1 when one is wrong."""
    from bench import selftest as answers
    from reports import formats
    from reports import selftest as reporting

    output.check_format(format_)
    checks = answers.rows(device)
    output.show(formats.render(format_, reporting.document(checks)))
    return 1 if reporting.failed(checks) else 0


def doctor(device: Device = "auto", format_: options.Format = "md") -> int:
    """What on this machine would spoil a measurement, and what to do about it. Changes nothing."""
    from bench import doctor as examination
    from reports import doctor as reporting
    from reports import formats

    output.check_format(format_)
    output.show(formats.render(format_, reporting.document(examination.examine(device))))
    return 0
