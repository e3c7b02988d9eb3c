"""What networks cost, as tables and as JSON: parameters, MACs, FLOPs and activations; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from bench.schema.counts import CostEntry, CountResult
from models.closed_form import Cost, LayerCost
from reports.cells import Scalar
from reports.document import Document, Part, Table
from reports.pages import cost_answer
from reports.pages.cost_answer import published_error, rounded
from reports.tables.case_names import network_name

STRUCTURE = Part("networks", "Layers and parameters")
PARTS_OF_MACS = Part("macs", "MACs by kind")
COUNTS = Part("counts", "FLOPs counted by convbench, fvcore and torch")
LAYERS = Part("layers", "Layers")
DEFINITIONS = (
    "MACs: multiply-accumulates of convolutions, linear layers and other matrix products, attention "
    "included. FLOPs: 2 x MACs. What papers and libraries give as GFLOPs of these networks are GMACs. All "
    "figures except parameters are for one batch."
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


def document(entries: Sequence[CostEntry], *, layers: bool = False) -> Document:
    """What each network costs, the counts side by side and, where asked for, every layer."""
    tables = [comparison_table(entries), parts_table(entries)]
    if any(entry.counts for entry in entries):
        tables.append(counts_table(entries))
    if layers:
        tables = [*(layers_table(entry.cost) for entry in entries), *tables]
    if layers:
        rows = [_input(entry.cost) | _layer_cells(row) for entry in entries for row in entry.cost.layers]
    else:
        rows = [_figures(entry) for entry in entries]
    return Document(
        title="Cost of one batch",
        answer=cost_answer.answer(entries),
        text=(DEFINITIONS,),
        tables=tuple(tables),
        rows=tuple(rows),
        whole=layers,
    )


def comparison_table(entries: Sequence[CostEntry]) -> Table:
    """Layers, filters, where the parameters are, and the published error."""
    sources: dict[str, str] = {}
    rows = []
    for cost in (entry.cost for entry in entries):
        conv = _of_kind(cost, "conv")
        filters = dict.fromkeys(row.window for row in conv if row.window)
        rows.append(
            (
                *(cost.model, len(conv), len(_of_kind(cost, "linear")), ", ".join(filters) or None),
                cost.parameters,
                _share(cost.parameters_conv, cost.parameters),
                _share(cost.parameters_linear, cost.parameters),
                rounded(cost.macs / 1e9),
                published_error(cost, sources),
            )
        )
    return Table(
        title="Layers and parameters",
        columns=(
            *("network", "convolutions", "linear layers", "filters", "parameters", "in convolutions"),
            *("in linear layers", "GMACs", "top-5 error, %"),
        ),
        rows=tuple(rows),
        part=STRUCTURE,
        notes=tuple(f"({letter}) {source}" for source, letter in sources.items()),
    )


def parts_table(entries: Sequence[CostEntry]) -> Table:
    """What the multiply-accumulates of each network belong to."""
    return Table(
        title="MACs by kind",
        part=PARTS_OF_MACS,
        columns=("network", "MACs", "convolutions", "linear layers", "attention", "other products"),
        rows=tuple(
            (cost.model, cost.macs, cost.macs_conv, cost.macs_linear, cost.macs_attention, cost.macs_other)
            for cost in (entry.cost for entry in entries)
        ),
        notes=(
            "attention: queries with keys, and attention weights with values; projections count as linear "
            "layers. other products: both factors depend on the input, or neither does.",
        ),
    )


def counts_table(entries: Sequence[CostEntry]) -> Table:
    """FLOPs of convolutions and matrix products by each of the three counts."""
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
        title="FLOPs counted by convbench, fvcore and torch",
        part=COUNTS,
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
        "receptive field: side in pixels of the square of the input that one output depends on, without the "
        "image's borders; a linear layer depends on the whole image.",
        "bytes: parameters and output, 4 bytes per element.",
    )
    title = f"{network_name(cost.model)}, batch {cost.batch} of {cost.given}: layers"
    return Table(title=title, columns=columns, rows=rows, notes=notes, part=LAYERS)


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


def _remarks(model: str, counts: CountResult) -> Iterable[str]:
    for words in (*counts.disagreements, *counts.notes):
        yield f"{model}: {words}."
    if counts.uncompared:
        listed = ", ".join(f"{name} {flops:,}" for name, flops in counts.uncompared.items())
        yield f"{model}: counted by one of the three only: {listed}."
