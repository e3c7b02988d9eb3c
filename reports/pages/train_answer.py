"""The first screen of training runs: which networks learned, which is most accurate, which is fastest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import structs

from bench.archive.archived_runs import is_archived
from bench.plan import training_runs
from bench.schema.merged import MERGED
from bench.schema.plurals import how_many
from reports.analysis.learned import ACCURACY_KEY, Learned, Together, together
from reports.analysis.rankings import is_ranked, time_to_target
from reports.bar_rows import MOST_BARS, BarChart, BarRow
from reports.cells import Cell, Quantity, readable
from reports.document import Answer, NextStep, Table
from reports.pages.run_answer import RunFound
from reports.pages.train_headlines import CaseNames, headlines, names_of
from reports.sections.accuracy_tables import peak_of, to_target
from reports.sections.machine_line import in_short
from reports.summary.figures import Summary
from reports.tables import first_screen
from reports.tables.case_names import network_name
from reports.tables.listing import and_more
from reports.tables.wording import MIB, mean_percent, of_seeds

MOST_ROWS = 9
MOST_NAMED = 2
"""Networks at chance, or with diverged seeds, that the line of warnings names."""
ENOUGH_SEEDS = 5


def answer(found: RunFound, runs: Sequence[Learned]) -> tuple[str, Answer]:
    """The title of a report of training runs, and its first screen: at most 24 lines of 100 columns."""
    groups = together(runs)
    names = names_of(groups)
    shown = _most_telling(groups)
    counts = f"{how_many(len(runs), 'case')}, {how_many(sum(run.seeds for run in runs), 'training run')}"
    title, about = _title(runs), f"{in_short(found.summary)} · {counts}"
    told, warnings = headlines(groups, names), warnings_line(runs, names)
    texts = [
        f"{title} · {about}",
        *(f"! {alarm}" for alarm in found.alarms),
        *told,
        *([warnings] if warnings else []),
        f"More: --section {'|'.join(found.parts)}, or --full",
    ]
    left = first_screen.LINES - first_screen.lines_of(texts) - 2  # an empty line, and the next command
    fit = [run for run in groups[shown] if not run.is_at_chance and run.ended]
    chart = _chart(groups[shown], names)
    rows, charted = first_screen.room(left, min(len(fit), MOST_ROWS), len(chart.rows) if chart else 0)
    return title, Answer(
        about=about,
        alarms=found.alarms,
        headlines=told,
        chart=structs.replace(chart, rows=chart.rows[:charted]) if chart and charted else None,
        table=_table(shown, groups, names, rows),
        warnings=warnings,
        next_step=next_step(found.summary, runs, found.directories),
    )


def _title(runs: Sequence[Learned]) -> str:
    """`LeNet-5, VGG-16 and 2 more, trained on digits`"""
    models = list(dict.fromkeys(network_name(run.subject.case.model) for run in runs))
    datasets = dict.fromkeys(run.task.dataset for run in runs)
    return f"{and_more(models, 3)}, trained on {', '.join(datasets)}"


def _most_telling(groups: Mapping[Together, Sequence[Learned]]) -> Together:
    """The group with the most cases that can be ranked, then with the most cases."""
    return max(groups, key=lambda key: (sum(map(is_ranked, groups[key])), len(groups[key])))


def _chart(runs: Sequence[Learned], names: CaseNames) -> BarChart | None:
    """Seconds of training to the target; without one the test accuracy. Nothing for a single bar."""
    reached = [(run, found) for run in _learned(runs) if (found := time_to_target(run))]
    targets = {run.task.target for run, _ in reached}
    if len(reached) > 1 and len(targets) == 1:
        bars = [(run, bar) for run, found in reached if (bar := of_seeds(found)).is_resolved]
        title = f"Seconds of training to {100 * (targets.pop() or 0):g}% test accuracy"
    else:
        every = [(run, mean_percent(run.figures.get(ACCURACY_KEY))) for run in _learned(runs)]
        bars = [(run, bar) for run, bar in every if bar is not None and bar.is_resolved]
        title = "Test accuracy (%)"
    if len(bars) < 2:
        return None
    rows = tuple(BarRow(names[id(run)], (bar,)) for run, bar in bars[:MOST_BARS])
    return BarChart(title=title, rows=rows)


def _learned(runs: Sequence[Learned]) -> list[Learned]:
    return [run for run in runs if not run.is_at_chance]


def _table(
    key: Together, groups: Mapping[Together, Sequence[Learned]], names: CaseNames, most: int
) -> Table | None:
    """A row for each case that learned something, `most` of them; the caption says what they share."""
    runs = [run for run in _learned(groups[key]) if run.ended]
    if not runs:
        return None
    rows = [(names[id(run)], *_cells(run)) for run in runs[:most]]
    columns = ("network", "test accuracy (%)", "to target (s)", "training (s)", "images/s", "peak (MiB)")
    filled = [at for at in range(len(columns)) if any(row[at] is not None for row in rows)]
    rest = len(runs) - most
    more = [f"{how_many(rest, 'more row')}: --section accuracy."] if rest > 0 else []
    others = len(groups) - 1
    if others:
        more.append(f"{how_many(others, 'other group')} of dataset, threads and machine: --section accuracy.")
    return Table(
        title=_caption(key, runs),
        columns=tuple(columns[at] for at in filled),
        rows=tuple(tuple(row[at] for at in filled) for row in rows),
        notes=(" ".join(more),) if more else (),
        optional=("peak (MiB)", "images/s", "training (s)"),
    )


def _caption(key: Together, runs: Sequence[Learned]) -> str:
    """`digits, 28 to 32 px, cpu, 2 threads, 5 seeds each, recipe quick`"""
    seeds = sorted({run.seeds for run in runs})
    recipes = sorted({run.task.recipe.name for run in runs})
    parts = (
        key.dataset,
        f"{_range({run.subject.case.image for run in runs})} px",
        key.device,
        how_many(key.threads, "thread"),
        f"{how_many(seeds[0], 'seed')} each" if len(seeds) == 1 else f"{_range(seeds)} seeds",
        f"recipe {recipes[0]}" if len(recipes) == 1 else "",
    )
    caption = ", ".join(filter(None, parts))
    return caption[0].upper() + caption[1:]


def _range(values: Sequence[int] | set[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _cells(run: Learned) -> tuple[Cell, ...]:
    peak = peak_of(run)
    return (
        mean_percent(run.figures.get(ACCURACY_KEY)),
        to_target(run),
        _measured(run, "training_time"),
        _measured(run, "loop_rate"),
        None if peak is None else Quantity(value=peak / MIB, digits=0),
    )


def _measured(run: Learned, metric: str) -> Quantity | None:
    figure = run.figure(metric)
    return of_seeds(figure) if figure else None


def warnings_line(runs: Sequence[Learned], names: CaseNames) -> str:
    """Networks that learned nothing and seeds that diverged, by name; how many cases have one seed."""
    nothing = [run for run in runs if run.is_at_chance]
    lost = [run for run in runs if run.diverged]
    single = [run for run in runs if len(run.accuracies) == 1 and not run.diverged]
    told = [_at_chance(run, names) for run in nothing[:MOST_NAMED]]
    told += [_more(len(nothing), "also learned nothing")] if len(nothing) > MOST_NAMED else []
    told += [
        f"{len(run.diverged)} of {run.seeds} seeds of {names[id(run)]} diverged (excluded from means)."
        for run in lost[:MOST_NAMED]
    ]
    told += [_more(len(lost), "also lost seeds")] if len(lost) > MOST_NAMED else []
    marks = [f"! {each}" for each in told]
    if single:
        marks.append(f"† {how_many(len(single), 'case')} with one seed.")
    return " ".join(marks)


def _more(count: int, what: str) -> str:
    return f"{count - MOST_NAMED} more {what}."


def _at_chance(run: Learned, names: CaseNames) -> str:
    percent = f"{readable(100 * run.figures[ACCURACY_KEY].median, 3)}%"
    guess = f"{100 / run.subject.case.classes:.3g}%"
    seeds = how_many(len(run.accuracies), "seed")
    return (
        f"{names[id(run)]} learned nothing: {percent}, guessing is {guess} ({seeds}, left out of rankings)."
    )


def next_step(summary: Summary, runs: Sequence[Learned], directories: Sequence[Path]) -> NextStep:
    """More seeds for what learned nothing or has one seed; else the report as a page."""
    weak = [run for run in runs if run.is_at_chance] or [run for run in runs if run.seeds == 1]
    if not weak:
        folders = shlex.join(map(str, directories)) or "FOLDER"
        return NextStep(command=f"convbench report {folders} -o report.html", purpose="all figures as a page")
    options = training_runs.options_of(weak[0].subject.case)
    alike = [run for run in weak if training_runs.options_of(run.subject.case) == options]
    seeds = max(ENOUGH_SEEDS, *(2 * run.seeds for run in alike))
    models = dict.fromkeys(run.subject.case.model for run in alike)
    goes_on = len(directories) == 1 and _can_go_on(directories[0])
    out = ["--resume", "--out", str(directories[0])] if goes_on else ["--out", "runs/train"]
    words = ("convbench", "train", *models, *options, "--seeds", str(seeds), *out)
    return NextStep(
        command=shlex.join(words),
        purpose=f"{seeds} seeds of {how_many(len(alike), 'case')}",
        seconds=_seconds(summary, alike, seeds),
        has_dry_run=True,
    )


def _can_go_on(directory: Path) -> bool:
    """Whether further seeds can be trained into a folder: not of a shard, nor into what merge made."""
    from bench.runner.plan_file import PLAN

    return not is_archived(directory) and not any((directory / name).exists() for name in (PLAN, MERGED))


def _seconds(summary: Summary, runs: Sequence[Learned], seeds: int) -> float | None:
    """Of the further seeds, each as long as those of its case that there are; None where one is unknown."""
    known = [summary.seconds.get(run.subject.case) for run in runs]
    more = [seeds - run.seeds for run in runs]
    if any(each is None for each in known):
        return None
    return sum((each or 0.0) * count for each, count in zip(known, more, strict=True))
