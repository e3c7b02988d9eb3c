"""Ablations -> the report: what each design choice costs and does to accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, structs

from bench import datasets
from bench.plan.ablations import Ablation, Comparison, Level
from bench.schema.case import Caches, Case
from reports.ablations.ablation_plots import accuracy_plot, block_plots
from reports.ablations.ablation_rows import rows_of, trained_rows
from reports.ablations.ablations_answer import answer
from reports.ablations.block_tables import block_tables, stage_order
from reports.ablations.choices import Choice, choices_of
from reports.ablations.conclusions import block_findings, network_findings
from reports.ablations.form_pairs import TimedPair, TrainedPair, timed_pairs, trained_pairs
from reports.ablations.network_tables import accuracy_table, speed_tables
from reports.ablations.predictions import KernelRates, kernel_rates_of
from reports.analysis.learned import Learned, training_runs
from reports.cells import Scalar
from reports.document import Document, Part, Plot, Table, TableKey
from reports.sections.asked import Asked
from reports.sections.machine_tables import machine_tables, machine_words
from reports.sections.origin import origin_of
from reports.sections.outcome_tables import failed_table, skipped_table, warnings_table
from reports.sections.recipe_words import recipe_words
from reports.summary.caches import IN_WORDS
from reports.summary.figures import Figure, Summary
from reports.summary.pooling import summarise
from reports.tables.case_columns import TableScope
from reports.tables.moderation_note import with_note
from reports.tables.wording import ACCURACY_IN_WORDS, TIME_IN_WORDS

NAMED = 3
"""Ablations that the title names; of more their number."""
BLOCKS = Part("blocks", "Cost and speed of each block", in_appendix=True)
WITH_REASONS = ("kernels", "depth")
"""Only these change the FLOPs, and so have a prediction that can be wrong."""


def build(
    ablations: Sequence[Ablation],
    directories: Sequence[Path],
    asked: Asked | None = None,
    *,
    plain_intervals: bool = False,
) -> Document:
    """The report of these ablations from the runs in `directories`, whatever else they hold.

    With `plain_intervals` each interval is from its own processes alone; `asked` is how the command was
    called. Raises UserError for a directory without readable records.
    """
    return document(ablations, summarise(directories, plain_intervals), asked)


class AblationFound(Struct, frozen=True, kw_only=True):
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

    @property
    def part(self) -> Part:
        """Of its tables."""
        return Part(self.ablation.name, f"{self.name}: {self.ablation.question}")

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Of networks."""
        return tuple(choices_of(self.ablation.name, self.networks, self.trained))


def document(ablations: Sequence[Ablation], summary: Summary, asked: Asked | None = None) -> Document:
    """The answer, a part for each ablation with its tables and plots, and every comparison as flat rows."""
    timed = [figure for figure in summary.figures if figure.case.task is None]
    runs = training_runs(summary)
    parts = [_part(ablation, timed, runs) for ablation in ablations]
    peers = kernel_rates_of(timed)
    scope = TableScope(inputs_follow_model=False, several_machines=len(summary.environments) > 1)
    names = [ablation.name for ablation in ablations]
    return Document(
        title=f"Ablations: {', '.join(names)}" if len(names) <= NAMED else f"{len(names)} ablations",
        answer=answer(
            names,
            {topic: sides for part in parts for topic, sides in part.blocks.items()},
            [choice for part in parts for choice in part.choices],
            summary,
            asked or Asked(),
        ),
        origin=origin_of(summary),
        text=(
            *machine_words(summary),
            *_introduction(parts, summary.caches),
            *summary.notes,
        ),
        tables=with_note(
            (
                *_explained_once(table for part in parts for table in _tables(part, timed, peers, scope)),
                *machine_tables(summary),
                *failed_table(summary.outcomes),
                *skipped_table(summary.outcomes),
                *warnings_table(summary),
            ),
            summary.figures,
        ),
        plots=tuple(plot for part in parts for plot in _plots(part)),
        rows=tuple(row for part in parts for row in _rows(part, peers)),
    )


