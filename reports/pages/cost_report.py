"""What networks cost, as tables and as JSON: our count beside those of two libraries; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from bench.schema.counts import CostEntry, CountResult
from models.catalogue import Input, defaults
from models.closed_form import Cost, LayerCost
from models.published import top5_errors
from reports.cells import Scalar
from reports.document import Document, Table

SIGNIFICANT_DIGITS = 4
NETWORK_COLUMNS = (
    "network",
    "input",
    "batch",
    "convolutions",
    "linear layers",
    "filters",
    "parameters",
    "in convolutions",
    "in linear layers",
    "GMACs",
    "GFLOPs forward",
    "GFLOPs backward",
    "activations, M",
    "top-5 error, %",
)


def as_json(entry: CostEntry, *, layers: bool = False) -> dict[str, Any]:
    """One network as plain data: sizes, parameters and counts for one batch; all FLOPs are 2 x MACs.

    What was not counted is None. `counts_agree` says whether the libraries' counts of convolutions and matrix
    products equal ours to the last unit; `uncompared` holds what only one of them counts.
    """
    fields: dict[str, Any] = dict(_figures(entry))
    counts = entry.counts
    fields["uncompared"] = dict(counts.uncompared) if counts else {}
    fields["disagreements"] = list(counts.disagreements) if counts else []
    fields["notes"] = list(counts.notes) if counts else []
    if layers:
        fields["layers"] = [msgspec.to_builtins(row) for row in entry.cost.layers]
    return fields


def miscounted(entry: CostEntry) -> bool:
    """Whether a library's count of a network of ours differs from the closed form, which is an error."""
    ours = entry.counts is not None and entry.counts.cost is None
    return ours and bool(entry.counts and entry.counts.disagreements)


def document(entries: Sequence[CostEntry], *, layers: bool = False) -> Document:
    """The comparison of networks, the counts side by side and, where asked for, every layer."""
    tables = [comparison_table(entries), parts_table(entries)]
    if any(entry.counts for entry in entries):
        tables.append(counts_table(entries))
    if layers:
        tables += [layers_table(entry.cost) for entry in entries]
    if layers:
        rows = [_input(entry.cost) | _layer_cells(row) for entry in entries for row in entry.cost.layers]
    else:
        rows = [_figures(entry) for entry in entries]
    text = (
        "MACs are the multiply-accumulates of convolutions, linear layers and other matrix products,"
        " attention among them; FLOPs are 2 x MACs."
        " What is published as the GFLOPs of these networks are MACs.",
        "All figures but parameters are for one batch.",
    )
    return Document(title="Cost", text=text, tables=tuple(tables), rows=tuple(rows))


def comparison_table(entries: Sequence[CostEntry]) -> Table:
    """The textbook's table: layers, filters, where the parameters are, arithmetic, published error."""
    sources: dict[str, str] = {}
    rows = []
    for cost in (entry.cost for entry in entries):
        conv = _of_kind(cost, "conv")
        filters = dict.fromkeys(row.window for row in conv if row.window)
        rows.append(
            (
                cost.model,
                cost.given,
                cost.batch,
                len(conv),
                len(_of_kind(cost, "linear")),
                ", ".join(filters) or None,
                cost.parameters,
                _share(cost.parameters_conv, cost.parameters),
                _share(cost.parameters_linear, cost.parameters),
                _rounded(cost.macs / 1e9),
                _rounded(cost.flops_forward / 1e9),
                _rounded(cost.flops_backward / 1e9),
                _rounded(cost.activations / 1e6),
                _published_error(cost, sources),
            )
        )
    notes = [f"({letter}) {source}" for source, letter in sources.items()]
    return Table(title="Networks", columns=NETWORK_COLUMNS, rows=tuple(rows), notes=tuple(notes))


def parts_table(entries: Sequence[CostEntry]) -> Table:
    """What the multiply-accumulates of each network belong to."""
    return Table(
        title="MACs by what multiplies",
        columns=("network", "MACs", "convolutions", "linear layers", "attention", "other products"),
        rows=tuple(
            (cost.model, cost.macs, cost.macs_conv, cost.macs_linear, cost.macs_attention, cost.macs_other)
            for cost in (entry.cost for entry in entries)
        ),
        notes=(
            "attention: the two products of queries with keys and of their weights with values; its"
            " projections are linear layers. other products: of two factors that are both made of the input,"
            " or neither of them.",
        ),
    )


