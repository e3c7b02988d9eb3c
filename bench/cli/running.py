"""How a command runs its cases and leaves its report: under a bar, and as a file beside its plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.case import Case, Protocol
from bench.cli import output

if TYPE_CHECKING:
    from bench.measure import Materials
    from bench.run import Result
    from reports.table import Document


def run(
    planned: Sequence[Case],
    protocol: Protocol,
    out: Path,
    *,
    resume: bool,
    budget: float | None,
    auto: bool,
    materials: Materials | None = None,
) -> Result:
    """Measure what is pending of the cases into the folder; `bench.run.execute` with a bar over the cases."""
    from bench import run as runner
    from bench import terminal

    with terminal.progress(len(planned)) as tell:
        return runner.execute(
            planned,
            protocol,
            out,
            resume=resume,
            budget_seconds=budget,
            tell=tell,
            auto=auto,
            materials=materials,
        )


def publish(document: Document, out: Path, format_: str, name: str = "report.md") -> str:
    """Write the document and its plots into the folder; the document as text in a format."""
    from reports import formats, plots

    output.write(out / name, formats.render("md", plots.write(document, out / "plots")))
    return formats.render(format_, document)
