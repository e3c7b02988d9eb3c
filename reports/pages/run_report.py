"""Runs -> the report: its answer, the tables by question, then the appendix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import structs

from bench.schema.plurals import how_many
from bench.schema.spending import in_words
from reports.analysis.bit_for_bit import compare
from reports.analysis.further_processes import narrowing_in_words, target_of, with_further
from reports.analysis.layer_shares import Layers, layers_of, reached_by_layers
from reports.analysis.learned import Learned, training_runs
from reports.analysis.machine_spread import machine_spreads
from reports.analysis.measured_ceilings import Ceilings, ceilings_of, is_ceiling
from reports.analysis.utilisation import Utilisation, reached
from reports.document import Answer, Document, Table
from reports.pages import ceilings_answer, layers_answer, train_answer
from reports.pages import run_parts as parts
from reports.pages.about_line import about
from reports.pages.alarms import alarms
from reports.pages.next_command import unfinished
from reports.pages.run_answer import RunFound, answer
from reports.pages.run_parts import in_part
from reports.scale import scale_answer
from reports.scale.ranked_jobs import ranked_jobs
from reports.scale.scale_plots import scale_plots
from reports.scale.scale_sections import scale_tables
from reports.scale.scaling_series import ScalingSeries, series_of
from reports.sections.accuracy_tables import accuracy_tables, epoch_tables
from reports.sections.ceiling_tables import ceiling_tables
from reports.sections.compile_tables import compile_table
from reports.sections.conditions_table import conditions_table
from reports.sections.cost_tables import cost_table, precision_table
from reports.sections.digest_tables import digest_tables
from reports.sections.distribution_plots import distribution_plots
from reports.sections.energy_tables import energy_tables
from reports.sections.latency_tables import phase_tables, whole_step_tables
from reports.sections.layer_plots import layer_plots
from reports.sections.layer_tables import layer_tables
from reports.sections.learning_plots import learning_plots
from reports.sections.ledger_plots import ledger_plots
from reports.sections.ledger_tables import ledger_tables
from reports.sections.machine_tables import machine_tables, machine_words
from reports.sections.memory_tables import memory_tables
from reports.sections.origin import origin_of
from reports.sections.outcome_tables import (
    absences_table,
    failed_table,
    skipped_table,
    warnings_table,
)
from reports.sections.parity_tables import parity_table
from reports.sections.roofline_plots import roofline_plots
from reports.sections.speedup_tables import speedup_table
from reports.sections.timed_benchmarks import timed_benchmarks
from reports.sections.unit_tables import SEVERAL_IN_WORDS, unit_tables
from reports.sections.utilisation_tables import flat_rows, utilisation_tables, without_ceilings
from reports.summary.caches import IN_WORDS
from reports.summary.figures import Summary, is_of_layers
from reports.summary.pooling import summarise
from reports.tables.case_columns import TableScope, scope_of
from reports.tables.constant_columns import without_constant
from reports.tables.missing import reasons_of
from reports.tables.moderation_note import with_note
from reports.tables.wording import ACCURACY_IN_WORDS, TIME_IN_WORDS


def build(directories: Sequence[Path], *, plain_intervals: bool = False) -> Document:
    """The report of one run, or of several whose processes are pooled; with `plain_intervals` no case lends
    another what it shows of scatter.

    Raises UserError for a directory without readable records.
    """
    return document(summarise(directories, plain_intervals), directories)


# long: it is where all that is found meets.
def document(summary: Summary, directories: Sequence[Path] = ()) -> Document:
    """The answer, then the tables that have rows, and every figure as a flat row; the `directories` are
    those that one would go on measuring in."""
    ceilings = ceilings_of(summary)
    networks = [figure for figure in summary.figures if not is_ceiling(figure)]
    timed = [figure for figure in networks if figure.case.task is None and not is_of_layers(figure)]
    target = target_of(directories)
    scope = structs.replace(
        scope_of([f.case for f in timed], len(summary.environments), reasons_of(summary.absences)),
        seconds=summary.seconds,
        target=target,
    )
    figures = (*summary.figures, *ceilings.rates)
    used = reached(timed, ceilings)
    layers = layers_of(networks, ceilings)
    runs = training_runs(summary)
    ranked = _ranked(summary, directories)
    whole = Document(
        title="convbench report",
        text=(*_introduction(summary, directories, target), *without_ceilings(used)),
        tables=(
            *scale_tables(ranked),
            *(without_constant(each, "processes") for each in _tables(summary, scope, used, layers, runs)),
        ),
        plots=(
            *scale_plots(ranked),
            *distribution_plots(summary),
            *roofline_plots(used),
            *ledger_plots(timed),
            *layer_plots(layers),
            *learning_plots(runs),
        ),
        spent=summary.spent,
        benchmarks=timed_benchmarks(summary),
        origin=origin_of(summary),
        rows=(
            *with_further(
                flat_rows(figures, [*used, *reached_by_layers(layers)]), figures, summary.seconds, target
            ),
            *(absence.as_row() for absence in summary.absences),
        ),
    )
    known = RunFound(
        summary=summary,
        reached=used,
        alarms=alarms(summary, used, layers, ceilings, directories),
        parts=[part.name for part in whole.parts if not part.in_appendix],
        directories=directories,
        unfinished=unfinished(summary, directories),
        target=target,
    )
    title, found = _answer(known, layers, ceilings, runs, ranked)
    return structs.replace(whole, title=title, answer=found)


def _answer(
    known: RunFound,
    layers: Sequence[Layers],
    ceilings: Ceilings,
    runs: Sequence[Learned],
    ranked: Sequence[ScalingSeries],
) -> tuple[str, Answer]:
    """The title and the first screen: of what `scale` measured its own, and of what `layers`, `ceilings` or
    `train` measured alone."""
    line = about(known.summary, known.unfinished)
    if ranked:
        return scale_answer.answer(line, known.alarms, ranked, known.directories)
    networks = {figure.case for figure in known.summary.figures if not is_ceiling(figure)}
    if layers and networks <= {each.subject.case for each in layers}:
        return layers_answer.answer(line, known.alarms, layers)
    if ceilings.rates and not networks:
        return ceilings_answer.answer(line, known.alarms, known.summary, ceilings)
    if runs and all(case.task is not None for case in networks):
        return train_answer.answer(known, runs)
    return answer(known)


def _ranked(summary: Summary, directories: Sequence[Path]) -> tuple[ScalingSeries, ...]:
    """What several ranks give; their records are read once more, for what figures do not hold."""
    if all(figure.case.ranks == 1 for figure in summary.figures):
        return ()
    return series_of(summary.figures, ranked_jobs(directories))


# long: it is the report's table of contents, a line for each section in reading order.
def _tables(
    summary: Summary,
    scope: TableScope,
    used: Sequence[Utilisation],
    layers: Sequence[Layers],
    runs: Sequence[Learned],
) -> tuple[Table, ...]:
    networks = [figure for figure in summary.figures if not is_ceiling(figure)]
    timed = [figure for figure in networks if figure.case.task is None and not is_of_layers(figure)]
    # no table of costs has the inputs of training runs
    learning = TableScope(inputs_follow_model=False, several_machines=scope.several_machines)
    return with_note(
        (
            *layer_tables(layers, scope),
            *accuracy_tables(runs, learning),
            *parity_table(runs, learning),
            *in_part(parts.LATENCY, whole_step_tables(timed, used, scope)),
            *in_part(parts.TRAINING, phase_tables(timed, scope)),
            *in_part(parts.MACHINES, unit_tables(machine_spreads(timed), scope)),
            *in_part(parts.SPEED_UPS, speedup_table(timed, scope)),
            *in_part(parts.SPEED_UPS, compile_table(timed, scope)),
            *in_part(parts.ENERGY, energy_tables(timed, scope)),
            *in_part(parts.FAILURES, failed_table(summary.outcomes)),
            *in_part(parts.PEAK, utilisation_tables(used, scope)),
            *in_part(parts.MEMORY, memory_tables(timed, scope)),
            *in_part(parts.MEMORY, ledger_tables(timed, scope)),
            *in_part(parts.SYSTEM, machine_tables(summary)),
            *ceiling_tables(summary, ceilings_of(summary)),
            *in_part(parts.COST, cost_table(timed, scope.reasons)),
            *epoch_tables(runs),
            *in_part(parts.PRECISION, precision_table(networks)),
            *in_part(parts.BIT_FOR_BIT, digest_tables(compare(summary.digests))),
            *in_part(parts.CONDITIONS, conditions_table(timed, scope)),
            *in_part(parts.SKIPPED, skipped_table(summary.outcomes)),
            *in_part(parts.ABSENT, absences_table(summary.absences)),
            *in_part(parts.WARNINGS, warnings_table(summary)),
        ),
        summary.figures,
    )


def _introduction(summary: Summary, directories: Sequence[Path], target: float) -> Iterator[str]:
    """Where, how much, and how the figures were made."""
    yield from machine_words(summary)
    ended = len({figure.case for figure in summary.figures})
    failed = len({outcome.case for outcome in summary.outcomes if outcome.status != "skipped"})
    skipped = len({outcome.case for outcome in summary.outcomes if outcome.status == "skipped"})
    processes = how_many(summary.records, "process", "processes")
    counts = [f"{ended:,} of {ended + failed + skipped:,} cases measured ({processes})"]
    counts += [f"{failed:,} failed"] if failed else []
    counts += [f"{skipped:,} skipped on this machine"] if skipped else []
    yield " ".join((f"{', '.join(counts)}.", *narrowing_in_words(summary, directories, target)))
    learned = {figure.case.task is not None for figure in summary.figures}
    if learned != {True}:
        yield TIME_IN_WORDS
    if any(figure.levels for figure in summary.figures):
        yield SEVERAL_IN_WORDS
    if summary.caches is not None:
        yield IN_WORDS[summary.caches]
    if True in learned:
        yield ACCURACY_IN_WORDS
    if summary.spent:
        yield f"Time spent: {sum(summary.spent.values()):,.0f} s ({in_words(summary.spent)})."
    yield from summary.notes
