"""Tables of ceilings: the best of each arithmetic beside the datasheet, and every product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from bench import devices
from bench.schema.ceiling_product import Convolution, Copy, MatrixProduct, Product, product_name
from bench.schema.plurals import how_many
from reports.analysis.datasheet import Datasheet, datasheet_of
from reports.analysis.measured_ceilings import ARITHMETIC_RATE, BANDWIDTH, Ceilings, best, is_ceiling
from reports.cells import Cell, Quantity
from reports.document import Part, Table
from reports.summary.figures import Figure, Summary
from reports.summary.machine_labels import machine_text
from reports.summary.subjects import Subject, by_product, subject_of
from reports.tables.wording import interval_notes, measured, processes_text, remarks

TERA, GIGA = 1e12, 1e9
SCALES = {ARITHMETIC_RATE: TERA, BANDWIDTH: GIGA}
UNITS = {ARITHMETIC_RATE: "TFLOP/s", BANDWIDTH: "GB/s"}
CONDITIONS = {"sm_clock": "SM clock (MHz)", "memory_clock": "memory clock (MHz)", "power": "power (W)"}
"""What NVML said at the end of the best product's window."""

KINDS = (MatrixProduct, Convolution, Copy)

PEAK = Part("ceilings", "Measured peak")
PRODUCTS = Part("ceilings-by-size", "Peak by matrix and convolution size")
BEST_NOTE = (
    "The fastest of matrix products and of VGG's convolutions, and of copies (bytes read plus bytes "
    "written); medians of short windows. % of peak of a network refers to these figures, not to a datasheet."
)
DATASHEET_NOTE = "datasheet: without sparsity; {}."
ABOVE_NOTE = (
    "Above 100% of a datasheet: the clock exceeds the boost clock that it assumes, or a convolution "
    "algorithm multiplies less often than is counted (Winograd)."
)
PRODUCTS_NOTE = (
    "matmul: m x n x k. conv: 3x3, channels x side, as many output channels, forward without bias; b: batch "
    "size. Random operands, timed by the device's clock where it has one. Empty: it would take too long (see "
    "Not measured), or it failed (see Warnings)."
)


def ceiling_tables(summary: Summary, ceilings: Ceilings) -> Iterator[Table]:
    """Of the ceilings that a summary holds (`ceilings_of`); none where it holds none.

    Beside networks they are for the appendix.
    """
    rates = ceilings.rates
    if rates:
        beside = any(not is_ceiling(figure) for figure in summary.figures)
        several = len(summary.environments) > 1
        peak, products = (structs.replace(part, in_appendix=beside) for part in (PEAK, PRODUCTS))
        yield structs.replace(best_table(rates, summary), part=peak)
        for table in _products_tables(rates, several_machines=several):
            yield structs.replace(table, part=products)


Place = tuple[str, int | None, tuple[str, ...]]
"""Device, threads where it is a CPU, machine."""


def _place(figure: Figure) -> Place:
    case = figure.case
    return case.device, case.threads if devices.traits(case.device).is_host else None, figure.machine


def by_place(rates: Sequence[Figure]) -> Mapping[Place, list[Figure]]:
    """The rates of each device, of a CPU those of each number of threads."""
    places: dict[Place, list[Figure]] = {}
    for figure in rates:
        places.setdefault(_place(figure), []).append(figure)
    return places


def best_table(rates: Sequence[Figure], summary: Summary) -> Table:
    """The peak in each dtype and that of copies, for each device and number of threads."""
    conditions = by_product([figure for figure in summary.figures if figure.metric in CONDITIONS])
    several = len(summary.environments) > 1
    rows: list[tuple[Cell, ...]] = []
    sources: dict[str, None] = {}
    above = False
    for place, here in by_place(rates).items():
        sheet = _datasheet(here[0], summary)
        for name, figure in tops(here):
            promised = _promised(sheet, figure)
            if sheet is not None and promised is not None:
                sources[sheet.source] = None
                above = above or figure.median > promised * SCALES[figure.metric]
            rows.append(
                (
                    *_place_cells(place, several),
                    f"{name} ({UNITS[figure.metric]})",
                    scaled(figure),
                    product_name(figure.product) if figure.product else None,
                    promised,
                    None if promised is None else 100 * figure.median / SCALES[figure.metric] / promised,
                    *_conditions(conditions, figure),
                    processes_text([figure]),
                    remarks([figure]),
                )
            )
    columns = (
        *("device", "threads", "machine", "what", "peak", "reached by", "datasheet", "% of datasheet"),
        *CONDITIONS.values(),
        *("processes", "remarks"),
    )
    notes = [
        BEST_NOTE,
        *([DATASHEET_NOTE.format("; ".join(sources))] if sources else []),
        *([ABOVE_NOTE] if above else []),
    ]
    return _filled("Measured peak", columns, rows, notes)


def tops(rates: Sequence[Figure]) -> Iterator[tuple[str, Figure]]:
    """The fastest in each dtype, then the fastest copy."""
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
    """For each place a row for each product and a column for each dtype."""
    for (device, threads, machine), here in by_place(rates).items():
        dtypes = list(dict.fromkeys(figure.case.precision for figure in here))
        cells = {(figure.product, figure.case.precision): scaled(figure) for figure in here}
        units = {figure.product: UNITS[figure.metric] for figure in here if figure.product}
        where = place_in_words((device, threads, machine), several_machines)
        rows = [
            (product_name(product), unit, *(cells.get((product, dtype)) for dtype in dtypes))
            for product, unit in sorted(units.items(), key=lambda item: _kind(item[0]))
        ]
        title = f"Peak by matrix and convolution size, {where}"
        yield _filled(title, ("product", "unit", *dtypes), rows, [PRODUCTS_NOTE])


def place_in_words(place: Place, several_machines: bool) -> str:
    """`cpu, 2 threads`"""
    device, threads, machine = place
    words = [
        device,
        *([how_many(threads, "thread")] if threads else []),
        *([f"machine {machine_text(machine)}"] if several_machines else []),
    ]
    return ", ".join(words)


def _kind(product: Product) -> int:
    """What is alike stands together, in the order in which it was measured."""
    return KINDS.index(type(product))


def _place_cells(place: Place, several_machines: bool) -> tuple[Cell, ...]:
    device, threads, machine = place
    return device, threads, machine_text(machine) if several_machines else None


def scaled(figure: Figure) -> Quantity:
    """In the unit of its row."""
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
