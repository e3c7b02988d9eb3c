"""convbench selftest: the harness against known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options, output, section_names
from bench.cli.options import OneDevice


def selftest(
    device: OneDevice = "auto",
    gpu: options.Gpu = None,
    out: Annotated[
        Path | None, typer.Option(help="Save selftest.md and selftest.json here. [default: nothing is saved]")
    ] = None,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Check the harness against known answers. Exits with 1 if one is missed."""
    from bench import selftest as answers
    from reports import formats
    from reports.pages import selftest_report as reporting

    output.check_format(format_)
    section_names.check("selftest", section, full=full)
    chosen = options.gpu_of(gpu)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # before half a minute is spent
    checks = answers.rows(device, chosen)
    document = output.with_origin(reporting.document(checks))
    if out is not None:
        for kept in ("md", "json"):
            output.write(out / f"selftest.{kept}", formats.content(kept, document))
    output.show(formats.content(format_, output.measured(document, section, full)))
    return 1 if reporting.failed(checks) else 0
