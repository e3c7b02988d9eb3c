"""convbench cost."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import options, output, section_names
from bench.plan import axes


def cost(
    models: options.Models,
    image: Annotated[str | None, typer.Option(help=axes.AXES["image"].summary)] = None,
    input_: Annotated[str | None, typer.Option("--input", help=axes.AXES["input"].summary)] = None,
    channels: Annotated[str | None, typer.Option(help=axes.AXES["channels"].summary)] = None,
    classes: Annotated[str | None, typer.Option(help=axes.AXES["classes"].summary)] = None,
    batch: Annotated[str, typer.Option(help=axes.AXES["batch"].summary)] = "1",
    layers: Annotated[bool, typer.Option("--layers", help="Show every layer.")] = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Count parameters, FLOPs and activations, cross-checked with fvcore and torch.

    Runs nothing. Exits with 1 if the three counts of a built-in network differ, or if one of several
    networks cannot be counted.
    """
    import msgspec

    from bench.runner import network_costs
    from reports import formats
    from reports.pages import cost_answer
    from reports.pages import cost_report as costs

    output.check_format(format_)
    section_names.check("cost", section, full=full)
    given = {"image": image, "input": input_, "channels": channels, "classes": classes, "batch": batch}
    sizes = {axis: axes.read_one(axis, value) for axis, value in given.items() if value is not None}
    entries, failed = network_costs.entries([str(name) for name in axes.read("model", models)], sizes)
    if format_ == "json":
        listed = [costs.as_json(entry, layers=layers) for entry in entries]
        output.show(msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n")
    else:
        document = costs.document(entries, layers=layers)
        output.show(formats.content(format_, output.measured(document, section, full or layers)))
    for reason in failed:
        output.complain(reason)
    return 1 if failed or any(cost_answer.miscounted(entry) for entry in entries) else 0
