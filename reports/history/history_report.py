"""Published latencies and those of this machine as a document: a part for each network, speed-ups by year."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench import devices
from bench.schema.plurals import how_many
from bench.stats.estimates import centre
from reports.cells import UNRESOLVED, Cell, Quantity, Scalar, readable
from reports.document import Document, Part, Plot, Series, Table, TableKey
from reports.history.history_answer import NAMES, answer
from reports.history.then_and_now import (
    LONG_STEP_FLOPS,
    OURS,
    MeasuredToday,
    Published,
    Work,
    measured,
    published,
    same_precision,
)
from reports.sections.asked import Asked
from reports.sections.machine_tables import machine_words
from reports.sections.origin import origin_of
from reports.summary.caches import IN_WORDS
from reports.summary.figures import Summary
from reports.summary.machine_labels import machine_text
from reports.tables.moderation_note import with_note
from reports.tables.wording import interval_notes, with_interval

COLUMNS = ("year", "device", "library", "precision", "forward (ms)", "backward (ms)", "total (ms)")
SPEED_UPS = ("speed-up, same precision", "speed-up, fastest here")
PLOT_NAME = "speed-up-by-year"
WORK_IN_WORDS = (
    "Measured work: one training step on random images, forward and backward, without the optimizer and "
    "without dropout. Differences remain. The forward pass here includes softmax and cross-entropy, which "
    "soumith's tables leave out. jcjohnson's networks are Caffe's in training mode, with dropout and loss, "
    "and their backward pass includes the images. Published figures are means of 10 steps (TensorFlow: 100), "
    "those here medians of processes."
)
SPEED_UP_IN_WORDS = (
    "speed-up: published time / time here; above 1x this machine is faster. Same precision pairs fp32 with "
    "IEEE fp32 and fp16 with amp-fp16. Fastest here uses the fastest precision, in brackets."
)


def document(summary: Summary | None, asked: Asked | None = None) -> Document:
    """A table for each model and batch, the speed-ups by year as a plot, a flat row for each comparison;
    `asked` is how the command was called."""
    found = measured(summary)
    groups: dict[Work, list[Published]] = {}
    for row in published():
        groups.setdefault(row.work, []).append(row)
    return Document(
        title="This machine vs published results, 2015-2017",
        answer=answer(groups, found, summary, asked or Asked()),
        text=tuple(_introduction(summary, found)),
        tables=with_note(
            (_table(key, rows, found.get(key, [])) for key, rows in groups.items()),
            summary.figures if summary else (),
        ),
        plots=tuple(_plot(groups, found)),
        rows=tuple(
            each for key, rows in groups.items() for row in rows for each in _rows(row, found.get(key, []))
        ),
        origin=origin_of(summary),
    )


def _introduction(summary: Summary | None, found: dict[Work, list[MeasuredToday]]) -> Iterator[str]:
    if summary is not None:
        yield from machine_words(summary)
    if found:
        yield IN_WORDS["warm"]
    yield WORK_IN_WORDS
    if not found:
        return
    yield SPEED_UP_IN_WORDS
    measured_on = {here.subject.case.device for several in found.values() for here in several}
    if all(devices.traits(name).is_host for name in measured_on):
        yield (
            "Measured on a CPU; most published figures are those of GPUs. On a CPU --run skips steps of more "
            f"than {LONG_STEP_FLOPS / 1e12:g} TFLOP."
        )


def _table(key: Work, rows: Sequence[Published], here: Sequence[MeasuredToday]) -> Table:
    model, batch, image = key
    lines: list[tuple[Cell, ...]] = []
    for row in sorted(rows, key=lambda row: (row.year, row.total_ms)):
        year = Quantity(value=row.year, digits="given")
        times = (row.forward_ms, row.backward_ms, row.total_ms)
        lines.append((year, row.device, row.library, row.precision, *times, *_speed_ups(row, here)))
    for each in here:
        total = with_interval(each.total, each.interval, 1e3)
        parts = (
            Quantity(value=1e3 * centre(part), unresolved=not total.is_resolved)
            for part in (each.forward, each.backward)
        )
        device = f"here: {each.subject.case.device} {machine_text(each.subject.machine)}".strip()
        torch = f"torch, {how_many(len(each.forward), 'process', 'processes')}"
        lines.append(("now", device, torch, each.name, *parts, total, None, None))
    notes = [f"Sources: {'; '.join(dict.fromkeys(row.source for row in rows))}."]
    notes += dict.fromkeys(f"{row.source}: {row.note}." for row in rows)
    if not here:
        notes.append(f"Not measured here: {OURS[model]}, training, batch {batch}, {image} px.")
    return Table(
        title=f"{NAMES[model]}, batch {batch}, {image} px",
        key=TableKey("history", (model,)),
        part=Part(model, f"{NAMES[model]}: all published latencies"),
        columns=(*COLUMNS, *SPEED_UPS) if here else COLUMNS,
        rows=tuple(line if here else line[: len(COLUMNS)] for line in lines),
        notes=(*notes, *interval_notes(cell for line in lines for cell in line)),
    )


def _speed_ups(row: Published, here: Sequence[MeasuredToday]) -> tuple[Cell, Cell]:
    if not here:
        return None, None
    alike = next((each for each in here if same_precision(row, each)), None)
    fastest = here[0].speed_up(row)
    known = with_interval(fastest.value, fastest.interval).is_resolved
    return _cell(row, alike), f"{readable(fastest.value) + 'x' if known else UNRESOLVED} ({here[0].name})"


def _cell(row: Published, here: MeasuredToday | None) -> Cell:
    if here is None:
        return None
    ratio = here.speed_up(row)
    return with_interval(ratio.value, ratio.interval, unit="x")


def _rows(row: Published, here: Sequence[MeasuredToday]) -> Iterator[dict[str, Scalar]]:
    """Times in milliseconds; a row without a measurement has the published figures only."""
    fields: dict[str, Scalar] = {
        name: value for name, value in structs.asdict(row).items() if name not in ("note", "source")
    }
    for each in here or (None,):
        ratio = each.speed_up(row) if each else None
        case = each.subject.case if each else None
        yield {
            **fields,
            "here_model": OURS[row.model],
            "here_device": case.device if case else None,
            "here_precision": case.precision if case else None,
            "here_engine": case.engine if case else None,
            "here_layout": case.layout if case else None,
            "here_forward_ms": 1e3 * centre(each.forward) if each else None,
            "here_backward_ms": 1e3 * centre(each.backward) if each else None,
            "here_total_ms": 1e3 * each.total if each else None,
            "speed_up": ratio.value if ratio else None,
            "low": ratio.interval.low if ratio and ratio.interval else None,
            "high": ratio.interval.high if ratio and ratio.interval else None,
            "same_precision": None if each is None else "yes" if same_precision(row, each) else "no",
            "processes": len(each.forward) if each else 0,
            "source": row.source,
            "note": row.note,
        }


def _plot(groups: dict[Work, list[Published]], found: dict[Work, list[MeasuredToday]]) -> Iterator[Plot]:
    """Each published row of the same precision by its year."""
    series = []
    for key, rows in groups.items():
        pairs = [
            (row, each)
            for row in rows
            if (each := next((h for h in found.get(key, []) if same_precision(row, h)), None))
        ]
        if pairs:
            series.append(
                Series(
                    label=f"{key[0]}, batch {key[1]}",
                    x=tuple(float(row.year) for row, _ in pairs),
                    y=tuple(each.speed_up(row).value for row, each in pairs),
                )
            )
    if series:
        yield Plot(
            name=PLOT_NAME,
            title="Speed-up over published latencies, by year",
            note="Forward and backward, same precision; one point per published device and library.",
            x_label="year of publication",
            y_label="speed-up here (x)",
            log_y=True,
            kind="points",
            series=tuple(series),
        )
