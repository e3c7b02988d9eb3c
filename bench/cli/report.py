"""convbench report, cost and list: what can be said without measuring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options, output
from bench.plan import axes
from reports.pages import catalogue_report


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that runs have written.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="md, or what the file's name ends with: html, csv, json.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write here and not to the terminal.")
    ] = None,
) -> int:
    """Say what the records of one or several runs show; with -o also the plots, in a folder beside."""
    from reports import formats
    from reports.drawing import plots
    from reports.pages import run_report as reporting

    chosen = format_ or _format_of(file)
    output.check_format(chosen)
    document = reporting.build(folders)
    if file is None:
        output.show(formats.render(chosen, document))
        return 0
    # what is no file (/dev/stdout) has no place beside it
    if chosen == "md" and (file.is_file() or not file.exists()):
        document = plots.write(document, file.with_name(f"{file.stem}-plots"))
    output.write(file, formats.render(chosen, document))
    return 0


def _format_of(file: Path | None) -> str:
    """The format that a file's name ends with; md for any other end, and for no file."""
    from reports import formats

    end = file.suffix.removeprefix(".") if file else ""
    return end if end in formats.names() else "md"


def list_(
    what: Annotated[
        str, typer.Argument(help="models, variants, suites, axes, datasets or recipes; all without it.")
    ] = "all",
    format_: options.Format = "terminal",
) -> int:
    """Say which models, variants, suites, axes, datasets and recipes there are."""
    output.check_format(format_)
    output.show(catalogue_report.catalogue_text(what, format_))
    return 0


def cost(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help=axes.AXES["model"].summary)],
    image: Annotated[str | None, typer.Option(help=axes.AXES["image"].summary)] = None,
    channels: Annotated[str | None, typer.Option(help=axes.AXES["channels"].summary)] = None,
    classes: Annotated[str | None, typer.Option(help=axes.AXES["classes"].summary)] = None,
    batch: Annotated[str, typer.Option(help=axes.AXES["batch"].summary)] = "1",
    layers: Annotated[bool, typer.Option("--layers", help="Every layer of every model.")] = False,
    format_: options.Format = "md",
) -> int:
    """Parameters, FLOPs and activations in closed form, beside the counts of fvcore and torch.

    Needs no GPU and no run. Exit code 1 where the counts of one of our networks disagree.
    """
    import msgspec

    from bench.runner import network_costs
    from reports import formats
    from reports.pages import cost_report as costs

    output.check_format(format_)
    given = {"image": image, "channels": channels, "classes": classes, "batch": batch}
    sizes = {axis: int(axes.read(axis, [value])[0]) for axis, value in given.items() if value is not None}
    entries = network_costs.entries([str(name) for name in axes.read("model", models)], sizes)
    if format_ == "json":
        listed = [costs.as_json(entry, layers=layers) for entry in entries]
        output.show(msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n")
    else:
        output.show(formats.render(format_, costs.document(entries, layers=layers)))
    return 1 if any(costs.miscounted(entry) for entry in entries) else 0
