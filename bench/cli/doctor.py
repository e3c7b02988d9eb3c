"""convbench doctor."""

from __future__ import annotations

from bench.cli import options, output
from bench.cli.options import OneDevice


def doctor(device: OneDevice = "auto", gpu: options.Gpu = None, format_: options.Format = "md") -> int:
    """What on this machine would spoil a measurement, and what to do about it. Changes nothing."""
    from bench import doctor as examination
    from bench.host import gpu_choice
    from reports import formats
    from reports.pages import doctor_report as reporting

    output.check_format(format_)
    seen = gpu_choice.seeing_only(options.gpu_of(gpu))
    machine = examination.Machine() if seen is None else examination.Machine(environ=seen)
    output.show(formats.render(format_, reporting.document(examination.examine(device, machine))))
    return 0
