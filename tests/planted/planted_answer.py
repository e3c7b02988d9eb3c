"""A document with all that a page can show: an answer, parts, samples, an appendix."""

from __future__ import annotations

from msgspec import structs

from reports.bar_rows import BarChart, BarRow
from reports.cells import Cell, Labels, Quantity
from reports.document import Answer, Document, NextStep, Part, Plot, Series, Table, TableKey

CHART = BarChart(
    title="Milliseconds per image",
    series=("fp32 eager", "fastest found"),
    rows=(
        BarRow(
            "AlexNet inference", (Quantity(value=9.1, low=8.8, high=9.4), Quantity(value=1.2, of_one=True))
        ),
        BarRow("VGG-16 inference", (Quantity(value=151.0, low=147.0, high=155.0), None)),
        BarRow("VGG-11 training", (Quantity(value=231.0, low=50.0, high=900.0), Quantity(value=81.0))),
    ),
)
KEY = TableKey("latency", ("inference", "cpu"))
COLUMNS = ("network", "batch", "time, ms", "remarks")
SAMPLES = Plot(name="samples", title="Samples", x_label="", y_label="", under=KEY, kind="strips", series=())
TIMES = Part("times", "All configurations")
MEMORY = Part("memory", "Peak memory")
SYSTEM = Part("system", "System", in_appendix=True)


def cases() -> list[tuple[str, tuple[Cell, ...]]]:
    """Twelve cases by name, each with its cells; the third is not resolved."""
    found: list[tuple[str, tuple[Cell, ...]]] = []
    for batch in range(1, 13):
        time = 8.0 * batch
        low, high = (0.3, 3.0) if batch == 3 else (0.99, 1.01)
        cells = (
            "VGG-16" if batch % 2 else "AlexNet",
            batch,
            Quantity(value=time, low=low * time, high=high * time),
            Labels(("drifting", "steal")) if batch == 2 else None,
        )
        found.append((f"case/b{batch}", cells))
    return found


def samples(name: str) -> Series:
    """Three processes of five samples each around 1."""
    x = [at + spread for at in (0.98, 1.0, 1.03) for spread in (-0.01, -0.005, 0.0, 0.005, 0.2)]
    y = tuple(float(process) for process in (1, 2, 3) for _ in range(5))
    return Series(label=f"Samples of {name}", x=tuple(x), y=y, hue=0, row_name=name)


def document() -> Document:
    named = cases()
    names, rows = tuple(name for name, _ in named), tuple(cells for _, cells in named)
    return Document(
        title="VGG-16 and AlexNet on Intel Xeon",
        answer=_answer(names, rows),
        text=("Times are medians.",),
        tables=(
            Table(title="System", columns=("what", "value"), rows=(("CPU", "Xeon"),), part=SYSTEM),
            Table(
                title="Inference on cpu",
                key=KEY,
                columns=COLUMNS,
                rows=rows,
                part=TIMES,
                row_names=names,
                shared=("fp32", "224 px"),
            ),
            Table(
                title="Peak memory",
                columns=("network", "MiB"),
                rows=(("VGG-16", 620), ("AlexNet", 310)),
                part=MEMORY,
            ),
        ),
        plots=(structs.replace(SAMPLES, series=tuple(samples(name) for name in names)),),
    )


def _answer(names: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]) -> Answer:
    """The table has the first two cases."""
    return Answer(
        about="Intel Xeon, 2 cores · torch 2.15.0 · 12 of 12 cases in 3 min",
        alarms=("The machine was busy: other programs took 30% of CPU time.",),
        headlines=("VGG-16 inference, batch 1: 8.00 ms ±1%.", "AlexNet inference, batch 2: 16.0 ms ±1%."),
        chart=CHART,
        table=Table(title="Best measured configuration", columns=COLUMNS, rows=rows[:2], row_names=names[:2]),
        warnings="1 row ! (drifting 1, steal 1)",
        next_step=NextStep(
            command="convbench run --resume --out runs/1", purpose="resolves 1 figure", seconds=540
        ),
    )
