"""Where the time of a step goes, on one screen: shares by kind of layer, and the layers with most to gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.schema.layer_phases import ALL_LAYERS
from bench.schema.plurals import how_many
from reports.analysis.layer_headroom import gap_of, headrooms, kind_shares
from reports.analysis.layer_shares import Layers
from reports.analysis.measured_ceilings import Rate
from reports.bar_rows import BarChart, BarRow
from reports.cells import Cell, Quantity
from reports.document import Answer, NextStep, Table
from reports.sections.layer_tables import names_of, of_limit, saved, together
from reports.sections.layer_work_tables import NAME_LETTERS, label_of
from reports.tables.case_columns import in_words as axes_in_words
from reports.tables.case_columns import varying
from reports.tables.case_command import best_command, layers_command
from reports.tables.case_names import network_name
from reports.tables.time_words import in_words
from reports.tables.wording import interval_notes, milliseconds, one_line, with_interval

MOST_HEADLINES = 4
LARGEST = 5
"""So many layers are named on the first screen."""
SMALL_KIND, MOST_KINDS = 0.02, 6
"""A kind of less than this share of the step shares a bar with others, and so do those beyond so many."""
MOST_CHARTED = 3
"""Cases that a chart of bars beside each other has room for."""


def answer(about: str, alarms: tuple[str, ...], found: Sequence[Layers]) -> tuple[str, Answer]:
    """The title of the report and its first screen, of at least one case; `about` says machine, versions and
    counts, `alarms` what forbids to trust the figures."""
    names = names_of(found)
    shown = [names[layers.name] for layers in found]
    headlines = [_headline(layers, name) for layers, name in zip(found, shown, strict=True)]
    more = len(headlines) - MOST_HEADLINES
    unresolved = [layers for layers in found if not _step(layers).is_resolved]
    title = shown[0] if len(found) == 1 else f"{len(found)} cases"
    return f"{title}: time by layer", Answer(
        about=about,
        alarms=alarms,
        headlines=(*headlines[:MOST_HEADLINES], *([f"And {more} more."] if more > 0 else [])),
        chart=_chart([layers for layers in found if layers not in unresolved]),
        table=_most_to_gain(found[0]) if len(found) == 1 else _cases(found, names),
        warnings=_warnings(found),
        next_step=_next(found[0], bool(alarms or unresolved)),
    )


def _step(layers: Layers) -> Quantity:
    """The whole step, in seconds."""
    figure = layers.together[ALL_LAYERS, "whole_time"]
    return with_interval(figure.median, figure.interval)


def _headline(layers: Layers, name: str) -> str:
    """`VGG-16 inference, batch 8: a step takes 1.16 s †, 81% of it in convolution; 56% of peak ...`"""
    step = _step(layers)
    if not step.is_resolved:
        return f"{name}: the step time is {in_words(step)}, so no share of it is certain."
    (kind, share), *_ = kind_shares(layers).items()
    added = f"The layers add up to {1 + gap_of(layers).share:.0%} of the step."
    return (
        f"{name}: a step takes {in_words(step)}, {share:.0%} of it {_where(kind)}{_of_peak(layers)}. {added}"
    )


def _where(kind: str) -> str:
    told = {"outside layers": kind, "linear": "in linear layers", "optimizer": "in the optimizer"}
    return told.get(kind, f"in {kind}")


def _of_peak(layers: Layers) -> str:
    """`; 56% of peak compute (fp32)`; nothing where the peak or some layer's FLOPs are not known, or the peak
    is below what was reached."""
    rows = [row for of_part in layers.parts.values() for row in of_part]
    flops = sum(row.reached.flops or 0.0 for row in rows)
    peak: Rate | None = next((row.reached.arithmetic for row in rows if row.reached.arithmetic), None)
    dtype = rows[0].reached.dtype
    if peak is None or not flops:
        return ""
    share = flops / layers.together[ALL_LAYERS, "whole_time"].median / peak.per_second
    return f"; {share:.0%} of measured peak compute ({dtype})" if share <= 1 else ""


def _chart(found: Sequence[Layers]) -> BarChart | None:
    """The share of each kind of layer, a bar for each case; None of more cases than a chart has room for."""
    if not 0 < len(found) <= MOST_CHARTED:
        return None
    shares = [kind_shares(layers) for layers in found]
    largest = {kind: max(each.get(kind, 0.0) for each in shares) for each in shares for kind in each}
    kinds = sorted((k for k, share in largest.items() if share >= SMALL_KIND), key=lambda k: -largest[k])
    kinds = kinds[:MOST_KINDS]
    rest = [sum(share for kind, share in each.items() if kind not in kinds) for each in shares]
    rows = [BarRow(kind, tuple(_bar(each.get(kind, 0.0)) for each in shares)) for kind in kinds]
    if max(rest) >= 0.005:
        rows.append(BarRow("rest", tuple(_bar(share) for share in rest)))
    series = _short_names(found) if len(found) > 1 else ("",)
    return BarChart(title="Share of the step by kind of layer", rows=tuple(rows), series=series)


def _short_names(found: Sequence[Layers]) -> tuple[str, ...]:
    """The network, and what tells cases of one network apart."""
    subjects = [layers.subject for layers in found]
    axes = varying(subjects)
    return tuple(
        " ".join(filter(None, (network_name(each.case.model), axes_in_words(each, axes))))
        for each in subjects
    )


def _bar(share: float) -> Quantity | None:
    return Quantity(value=100 * share, unit="%", digits=0) if share else None


def _most_to_gain(layers: Layers) -> Table:
    """The layers that would save the most at their limit; without limits the longest."""
    every = headrooms(layers)
    has_limit = any(each.limit for each in every)
    resolved = [each for each in every if together(each).is_resolved]
    certain = [each for each in resolved if each.saved_seconds] if has_limit else resolved
    rows = [
        (
            one_line(label_of(each.layer), NAME_LETTERS),
            each.layer.kind,
            together(each),
            Quantity(value=100 * each.share, unit="%", digits=0),
            *((of_limit(each), saved(each)) if has_limit else ()),
        )
        for each in certain[:LARGEST]
    ]
    others = [label_of(each.layer) for each in certain[LARGEST : LARGEST + 4]]
    unresolved = len(every) - len(resolved)
    return Table(
        title="Most to gain: time above the nearer limit" if has_limit else "Longest layers",
        columns=(
            *("layer", "kind", "time (ms)", "share"),
            *(("% of limit", "could save (ms)") if has_limit else ()),
        ),
        rows=tuple(rows),
        notes=(
            *([f"{', '.join(others)} follow; all layers: --section layers."] if others else []),
            *([f"{_counted(unresolved)} without a resolved time."] if unresolved else []),
            *interval_notes(cell for row in rows for cell in row),
        ),
    )


def _counted(layers: int) -> str:
    return "1 layer is" if layers == 1 else f"{layers} layers are"


def _cases(found: Sequence[Layers], names: Mapping[str, str]) -> Table:
    """A row for each case: what it is and which layer has most to gain; not ranked, since each is another
    task."""
    rows: list[tuple[Cell, ...]] = []
    for layers in found:
        certain = [each for each in headrooms(layers) if together(each).is_resolved]
        first = certain[0] if certain else None
        rows.append(
            (
                names[layers.name],
                milliseconds(layers.together[ALL_LAYERS, "whole_time"]),
                f"{label_of(first.layer)} ({first.layer.kind})" if first else None,
                None if first is None else Quantity(value=100 * first.share, unit="%", digits=0),
                None if first is None else of_limit(first),
                None if first is None else saved(first),
            )
        )
    columns = ("case", "step (ms)", "most to gain", "share", "% of limit", "could save (ms)")
    kept = [at for at in range(len(columns)) if any(row[at] is not None for row in rows)]
    return Table(
        title="The layer with most to gain in each case",
        columns=tuple(columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in rows),
        notes=interval_notes(cell for row in rows for cell in row),
    )


def _warnings(found: Sequence[Layers]) -> str:
    tags = [tag for layers in found for tag in layers.together[ALL_LAYERS, "whole_time"].tags]
    counts = {tag: tags.count(tag) for tag in dict.fromkeys(tags)}
    if not counts:
        return ""
    told = ", ".join(f"{tag} {count}" for tag, count in counts.items())
    return f"Warnings in {how_many(len(found), 'case')}: {told}."


def _next(layers: Layers, measure_again: bool) -> NextStep:
    """For the first case: again where its figures are in doubt, with peaks where they are missing, else a
    search for what is faster."""
    case = layers.subject.case
    if measure_again:
        return NextStep(command=layers_command(case, "--replicates", "3"), purpose="measures again")
    if not any(each.limit for each in headrooms(layers)):
        return NextStep(command=layers_command(case), purpose="measures the peak too")
    return NextStep(command=best_command(case), purpose="finds the fastest configuration")