def _part(ablation: Ablation, timed: Sequence[Figure], runs: Sequence[Learned]) -> AblationFound:
    blocks: dict[str, list[TimedPair]] = {}
    for sides in timed_pairs(timed, _of_level(ablation, "block")):
        blocks.setdefault(sides.comparison.topic, []).append(sides)
    return AblationFound(
        ablation=ablation,
        blocks={topic: sorted(sides, key=stage_order) for topic, sides in blocks.items()},
        networks=timed_pairs(timed, _of_level(ablation, "network")),
        trained=trained_pairs(runs, ablation.comparisons),
    )


def _tables(
    part: AblationFound, figures: Sequence[Figure], peers: Mapping[Case, KernelRates], scope: TableScope
) -> Iterator[Table]:
    """Under each table what it shows, in words."""
    for topic, sides in part.blocks.items():
        ratios, costs = block_tables(topic, sides, figures, peers, scope)
        yield structs.replace(_with_words(ratios, block_findings(sides, peers)), part=part.part)
        yield structs.replace(costs, part=BLOCKS)
    reasons = peers if part.ablation.name in WITH_REASONS else None
    words = tuple(network_findings(part.name, part.networks, part.trained))
    for table in (
        *speed_tables(part.name, part.networks, reasons, scope),
        *accuracy_table(f"{part.name}: accuracy", _accuracy_key(part), part.trained, scope),
    ):
        yield structs.replace(_with_words(table, words), part=part.part)
        words = ()


def _with_words(table: Table, words: Iterable[str]) -> Table:
    """Ahead of the notes that explain its columns."""
    return structs.replace(table, notes=(*words, *table.notes))


def _plots(part: AblationFound) -> Iterator[Plot]:
    for topic, sides in part.blocks.items():
        yield from block_plots(topic, sides)
    yield from accuracy_plot(part.name, _accuracy_key(part), part.trained)


def _rows(part: AblationFound, peers: Mapping[Case, KernelRates]) -> Iterator[dict[str, Scalar]]:
    for sides in part.timed:
        yield from rows_of(part.ablation.name, sides, peers)
    for trained_pair in part.trained:
        yield from trained_rows(part.ablation.name, trained_pair)


def _accuracy_key(part: AblationFound) -> TableKey:
    return TableKey("ablation by accuracy", (part.ablation.name,))


def _explained_once(tables: Iterable[Table]) -> Iterator[Table]:
    """The same tables; a note stands under the first of them only."""
    told: set[str] = set()
    for table in tables:
        yield structs.replace(table, notes=tuple(note for note in table.notes if note not in told))
        told.update(table.notes)


def _of_level(ablation: Ablation, level: Level) -> list[Comparison]:
    return [comparison for comparison in ablation.comparisons if comparison.level == level]


def _introduction(parts: Sequence[AblationFound], caches: Caches | None) -> Iterator[str]:
    """What is compared, at which sizes, and how to read it."""
    yield "Both sides of a comparison differ in one choice only."
    blocks = [each for part in parts for sides in part.blocks.values() for each in sides]
    networks = [each for part in parts for each in part.networks]
    trained = [each for part in parts for each in part.trained]
    if blocks:
        yield f"Timed blocks of convolutions: {_block_sizes(blocks)}."
    if networks:
        yield f"Timed networks: {'; '.join(dict.fromkeys(map(_network_size, networks)))}."
    if trained:
        yield f"Trained networks: {'; '.join(dict.fromkeys(map(_training_size, trained)))}."
    for dataset in dict.fromkeys(each.base.task.dataset for each in trained):
        augmented = any(part.ablation.name == "augmentation" for part in parts)
        if augmented and not datasets.get(dataset).mirrors:
            yield f"Augmentation shifts the images only: mirrored {dataset} are no {dataset}."
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
        f"{run.seeds} seeds, {recipe_words(run.task.recipe)}"
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