def counts_table(entries: Sequence[CostEntry]) -> Table:
    """Convolutions and matrix products in FLOPs, to the last unit, as three sides count them."""
    columns = (
        "network",
        "forward, convbench",
        "forward, fvcore",
        "forward, torch",
        "backward, convbench",
        "backward, torch",
        "equal",
    )
    counted = [(entry, entry.counts) for entry in entries if entry.counts]
    rows = tuple(
        (
            entry.cost.model,
            entry.cost.flops_forward,
            counts.flops_fvcore,
            counts.flops_torch_forward,
            entry.cost.flops_backward,
            counts.flops_torch_backward,
            "no" if counts.disagreements else "yes",
        )
        for entry, counts in counted
    )
    return Table(
        title="FLOPs, counted three times",
        columns=columns,
        rows=rows,
        notes=tuple(note for entry, counts in counted for note in _remarks(entry.cost.model, counts)),
    )


def layers_table(cost: Cost) -> Table:
    """Every layer of one network."""
    columns = (
        "layer",
        "kind",
        "window",
        "output",
        "receptive field",
        "parameters",
        "MACs",
        "FLOPs forward",
        "FLOPs backward",
        "activations",
        "bytes",
    )
    rows = tuple(tuple(_layer_cells(row).values()) for row in cost.layers)
    notes = (
        "The receptive field is the side of the square of input pixels that one output sees, were the image"
        " without end; a linear layer sees the image.",
        "Bytes: the layer's parameters and its output, 4 bytes an element.",
    )
    title = f"{cost.model}, batch {cost.batch} of {cost.given}"
    return Table(title=title, columns=columns, rows=rows, notes=notes)


def _figures(entry: CostEntry) -> dict[str, Scalar]:
    cost, counts = entry.cost, entry.counts
    return _input(cost) | {
        "parameters": cost.parameters,
        "parameters_conv": cost.parameters_conv,
        "parameters_linear": cost.parameters_linear,
        "macs": cost.macs,
        "macs_conv": cost.macs_conv,
        "macs_linear": cost.macs_linear,
        "macs_attention": cost.macs_attention,
        "macs_other": cost.macs_other,
        "flops_forward": cost.flops_forward,
        "flops_backward": cost.flops_backward,
        "activations": cost.activations,
        "flops_fvcore": counts.flops_fvcore if counts else None,
        "flops_torch_forward": counts.flops_torch_forward if counts else None,
        "flops_torch_backward": counts.flops_torch_backward if counts else None,
        "counts_agree": not counts.disagreements if counts else None,
    }


def _input(cost: Cost) -> dict[str, Scalar]:
    return {
        "model": cost.model,
        "image": None if cost.input else cost.image,
        "channels": None if cost.input else cost.channels,
        "input": cost.given,
        "classes": cost.classes,
        "batch": cost.batch,
    }


def _layer_cells(row: LayerCost) -> dict[str, Scalar]:
    return {
        "name": row.name,
        "kind": row.kind,
        "window": row.window,
        "output_shape": "x".join(map(str, row.output_shape)),
        "receptive_field": row.receptive_field,
        "parameters": row.parameters,
        "macs": row.macs,
        "flops_forward": row.flops_forward,
        "flops_backward": row.flops_backward,
        "activations": row.activations,
        "bytes": row.bytes,
    }


def _of_kind(cost: Cost, kind: str) -> list[LayerCost]:
    return [row for row in cost.layers if row.kind == kind]


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else str(part)


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _published_error(cost: Cost, sources: dict[str, str]) -> str | None:
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


def _remarks(model: str, counts: CountResult) -> Iterable[str]:
    for words in (*counts.disagreements, *counts.notes):
        yield f"{model}: {words}."
    if counts.uncompared:
        listed = ", ".join(f"{name} {flops:,}" for name, flops in counts.uncompared.items())
        yield f"{model}: counted by one side only: {listed}."
