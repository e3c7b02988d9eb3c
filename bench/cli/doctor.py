"""convbench doctor."""

from __future__ import annotations

from bench.cli import options, output
from bench.cli.options import OneDevice


def doctor(device: OneDevice = "auto", format_: options.Format = "md") -> int:
    """What on this machine would spoil a measurement, and what to do about it. Changes nothing."""
    from bench import doctor as examination
    from reports import formats
    from reports.pages import doctor_report as reporting

    output.check_format(format_)
    output.show(formats.render(format_, reporting.document(examination.examine(device))))
    return 0
