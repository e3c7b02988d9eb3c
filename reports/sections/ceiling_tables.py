"""Tables of ceilings: the best of each arithmetic beside the datasheet, and every product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench import devices
from bench.schema.ceiling_product import Convolution, Copy, MatrixProduct, Product, product_name
from reports.analysis.datasheet import Datasheet, datasheet_of
from reports.analysis.measured_ceilings import ARITHMETIC_RATE, BANDWIDTH, Ceilings, best
from reports.cells import Cell, Quantity
from reports.document import Table
from reports.summary.figures import Figure, Summary
from reports.summary.subjects import Subject, by_product, subject_of
from reports.tables.wording import interval_notes, measured, processes_text, remarks

TERA, GIGA = 1e12, 1e9
SCALES = {ARITHMETIC_RATE: TERA, BANDWIDTH: GIGA}
UNITS = {ARITHMETIC_RATE: "TFLOP/s", BANDWIDTH: "GB/s"}
CONDITIONS = {"sm_clock": "SM clock (MHz)", "memory_clock": "memory clock (MHz)", "power": "power (W)"}
"""What NVML said at the end of the best product's window."""

KINDS = (MatrixProduct, Convolution, Copy)

BEST_NOTE = (
    "The best of matrix products and of VGG's convolutions, and a copy whose bytes are counted as read and "
    "written: medians of short windows. The utilisation of a network is its share of these, not of a "
    "datasheet's figures."
)
DATASHEET_NOTE = "datasheet: without sparsity; {}."
ABOVE_NOTE = (
    "Above 100% of a datasheet: clocks above the boost that it assumes, or a convolution that multiplies "
    "less often than is counted (Winograd's)."
)
PRODUCTS_NOTE = (
    "matmul: m x n x k. conv: 3x3, channels x side, as many channels out, forward without a bias; b is the "
    "batch. Random operands; by the device's own clock where it has one. What is empty was left out: it "
    "would take too long (see Not measured), or it failed (see Warnings)."
)


def ceiling_tables(summary: Summary, ceilings: Ceilings) -> Iterator[Table]:
    """Of the ceilings that a summary holds (`ceilings_of`); none where it holds none."""
    rates = ceilings.rates
    if rates:
        yield _best_table(rates, summary)
        yield from _products_tables(rates, several_machines=len(summary.environments) > 1)


_Place = tuple[str, int | None, tuple[str, ...]]
"""Device, threads where it is a CPU, machine."""


def _place(figure: Figure) -> _Place:
    case = figure.case
    return case.device, case.threads if devices.traits(case.device).is_host else None, figure.machine


def _by_place(rates: Sequence[Figure]) -> Mapping[_Place, list[Figure]]:
    places: dict[_Place, list[Figure]] = {}
    for figure in rates:
        places.setdefault(_place(figure), []).append(figure)
    return places


def _best_table(rates: Sequence[Figure], summary: Summary) -> Table:
    conditions = by_product([figure for figure in summary.figures if figure.metric in CONDITIONS])
    several = len(summary.environments) > 1
    rows: list[tuple[Cell, ...]] = []
    sources: dict[str, None] = {}
    above = False
    for place, here in _by_place(rates).items():
        sheet = _datasheet(here[0], summary)
        for name, figure in _tops(here):
            promised = _promised(sheet, figure)
            if sheet is not None and promised is not None:
                sources[sheet.source] = None
                above = above or figure.median > promised * SCALES[figure.metric]
            rows.append(
                (
                    *_place_cells(place, several),
                    f"{name} ({UNITS[figure.metric]})",
                    _scaled(figure),
                    product_name(figure.product) if figure.product else None,
                    promised,
                    None if promised is None else 100 * figure.median / SCALES[figure.metric] / promised,
                    *_conditions(conditions, figure),
                    processes_text([figure]),
                    remarks([figure]),
                )
            )
    columns = (
        *("device", "threads", "machine", "what", "ceiling", "reached by", "datasheet", "share (%)"),
        *CONDITIONS.values(),
        *("processes", "remarks"),
    )
    notes = [
        BEST_NOTE,
        *([DATASHEET_NOTE.format("; ".join(sources))] if sources else []),
        *([ABOVE_NOTE] if above else []),
    ]
    return _filled("Ceilings", columns, rows, notes)


def _tops(rates: Sequence[Figure]) -> Iterator[tuple[str, Figure]]:
    """The best of each arithmetic, then the best copy."""
    arithmetic = [figure for figure in rates if figure.metric == ARITHMETIC_RATE]
    for dtype in dict.fromkeys(figure.case.precision for figure in arithmetic):
        top = best([figure for figure in arithmetic if figure.case.precision == dtype])
        if top is not None:
            yield dtype, top
    copy = best([figure for figure in rates if figure.metric == BANDWIDTH])
    if copy is not None:
        yield "copy", copy


def _datasheet(figure: Figure, summary: Summary) -> Datasheet | None:
    environments = (summary.environments[label] for label in figure.machine)
    gpu = next((each.gpu for each in environments if each.gpu), None)
    return datasheet_of(gpu.name) if gpu and devices.traits(figure.case.device).has_datasheet else None


def _promised(sheet: Datasheet | None, figure: Figure) -> float | None:
    """The datasheet's figure in the unit of the row."""
    if sheet is None:
        return None
    return sheet.bandwidth if figure.metric == BANDWIDTH else sheet.teraflops(figure.case.precision)


def _conditions(
    figures: Mapping[tuple[Subject, Product], Mapping[str, Figure]], rate: Figure
) -> Iterator[Cell]:
    assert rate.product is not None
    found = figures.get((subject_of(rate), rate.product), {})
    for metric in CONDITIONS:
        figure = found.get(metric)
        yield figure.median if figure else None


def _products_tables(rates: Sequence[Figure], *, several_machines: bool) -> Iterator[Table]:
    """For each place a row for each product and a column for each arithmetic."""
    for (device, threads, machine), here in _by_place(rates).items():
        dtypes = list(dict.fromkeys(figure.case.precision for figure in here))
        cells = {(figure.product, figure.case.precision): _scaled(figure) for figure in here}
        units = {figure.product: UNITS[figure.metric] for figure in here if figure.product}
        where = [
            device,
            *([f"{threads} thread{'s' if threads > 1 else ''}"] if threads else []),
            *([f"machine {'+'.join(machine)}"] if several_machines else []),
        ]
        rows = [
            (product_name(product), unit, *(cells.get((product, dtype)) for dtype in dtypes))
            for product, unit in sorted(units.items(), key=lambda item: _kind(item[0]))
        ]
        yield _filled(f"Products on {', '.join(where)}", ("product", "unit", *dtypes), rows, [PRODUCTS_NOTE])


def _kind(product: Product) -> int:
    """What is alike stands together, in the order in which it was measured."""
    return KINDS.index(type(product))


def _place_cells(place: _Place, several_machines: bool) -> tuple[Cell, ...]:
    device, threads, machine = place
    return device, threads, "+".join(machine) if several_machines else None


def _scaled(figure: Figure) -> Quantity:
    return measured(figure, 1 / SCALES[figure.metric])


def _filled(
    title: str, columns: Sequence[str], rows: Sequence[tuple[Cell, ...]], notes: Sequence[str]
) -> Table:
    """The table without columns that are empty in every row, and with the notes that its marks need."""
    kept = [at for at in range(len(columns)) if any(row[at] is not None for row in rows)]
    return Table(
        title=title,
        columns=tuple(columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in rows),
        notes=(*notes, *interval_notes(cell for row in rows for cell in row)),
    )
