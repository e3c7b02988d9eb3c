"""Parameters, FLOPs and the precision that was in effect, of the networks of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.schema.case import Case
from reports.cells import Cell
from reports.document import Table
from reports.summary.figures import Figure
from reports.tables.missing import Reasons, marked

GIGA = 1e9


def precision_table(figures: Sequence[Figure]) -> Iterator[Table]:
    """Each precision with what was really in force."""
    read_back = ((f.case.device, f.case.precision, f.effective.precision) for f in figures)
    seen = dict.fromkeys(row for row in read_back if row[-1])
    keys = list(dict.fromkeys(key for _, _, effective in seen for key, _ in effective))
    if seen:
        yield Table(
            title="Precision actually used",
            columns=("device", "precision", *(key.replace("_", " ") for key in keys)),
            rows=tuple(
                (device, precision, *(dict(effective).get(key) for key in keys))
                for device, precision, effective in seen
            ),
            notes=(
                "Flags as torch reports them, and dtypes of the tensors in a step. conv, matmul: how fp32 "
                "tensors are multiplied; ieee is full fp32.",
            ),
        )


COSTS = {
    ("model", "parameters"): "parameters",
    ("forward", "flops"): "forward GFLOPs",
    ("backward", "flops"): "backward GFLOPs",
}


_COST_COLUMNS = ("input", "classes", "parameters", "forward GMACs", "forward GFLOPs", "backward GFLOPs")


class _Counted(NamedTuple):
    """What a row of costs is of: `input` of the case also holds what a batch of a user's own inputs is;
    `network` tells two of one name apart, as after an edit, and else is empty."""

    case: Case
    network: str


def cost_table(figures: Sequence[Figure], reasons: Reasons | None = None) -> Iterator[Table]:
    """Parameters and arithmetic of each network at each input, per image."""
    costs: dict[_Counted, dict[tuple[str, str], float]] = {}
    measured: dict[_Counted, Case] = {}
    for figure in figures:
        if figure.layer is None and (figure.phase, figure.metric) in COSTS:
            case = figure.case
            counted = _counted(figure)
            images = case.batch if figure.metric == "flops" else 1
            measured.setdefault(counted, case)
            if case.workload == "training":
                measured[counted] = case
            costs.setdefault(counted, {}).setdefault((figure.phase, figure.metric), figure.median / images)
    if costs:
        several = any(counted.network for counted in costs)
        yield Table(
            title="Parameters and FLOPs per image",
            columns=("model", *(["network"] if several else []), *_COST_COLUMNS),
            rows=tuple(
                (
                    counted.case.model,
                    *([counted.network or None] if several else []),
                    *_cost_cells(counted.case, cost, measured[counted], reasons or {}),
                )
                for counted, cost in costs.items()
            ),
            notes=(
                "input: channels x height x width. G is 10^9; a MAC (multiply-accumulate) is two FLOPs. "
                "Backward is counted where training was measured.",
                *_own_inputs(figures),
            ),
        )


def _counted(figure: Figure) -> _Counted:
    case = figure.case
    counted = Case(
        model=case.model,
        image=case.image,
        channels=case.channels,
        input=figure.effective.inputs or case.input,
        classes=case.classes,
        replicate=0,
    )
    return _Counted(counted, figure.network)


def _own_inputs(figures: Sequence[Figure]) -> Iterator[str]:
    if any(figure.effective.inputs for figure in figures):
        yield "input of a network with its own `inputs`: a whole batch, with dtypes."


def _cost_cells(
    network: Case, cost: dict[tuple[str, str], float], measured: Case, reasons: Reasons
) -> tuple[Cell, ...]:
    """`measured` is a case of the network, one of training where there is one."""
    parameters, forward, backward = (cost.get(key) for key in COSTS)
    counted: tuple[tuple[str, Cell], ...] = (
        ("parameters", None if parameters is None else round(parameters)),
        ("flops", None if forward is None else forward / 2 / GIGA),
        ("flops", None if forward is None else forward / GIGA),
    )
    of_backward = None if backward is None else backward / GIGA
    trained = measured.workload == "training"
    return (
        network.input or f"{network.channels}x{network.image}x{network.image}",
        network.classes,
        *(marked(cell, measured, metric, reasons) for metric, cell in counted),
        marked(of_backward, measured, "flops", reasons) if trained else of_backward,
    )
