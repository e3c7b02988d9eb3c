"""What networks cost on one screen: a sentence for each, and whether three counts agree."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from bench.schema.counts import CostEntry
from models.catalogue import Input, defaults
from models.closed_form import Cost
from models.published import top5_errors
from reports.cells import Cell, brief
from reports.document import Answer, NextStep, Table
from reports.tables.case_names import network_name

SIGNIFICANT_DIGITS = 4
MOST_HEADLINES, MOST_ROWS = 4, 10
_UNITS = (("GMACs", 1e9), ("MMACs", 1e6), ("kMACs", 1e3))


def answer(entries: Sequence[CostEntry]) -> Answer:
    """A sentence for each network, then the same figures in a table."""
    headlines = [_headline(entry.cost) for entry in entries]
    more = len(headlines) - MOST_HEADLINES
    models = ",".join(dict.fromkeys(entry.cost.model for entry in entries[:MOST_HEADLINES]))
    return Answer(
        about="closed form, nothing was run",
        alarms=tuple(_differing(entries)),
        headlines=(
            *headlines[:MOST_HEADLINES],
            *([f"And {more} more."] if more > 0 else []),
            *_agreeing(entries),
        ),
        table=_costs_table(entries),
        next_step=NextStep(
            command=shlex.join(["convbench", "run", "--model", models]),
            purpose="measures how fast it is here",
        ),
    )


def _headline(cost: Cost) -> str:
    """`VGG-16, 224x224x3, batch 1: 138,357,544 parameters, 89% in linear layers; 15.5 GMACs forward.`"""
    linear = f", {cost.parameters_linear / cost.parameters:.0%} in linear layers" if cost.parameters else ""
    return (
        f"{network_name(cost.model)}, {cost.given}, batch {cost.batch}: {cost.parameters:,} "
        f"parameters{linear}; {_macs_in_words(cost.macs)} forward."
    )


def _costs(cost: Cost, sources: dict[str, str]) -> tuple[Cell, ...]:
    """Thousand millions of operations, millions of activations."""
    counts = (cost.macs, cost.flops_forward, cost.flops_backward)
    return (
        *(cost.model, cost.given, cost.parameters),
        *(count / 1e9 for count in counts),
        cost.activations / 1e6,
        published_error(cost, sources),
    )


def _macs_in_words(macs: int) -> str:
    """`15.5 GMACs`, `417 kMACs`"""
    unit, size = next((each for each in _UNITS if macs >= 0.1 * each[1]), _UNITS[-1])
    return f"{brief(macs / size)} {unit}"


def _differing(entries: Sequence[CostEntry]) -> Iterator[str]:
    names = [network_name(entry.cost.model) for entry in entries if miscounted(entry)]
    if names:
        yield f"The counts of {', '.join(names)} differ between convbench and a library (--section counts)."


def _agreeing(entries: Sequence[CostEntry]) -> Iterator[str]:
    """Said only of counts that were made, and where all are equal."""
    counted = [entry.counts for entry in entries if entry.counts is not None and entry.counts.cost is None]
    if len(counted) == len(entries) and not any(counts.disagreements for counts in counted):
        yield "convbench, fvcore and torch count the same FLOPs."


def _costs_table(entries: Sequence[CostEntry]) -> Table:
    sources: dict[str, str] = {}
    rows = [_costs(entry.cost, sources) for entry in entries[:MOST_ROWS]]
    more = len(entries) - MOST_ROWS
    batches = {entry.cost.batch for entry in entries}
    return Table(
        title=f"Batch size {batches.pop()}" if len(batches) == 1 else "One batch",
        columns=(
            *("network", "input", "parameters", "GMACs", "GFLOPs forward", "GFLOPs backward"),
            *("activations, M", "top-5 error, %"),
        ),
        rows=tuple(rows),
        optional=("activations, M", "GFLOPs backward"),
        notes=(
            *([f"And {more} more: --section networks."] if more > 0 else []),
            "MACs: of convolutions and matrix products. FLOPs: 2 x MACs.",
            *(f"({letter}) {source}" for source, letter in sources.items()),
        ),
    )


def miscounted(entry: CostEntry) -> bool:
    """Whether a library's count of a network of ours differs from the closed form, which is an error."""
    ours = entry.counts is not None and entry.counts.cost is None
    return ours and bool(entry.counts and entry.counts.disagreements)


def rounded(value: float) -> float:
    """To SIGNIFICANT_DIGITS."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def published_error(cost: Cost, sources: dict[str, str]) -> str | None:
    """Every published error with a letter for its source, new sources taking the next letter.

    Only for the input that the network was made for: at another it is another network.
    """
    if Input(cost.channels, cost.image, cost.classes) != defaults(cost.model):
        return None
    cells = []
    for fact in top5_errors(cost.model):
        letter = sources.setdefault(fact.source, chr(ord("a") + len(sources)))
        cells.append(f"{fact.value:.1f} ({letter})")
    return ", ".join(cells) or None
