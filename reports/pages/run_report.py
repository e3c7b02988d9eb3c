"""Runs -> the report: what was measured where, then the tables, then what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import structs

from bench.schema.spending import in_words
from reports.analysis.further_processes import narrowing_in_words, target_of, with_further
from reports.analysis.layer_shares import layers_of, reached_by_layers
from reports.analysis.learned import training_runs
from reports.analysis.measured_ceilings import ceilings_of, is_ceiling
from reports.analysis.utilisation import reached
from reports.document import Document
from reports.sections.accuracy_tables import accuracy_tables, epoch_tables
from reports.sections.ceiling_tables import ceiling_tables
from reports.sections.compile_tables import economics_tables
from reports.sections.conditions_table import conditions_table
from reports.sections.cost_tables import cost_table, precision_table
from reports.sections.distribution_plots import distribution_plots
from reports.sections.energy_tables import energy_tables
from reports.sections.latency_tables import latency_tables
from reports.sections.layer_plots import layer_plots
from reports.sections.layer_tables import layer_tables
from reports.sections.learning_plots import learning_plots
from reports.sections.ledger_plots import ledger_plots
from reports.sections.ledger_tables import ledger_tables
from reports.sections.machine_tables import machine_tables, machine_words
from reports.sections.memory_tables import memory_tables
from reports.sections.outcome_tables import (
    CANNOT_RUN,
    FAILURES,
    absences_table,
    failed_table,
    skipped_table,
    warnings_table,
)
from reports.sections.parity_tables import parity_table
from reports.sections.roofline_plots import roofline_plots
from reports.sections.speedup_tables import speedup_tables
from reports.sections.utilisation_tables import flat_rows, utilisation_tables, without_ceilings
from reports.summary.caches import IN_WORDS
from reports.summary.contended import not_alone
from reports.summary.figures import Summary, is_of_layers
from reports.summary.pooling import summarise
from reports.tables.case_columns import TableScope, scope_of
from reports.tables.missing import reasons_of
from reports.tables.moderation_note import with_note
from reports.tables.wording import ACCURACY_IN_WORDS, TIME_IN_WORDS


def build(directories: Sequence[Path], *, plain_intervals: bool = False) -> Document:
    """The report of one run, or of several whose processes are pooled; with `plain_intervals` no case lends
    another what it shows of scatter.

    Raises UserError for a directory without readable records.
    """
    return document(summarise(directories, plain_intervals), directories)


# long: it is the report's table of contents, a line for each section in reading order.
def document(summary: Summary, directories: Sequence[Path] = ()) -> Document:
    """The tables that have rows, in reading order, and every figure as a flat row; the `directories` are
    those that one would go on measuring in."""
    machines = len(summary.environments)
    ceilings = ceilings_of(summary)
    networks = [figure for figure in summary.figures if not is_ceiling(figure)]
    timed = [figure for figure in networks if figure.case.task is None and not is_of_layers(figure)]
    reasons = reasons_of(summary.absences)
    target = target_of(directories)
    scope = structs.replace(
        scope_of([figure.case for figure in timed], machines, reasons), seconds=summary.seconds, target=target
    )
    figures = (*summary.figures, *ceilings.rates)
    used = reached(timed, ceilings)
    layers = layers_of(networks, ceilings)
    runs = training_runs(summary)
    # no table of costs has the inputs of training runs
    learning = TableScope(inputs_follow_model=False, several_machines=machines > 1)
    return Document(
        title="convbench report",
        remarks=not_alone(summary.figures),
        text=(*_introduction(summary, directories, target), *without_ceilings(used)),
        tables=with_note(
            (
                *machine_tables(summary),
                *ceiling_tables(summary, ceilings),
                *cost_table(timed, reasons),
                *latency_tables(timed, scope),
                *speedup_tables(timed, scope),
                *economics_tables(timed, scope),
                *utilisation_tables(used, scope),
                *memory_tables(timed, scope),
                *ledger_tables(timed, scope),
                *energy_tables(timed, scope),
                *layer_tables(layers, scope),
                *accuracy_tables(runs, learning),
                *parity_table(runs, learning),
                *epoch_tables(runs),
                *precision_table(networks),
                *conditions_table(timed, scope),
                *failed_table(summary.outcomes),
                *skipped_table(summary.outcomes),
                *absences_table(summary.absences),
                *warnings_table(summary),
            ),
            summary.figures,
        ),
        plots=(
            *distribution_plots(summary),
            *roofline_plots(used),
            *ledger_plots(timed),
            *layer_plots(layers),
            *learning_plots(runs),
        ),
        spent=summary.spent,
        rows=(
            *with_further(
                flat_rows(figures, [*used, *reached_by_layers(layers)]), figures, summary.seconds, target
            ),
            *(absence.as_row() for absence in summary.absences),
        ),
    )


def _introduction(summary: Summary, directories: Sequence[Path], target: float) -> Iterator[str]:
    """First what a reader must know: where, how much, and whether anything failed."""
    yield from machine_words(summary)
    measured = len({figure.case for figure in summary.figures})
    failed = len({outcome.case for outcome in summary.outcomes if outcome.status != "skipped"})
    skipped = len({outcome.case for outcome in summary.outcomes if outcome.status == "skipped"})
    counts = (
        f"Cases measured: {measured:,}. Cases with failures: {_counted(failed, FAILURES)}. "
        f"Cases that cannot run here: {_counted(skipped, CANNOT_RUN)}. Processes: {summary.records:,}."
    )
    yield " ".join((counts, *narrowing_in_words(summary, directories, target)))
    learned = {figure.case.task is not None for figure in summary.figures}
    if learned != {True}:
        yield TIME_IN_WORDS
    if summary.caches is not None:
        yield IN_WORDS[summary.caches]
    if True in learned:
        yield ACCURACY_IN_WORDS
    yield (
        "Rows that differ in batch, precision, layout or workload answer different questions and are not "
        "ranked. A remark beside a row is explained under Warnings."
    )
    if summary.spent:
        yield f"Of {sum(summary.spent.values()):,.0f} s before this report: {in_words(summary.spent)}."
    yield from summary.notes


def _counted(cases: int, table: str) -> str:
    return f"{cases:,} (see {table})" if cases else "none"
