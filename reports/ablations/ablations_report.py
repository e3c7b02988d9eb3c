"""Ablations -> the report: for each decision what it costs and what it does to accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, structs

from bench import datasets
from bench.plan.ablations import Ablation, Comparison, Level
from bench.schema.case import Caches, Case
from reports.ablations.ablation_plots import accuracy_plot, block_plots
from reports.ablations.ablation_rows import rows_of, trained_rows
from reports.ablations.block_tables import block_tables, stage_order
from reports.ablations.conclusions import block_findings, network_findings
from reports.ablations.form_pairs import TimedPair, TrainedPair, timed_pairs, trained_pairs
from reports.ablations.network_tables import accuracy_table, speed_table
from reports.ablations.predictions import KernelRates, kernel_rates_of
from reports.analysis.learned import Learned, training_runs
from reports.cells import Scalar
from reports.document import Document, Plot, Table, TableKey
from reports.sections.accuracy_tables import recipe_words
from reports.sections.machine_tables import machine_tables, machine_words
from reports.sections.outcome_tables import failed_table, skipped_table, warnings_table
from reports.summary.caches import IN_WORDS
from reports.summary.contended import not_alone
from reports.summary.figures import Figure, Summary
from reports.summary.pooling import summarise
from reports.tables.case_columns import TableScope
from reports.tables.moderation_note import with_note
from reports.tables.wording import ACCURACY_IN_WORDS, TIME_IN_WORDS

WITH_REASONS = ("kernels", "depth")
"""Only these change the FLOPs, and so have a prediction that can be wrong."""


def build(
    ablations: Sequence[Ablation], directories: Sequence[Path], *, plain_intervals: bool = False
) -> Document:
    """The report of these ablations from the runs in `directories`, whatever else they hold; with
    `plain_intervals` no case lends another what it shows of scatter.

    Raises UserError for a directory without readable records.
    """
    return document(ablations, summarise(directories, plain_intervals))


class Part(Struct, frozen=True, kw_only=True):
    """What was found of one ablation: blocks by kernel, networks timed, networks trained."""

    ablation: Ablation
    blocks: dict[str, list[TimedPair]]
    networks: tuple[TimedPair, ...]
    trained: tuple[TrainedPair, ...]

    @property
    def name(self) -> str:
        """As titles begin."""
        return self.ablation.name.capitalize()

    @property
    def timed(self) -> list[TimedPair]:
        """Blocks first."""
        return [*(each for sides in self.blocks.values() for each in sides), *self.networks]


def document(ablations: Sequence[Ablation], summary: Summary) -> Document:
    """What each ablation shows in words, then its tables and plots, and every comparison as flat rows."""
    timed = [figure for figure in summary.figures if figure.case.task is None]
    runs = training_runs(summary)
    parts = [_part(ablation, timed, runs) for ablation in ablations]
    peers = kernel_rates_of(timed)
    scope = TableScope(inputs_follow_model=False, several_machines=len(summary.environments) > 1)
    return Document(
        title="convbench ablations",
        remarks=not_alone(summary.figures),
        text=(
            *machine_words(summary),
            *_introduction(parts, summary.caches),
            *(words for part in parts for words in _findings(part, peers)),
            *summary.notes,
        ),
        tables=with_note(
            (
                *machine_tables(summary),
                *_explained_once(table for part in parts for table in _tables(part, timed, peers, scope)),
                *failed_table(summary.outcomes),
                *skipped_table(summary.outcomes),
                *warnings_table(summary),
            ),
            summary.figures,
        ),
        plots=tuple(plot for part in parts for plot in _plots(part)),
        rows=tuple(row for part in parts for row in _rows(part, peers)),
    )


def _part(ablation: Ablation, timed: Sequence[Figure], runs: Sequence[Learned]) -> Part:
    blocks: dict[str, list[TimedPair]] = {}
    for sides in timed_pairs(timed, _of_level(ablation, "block")):
        blocks.setdefault(sides.comparison.topic, []).append(sides)
    return Part(
        ablation=ablation,
        blocks={topic: sorted(sides, key=stage_order) for topic, sides in blocks.items()},
        networks=timed_pairs(timed, _of_level(ablation, "network")),
        trained=trained_pairs(runs, ablation.comparisons),
    )


def _findings(part: Part, peers: Mapping[Case, KernelRates]) -> Iterator[str]:
    for sides in part.blocks.values():
        yield from block_findings(sides, peers)
    yield from network_findings(part.name, part.networks, part.trained)


def _tables(
    part: Part, figures: Sequence[Figure], peers: Mapping[Case, KernelRates], scope: TableScope
) -> Iterator[Table]:
    for topic, sides in part.blocks.items():
        yield from block_tables(topic, sides, figures, peers, scope)
    reasons = peers if part.ablation.name in WITH_REASONS else None
    yield from speed_table(f"{part.name}: cost and speed", part.networks, reasons, scope)
    yield from accuracy_table(f"{part.name}: accuracy", _accuracy_key(part), part.trained, scope)


def _plots(part: Part) -> Iterator[Plot]:
    for topic, sides in part.blocks.items():
        yield from block_plots(topic, sides)
    yield from accuracy_plot(part.name, _accuracy_key(part), part.trained)


def _rows(part: Part, peers: Mapping[Case, KernelRates]) -> Iterator[dict[str, Scalar]]:
    for sides in part.timed:
        yield from rows_of(part.ablation.name, sides, peers)
    for trained_pair in part.trained:
        yield from trained_rows(part.ablation.name, trained_pair)


def _accuracy_key(part: Part) -> TableKey:
    return TableKey("ablation by accuracy", (part.ablation.name,))


def _explained_once(tables: Iterable[Table]) -> Iterator[Table]:
    """The same tables, without the notes that stand under an earlier one already."""
    told: set[str] = set()
    for table in tables:
        yield structs.replace(table, notes=tuple(note for note in table.notes if note not in told))
        told.update(table.notes)


def _of_level(ablation: Ablation, level: Level) -> list[Comparison]:
    return [comparison for comparison in ablation.comparisons if comparison.level == level]


def _introduction(parts: Sequence[Part], caches: Caches | None) -> Iterator[str]:
    """What is compared, at which sizes, and how to read it."""
    questions = "; ".join(f"{part.ablation.name}: {part.ablation.question}" for part in parts)
    yield f"Compared: {questions}. Both sides of a comparison share everything but the decision."
    blocks = [each for part in parts for sides in part.blocks.values() for each in sides]
    networks = [each for part in parts for each in part.networks]
    trained = [each for part in parts for each in part.trained]
    if blocks:
        yield f"Blocks of convolutions, timed: {_block_sizes(blocks)}."
    if networks:
        yield f"Networks, timed: {'; '.join(dict.fromkeys(map(_network_size, networks)))}."
    if trained:
        yield f"Networks, trained: {'; '.join(dict.fromkeys(map(_training_size, trained)))}."
    for dataset in dict.fromkeys(each.base.task.dataset for each in trained):
        augmented = any(part.ablation.name == "augmentation" for part in parts)
        if augmented and not datasets.get(dataset).mirrors:
            yield f"Augmentation shifts the images; {dataset} mirrored are no {dataset}, so none is flipped."
    if blocks or networks:
        yield TIME_IN_WORDS
    if caches is not None:
        yield IN_WORDS[caches]
    if trained:
        yield ACCURACY_IN_WORDS


def _block_sizes(sides: Sequence[TimedPair]) -> str:
    """`64 channels at 56 px, ...; batch 1, 8, cpu, fp32, eager; 3 processes each`"""
    stages = dict.fromkeys(
        f"{each.comparison.subject} at {each.new.case.image} px" for each in sorted(sides, key=stage_order)
    )
    cases = [each.new.case for each in sides]
    return f"{', '.join(stages)}; {_shared(cases)}; {_processes(sides)}"


def _network_size(sides: TimedPair) -> str:
    case = sides.new.case
    return f"{sides.comparison.subject} {case.image} px, {_shared([case])}, {_processes([sides])}"


def _training_size(trained_pair: TrainedPair) -> str:
    run = trained_pair.base
    case = run.subject.case
    return (
        f"{trained_pair.comparison.subject} on {run.task.dataset}, {case.image} px, {_shared([case])}, "
        f"{len(run.ended | run.diverged)} seeds, {recipe_words(run.task.recipe)}"
    )


def _shared(cases: Sequence[Case]) -> str:
    batches = ", ".join(str(batch) for batch in sorted({case.batch for case in cases}))
    words = dict.fromkeys(word for case in cases for word in (case.device, case.precision, case.engine))
    return f"batch {batches}, {', '.join(words)}"


def _processes(sides: Sequence[TimedPair]) -> str:
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
