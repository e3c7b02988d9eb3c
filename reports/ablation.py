"""Ablations -> the report: for each decision what it costs and what it does to accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import structs

from bench import datasets
from bench.ablations import Ablation, Comparison, Level
from bench.case import Case
from reports.ablation_blocks import block_tables, peers_of, stage_order
from reports.ablation_networks import accuracy_table, speed_table
from reports.ablation_pairs import Contest, Sides, contests, timed_sides
from reports.ablation_plots import accuracy_plot, block_plots
from reports.ablation_rows import contest_rows, rows_of
from reports.ablation_words import block_findings, network_findings
from reports.accuracy import recipe_words
from reports.axes import Layout
from reports.figures import Summary
from reports.learning import training_runs
from reports.machines import machine_tables, machine_words
from reports.report import ACCURACY_IN_WORDS, TIME_IN_WORDS, failed_table, skipped_table, warnings_table
from reports.summary import summarise
from reports.table import Cell, Document, Plot, Table

ALL_ROWS = "All rows"
"""How the note begins that says what only this table's rows share."""
WITH_REASONS = ("kernels", "depth")
"""Only these change the FLOPs, and so have a prediction that can be wrong."""


def build(ablations: Sequence[Ablation], directories: Sequence[Path]) -> Document:
    """The report of these ablations from the runs in `directories`, whatever else they hold.

    Raises UserError for a directory without readable records.
    """
    return document(ablations, summarise(directories))


def document(ablations: Sequence[Ablation], summary: Summary) -> Document:
    """What each ablation shows in words, then its tables and plots, and every comparison as flat rows."""
    timed = [figure for figure in summary.figures if figure.case.task is None]
    runs = training_runs(summary)
    peers = peers_of(timed)
    layout = Layout(inputs_follow_model=False, several_machines=len(summary.environments) > 1)
    found: list[Sides] = []
    learned: list[Contest] = []
    tables: list[Table] = []
    plots: list[Plot] = []
    findings: list[str] = []
    rows: list[dict[str, Cell]] = []
    for ablation in ablations:
        name = ablation.name
        blocks = timed_sides(timed, _of_level(ablation, "block"))
        networks = timed_sides(timed, _of_level(ablation, "network"))
        trained = contests(runs, ablation.comparisons)
        for topic in dict.fromkeys(each.comparison.topic for each in blocks):
            chosen = sorted((e for e in blocks if e.comparison.topic == topic), key=stage_order)
            findings += block_findings(chosen, peers)
            plots += block_plots(topic, chosen)
        findings += network_findings(name, networks, trained)
        accuracy = f"{name.capitalize()}: accuracy"
        tables += block_tables(blocks, timed, peers, layout)
        tables += speed_table(
            f"{name.capitalize()}: cost and speed", networks, peers, layout, reasons=name in WITH_REASONS
        )
        tables += accuracy_table(accuracy, trained, layout)
        plots += accuracy_plot(name, accuracy, trained)
        found += (*blocks, *networks)
        learned += trained
        rows += [row for each in (*blocks, *networks) for row in rows_of(name, each, peers)]
        rows += [row for each in trained for row in contest_rows(name, each)]
    return Document(
        title="convbench ablations",
        text=(
            *machine_words(summary),
            *_introduction(ablations, found, learned),
            *findings,
            *summary.notes,
        ),
        tables=(
            *machine_tables(summary),
            *_explained_once(tables),
            *failed_table(summary.outcomes),
            *skipped_table(summary.outcomes),
            *warnings_table(summary),
        ),
        plots=tuple(plots),
        rows=tuple(rows),
    )


def _explained_once(tables: Sequence[Table]) -> Iterator[Table]:
    """The same tables, without the notes that stand under an earlier one already."""
    told: set[str] = set()
    for table in tables:
        yield structs.replace(table, notes=tuple(note for note in table.notes if note not in told))
        told |= {note for note in table.notes if not note.startswith(ALL_ROWS)}


def _of_level(ablation: Ablation, level: Level) -> list[Comparison]:
    return [comparison for comparison in ablation.comparisons if comparison.level == level]


def _introduction(
    ablations: Sequence[Ablation], timed: Sequence[Sides], trained: Sequence[Contest]
) -> Iterator[str]:
    """What is compared, at which sizes, and how to read it."""
    questions = "; ".join(f"{each.name}: {each.question}" for each in ablations)
    yield f"Compared: {questions}. Both sides of a comparison share everything but the decision."
    blocks = [each for each in timed if each.comparison.level == "block"]
    networks = [each for each in timed if each.comparison.level == "network"]
    if blocks:
        yield f"Blocks of convolutions, timed: {_block_sizes(blocks)}."
    if networks:
        yield f"Networks, timed: {'; '.join(dict.fromkeys(map(_network_size, networks)))}."
    if trained:
        yield f"Networks, trained: {'; '.join(dict.fromkeys(map(_training_size, trained)))}."
    for dataset in dict.fromkeys(each.base.task.dataset for each in trained):
        if not datasets.get(dataset).mirrors and any(each.name == "augmentation" for each in ablations):
            yield f"Augmentation shifts the images; {dataset} mirrored are no {dataset}, so none is flipped."
    if timed:
        yield TIME_IN_WORDS
    if trained:
        yield ACCURACY_IN_WORDS


def _block_sizes(sides: Sequence[Sides]) -> str:
    """`64 channels at 56 px, ...; batch 1, 8, cpu, fp32, eager; 3 processes each`"""
    stages = dict.fromkeys(
        f"{each.comparison.subject} at {each.new.case.image} px" for each in sorted(sides, key=stage_order)
    )
    cases = [each.new.case for each in sides]
    return f"{', '.join(stages)}; {_shared(cases)}; {_processes(sides)}"


def _network_size(sides: Sides) -> str:
    case = sides.new.case
    return f"{sides.comparison.subject} {case.image} px, {_shared([case])}, {_processes([sides])}"


def _training_size(contest: Contest) -> str:
    run = contest.base
    case = run.subject.case
    return (
        f"{contest.comparison.subject} on {run.task.dataset}, {case.image} px, {_shared([case])}, "
        f"{len(run.ended | run.diverged)} seeds, {recipe_words(run.task.recipe)}"
    )


def _shared(cases: Sequence[Case]) -> str:
    batches = ", ".join(str(batch) for batch in sorted({case.batch for case in cases}))
    words = dict.fromkeys(word for case in cases for word in (case.device, case.precision, case.engine))
    return f"batch {batches}, {', '.join(words)}"


def _processes(sides: Sequence[Sides]) -> str:
    counts = sorted(
        {
            len(figure.medians)
            for each in sides
            for found in each.new_figures.values()
            for figure in found.values()
        }
    )
    if counts[-1] == 1:
        return "one process each"
    most = f"{counts[-1]} processes each"
    return most if len(counts) == 1 else f"{counts[0]} to {most}"
