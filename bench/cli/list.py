"""convbench list."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import completion, options, output
from models import libraries
from reports.pages import catalogue_report


def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="What to list: models, variants, suites, axes, datasets or recipes.",
            autocompletion=completion.of_names(catalogue_report.catalogue_documents),
        ),
    ] = "all",
    library: Annotated[
        str | None,
        typer.Option(
            "--library",
            help="List the models of torchvision or timm instead of the built-in ones.",
            autocompletion=completion.of_names(lambda: libraries.NAMES),
        ),
    ] = None,
    format_: options.Format = "terminal",
) -> int:
    """List models, variants, suites, axes, datasets and recipes."""
    output.check_format(format_)
    output.show(catalogue_report.catalogue_text(what, format_, library))
    return 0
