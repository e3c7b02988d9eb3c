"""convbench selftest: may this harness be trusted on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options, output
from bench.cli.options import OneDevice


def selftest(
    device: OneDevice = "auto",
    gpu: options.Gpu = None,
    out: Annotated[Path | None, typer.Option(help="Folder for selftest.md and selftest.json.")] = None,
    format_: options.Format = "md",
) -> int:
    """Recover answers that are known beforehand, on this machine. Exit code 1 when one is wrong."""
    from bench import selftest as answers
    from reports import formats
    from reports.pages import selftest_report as reporting

    output.check_format(format_)
    chosen = options.gpu_of(gpu)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # before half a minute is spent
    checks = answers.rows(device, chosen)
    document = reporting.document(checks)
    if out is not None:
        for kept in ("md", "json"):
            output.write(out / f"selftest.{kept}", formats.render(kept, document))
    output.show(formats.render(format_, document))
    return 1 if reporting.failed(checks) else 0
