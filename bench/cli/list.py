"""convbench list."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import completion, options, output
from reports.pages import catalogue_report


def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="models, variants, suites, axes, datasets or recipes; all without it.",
            autocompletion=completion.of_names(catalogue_report.catalogue_documents),
        ),
    ] = "all",
    format_: options.Format = "terminal",
) -> int:
    """Say which models, variants, suites, axes, datasets and recipes there are."""
    output.check_format(format_)
    output.show(catalogue_report.catalogue_text(what, format_))
    return 0
