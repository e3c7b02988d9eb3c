"""One large kernel against its stack, block by block: predicted and measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.schema.case import Case
from reports.ablations.explanation import GIGA
from reports.ablations.form_pairs import SAVED, TIME, TimedPair, ratio_cell
from reports.ablations.phase_work import CaseWork, case_work
from reports.ablations.predictions import KernelRates, predicted, why_text
from reports.cells import Cell
from reports.document import Table, TableKey
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import (
    MIB,
    computed_ratio,
    following,
    interval_notes,
    milliseconds,
    processes_text,
    remarks,
)

PHASES = ("forward", "backward", "step")
SAID = ("workload", "image", "channels", "classes")
"""Axes that the stage says, or the title."""
RATIO_NOTE = (
    "Ratios: wall time of new / base; base: {base}. Below 1x the new block is faster. predicted: ratio of "
    "the FLOPs, for a block also of the weights. FLOPs include multiplications by padding, which an "
    "algorithm may skip: at 4 px 87% for 11x11, 51% for 5x5 and 31% for 3x3."
)
WHY_NOTE = (
    "why: the likely reason where the measured ratio differs from the prediction by more than 5% and its "
    "interval. launch-bound: the device waited for Python. memory-bound: the bytes explain the ratio much "
    "better than the FLOPs, at half the best bandwidth of the run or more. another algorithm?: 1.25 times "
    "the FLOP/s of all other kernels, as with Winograd or FFT (or a better implementation). lower FLOP/s: "
    "the side that computed more slowly. No hardware counters were read."
)
COST_NOTE = (
    "parameters, FLOPs (forward and backward, to the block's input) and activations (outputs of the "
    "convolutions) are computed. saved: tensors that autograd keeps from forward to backward, without the "
    "block's input and output. FLOP/byte: FLOPs of a step per byte that its operators must at least move."
)


def block_tables(
    topic: str,
    sides: Sequence[TimedPair],
    figures: Sequence[Figure],
    peers: Mapping[Case, KernelRates],
    scope: TableScope,
) -> Iterator[Table]:
    """The ratios of one kernel, then the cost and speed of each block."""
    yield _ratios(topic, sides, peers, scope)
    yield _costs(topic, sides, by_subject([figure for figure in figures if figure.case.task is None]), scope)


def stage_order(sides: TimedPair) -> tuple[int, int, int]:
    """The stages from the first to the last, in each the small batches first."""
    case = sides.new.case
    return case.channels, -case.image, case.batch


def key_of(topic: str) -> TableKey:
    """Of a kernel's table of ratios, which its plot follows."""
    return TableKey("ablation of blocks", (topic,))


def _title_of(topic: str) -> str:
    return f"Kernels, blocks: {topic}"


def _ratios(
    topic: str, sides: Sequence[TimedPair], peers: Mapping[Case, KernelRates], scope: TableScope
) -> Table:
    lines = [
        TableLine(
            subject=each.new,
            cells=(
                _place(each),
                each.form.label,
                computed_ratio(predicted(each)),
                *(ratio_cell(each, phase) for phase in PHASES),
                why_text(each, peers),
            ),
        )
        for each in sides
    ]
    note = RATIO_NOTE.format(base=sides[0].comparison.base.label)
    return table(
        _title_of(topic),
        ["stage", "new", "predicted", *PHASES, "why"],
        lines,
        scope,
        key=key_of(topic),
        without=SAID,
        notes=[note, WHY_NOTE, *interval_notes(cell for line in lines for cell in line.cells)],
    )


def _place(sides: TimedPair) -> str:
    """`64 channels, 56 px`"""
    return f"{sides.comparison.subject}, {sides.new.case.image} px"


def _costs(
    topic: str, sides: Sequence[TimedPair], subjects: Mapping[Subject, Figures], scope: TableScope
) -> Table:
    """A row for each block, the base before what is compared with it."""
    places: dict[Subject, str] = {}
    for each in sides:
        for subject in (each.base, each.new):
            places.setdefault(subject, _place(each))
    lines = [
        TableLine(subject=subject, cells=(place, *_cost_cells(case_work(subject.case), subjects[subject])))
        for subject, place in places.items()
    ]
    columns = [
        "stage",
        "parameters",
        "step GFLOPs",
        "activations (MiB)",
        "saved (MiB)",
        *(f"{phase} GFLOP/s" for phase in PHASES),
        "FLOP/byte",
        "step (ms)",
        "processes",
        "remarks",
    ]
    return table(
        f"{_title_of(topic)}: cost and speed",
        columns,
        lines,
        scope,
        without=SAID,
        notes=[COST_NOTE, *interval_notes(cell for line in lines for cell in line.cells)],
    )


def _cost_cells(closed: CaseWork, figures: Figures) -> Iterator[Cell]:
    step = closed.work["step"]
    saved = figures.get(SAVED)
    yield closed.parameters
    yield step.flops / GIGA
    yield closed.activation_bytes / MIB
    yield saved.median / MIB if saved else None
    for phase in PHASES:
        time = figures.get((phase, TIME))
        rate = closed.work[phase].flops / time.median / GIGA if time and time.median > 0 else None
        yield following(rate, time) if time else None
    yield step.flops / step.bytes
    yield milliseconds(figures.get(("step", TIME)))
    yield processes_text(list(figures.values()))
    yield remarks(list(figures.values()))
