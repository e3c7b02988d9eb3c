"""Runs -> the report: what was measured where, then the tables, then what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.schema.case import Case
from bench.schema.layer_phases import is_of_layers
from reports.analysis.learned import training_runs
from reports.analysis.measured_ceilings import ceilings_of, is_ceiling
from reports.analysis.utilisation import reached
from reports.document import Cell, Document, Table
from reports.sections.accuracy_tables import accuracy_tables, epoch_tables
from reports.sections.ceiling_tables import ceiling_tables
from reports.sections.compile_tables import economics_tables
from reports.sections.conditions_table import conditions_table
from reports.sections.distribution_plots import distribution_plots
from reports.sections.energy_tables import energy_tables
from reports.sections.latency_tables import latency_tables
from reports.sections.layer_plots import layer_plots
from reports.sections.layer_tables import layer_tables, layers_of, reached_by_layers
from reports.sections.learning_plots import learning_plots
from reports.sections.ledger_plots import ledger_plots
from reports.sections.ledger_tables import ledger_tables
from reports.sections.machine_tables import machine_tables, machine_words
from reports.sections.memory_tables import memory_tables
from reports.sections.parity_tables import parity_table
from reports.sections.roofline_plots import roofline_plots
from reports.sections.speedup_tables import speedup_tables
from reports.sections.utilisation_tables import flat_rows, utilisation_tables, without_ceilings
from reports.summary.figures import Absence, Figure, Outcome, Summary, precision_read_back
from reports.summary.pooling import summarise
from reports.tables.case_columns import Layout, layout_of
from reports.tables.wording import models_named, named, one_line

GIGA = 1e9
TIME_IN_WORDS = (
    "How to read a time: each case is measured in processes of its own, and each process gives the "
    "median of its samples. The figure is the geometric mean of these medians. Beside it stands its 95% "
    "confidence interval, ±1.2% or -18% +22%, from how much the processes differ. † marks figures of "
    "one process, which know nothing of such differences. Two figures whose intervals overlap need not "
    "differ at all."
)
ACCURACY_IN_WORDS = (
    "How to read an accuracy: each seed trains in a process of its own, from its own first weights and in "
    "its own order of the images. The figure is the mean of the seeds' test accuracies after the last epoch, "
    "± its 95% confidence interval in points. A seed that diverged is in no mean: it is counted beside it."
)


def build(directories: Sequence[Path]) -> Document:
    """The report of one run, or of several whose processes are pooled.

    Raises UserError for a directory without readable records.
    """
    return document(summarise(directories))


def document(summary: Summary) -> Document:
    """The tables that have rows, in reading order, and every figure as a flat row."""
    machines = len(summary.environments)
    ceilings = ceilings_of(summary)
    networks = [figure for figure in summary.figures if not is_ceiling(figure)]
    timed = [figure for figure in networks if figure.case.task is None and not is_of_layers(figure.phase)]
    layout = layout_of([figure.case for figure in timed], machines)
    used = reached(timed, ceilings)
    layers = layers_of(networks, ceilings)
    runs = training_runs(summary)
    # no table of costs has the inputs of training runs
    learning = Layout(inputs_follow_model=False, several_machines=machines > 1)
    return Document(
        title="convbench report",
        text=(*_introduction(summary), *without_ceilings(used)),
        tables=(
            *machine_tables(summary),
            *ceiling_tables(summary, ceilings),
            *_cost_table(timed),
            *latency_tables(timed, layout),
            *speedup_tables(timed, layout),
            *economics_tables(timed, layout),
            *utilisation_tables(used, layout),
            *memory_tables(timed, layout),
            *ledger_tables(timed, layout),
            *energy_tables(timed, layout),
            *layer_tables(layers, layout),
            *accuracy_tables(runs, learning),
            *parity_table(runs, learning),
            *epoch_tables(runs),
            *_precision_table(networks),
            *conditions_table(timed, layout),
            *failed_table(summary.outcomes),
            *skipped_table(summary.outcomes),
            *absences_table(summary.absences),
            *warnings_table(summary),
        ),
        plots=(
            *distribution_plots(summary),
            *roofline_plots(used),
            *ledger_plots(timed),
            *layer_plots(layers),
            *learning_plots(runs),
        ),
        rows=(
            *flat_rows((*summary.figures, *ceilings.rates), [*used, *reached_by_layers(layers)]),
            *(absence.as_row() for absence in summary.absences),
        ),
    )


def _introduction(summary: Summary) -> Iterator[str]:
    """First what a reader must know: where, how much, and whether anything failed."""
    yield from machine_words(summary)
    measured = len({figure.case for figure in summary.figures})
    failed = len({outcome.case for outcome in summary.outcomes if outcome.status != "skipped"})
    skipped = len({outcome.case for outcome in summary.outcomes if outcome.status == "skipped"})
    yield (
        f"Cases measured: {measured:,}. Cases with failures: {_counted(failed, 'Failures')}. "
        f"Cases that cannot run here: {_counted(skipped, 'Cannot run here')}. Processes: {summary.records:,}."
    )
    learned = {figure.case.task is not None for figure in summary.figures}
    if learned != {True}:
        yield TIME_IN_WORDS
    if True in learned:
        yield ACCURACY_IN_WORDS
    yield (
        "Rows that differ in batch, precision, layout or workload answer different questions and are not "
        "ranked. A remark beside a row is explained under Warnings."
    )
    yield from summary.notes


def _counted(cases: int, table: str) -> str:
    return f"{cases:,} (see {table})" if cases else "none"


def _precision_table(figures: Sequence[Figure]) -> Iterator[Table]:
    """Each precision with what was really in force."""
    read_back = (
        (f.case.device, f.case.precision, tuple(precision_read_back(f.effective).items())) for f in figures
    )
    seen = dict.fromkeys(row for row in read_back if row[-1])
    keys = list(dict.fromkeys(key for _, _, effective in seen for key, _ in effective))
    if seen:
        yield Table(
            title="Precision, as read back while measuring",
            columns=("device", "precision", *(key.replace("_", " ") for key in keys)),
            rows=tuple(
                (device, precision, *(dict(effective).get(key) for key in keys))
                for device, precision, effective in seen
            ),
            notes=(
                "What torch answered once the precision was set, and the dtypes of the tensors in a step. "
                "conv and matmul say how fp32 tensors are multiplied: ieee is all of fp32, tf32 is not.",
            ),
        )


COSTS = {
    ("model", "parameters"): "parameters",
    ("forward", "flops"): "forward GFLOPs",
    ("backward", "flops"): "backward GFLOPs",
}


def _cost_table(figures: Sequence[Figure]) -> Iterator[Table]:
    """Parameters and arithmetic of each network at each input, per image."""
    costs: dict[Case, dict[tuple[str, str], float]] = {}
    for figure in figures:
        if (figure.phase, figure.metric) in COSTS:
            case = figure.case
            network = Case(
                model=case.model, image=case.image, channels=case.channels, classes=case.classes, replicate=0
            )
            images = case.batch if figure.metric == "flops" else 1
            costs.setdefault(network, {}).setdefault((figure.phase, figure.metric), figure.median / images)
    if costs:
        yield Table(
            title="Cost of one image",
            columns=(
                "model",
                "input",
                "classes",
                "parameters",
                "forward GMACs",
                "forward GFLOPs",
                "backward GFLOPs",
            ),
            rows=tuple(_cost_row(network, cost) for network, cost in costs.items()),
            notes=(
                "input is channels x height x width. Counted, not measured: G is 10^9, and a MAC "
                "(multiply and accumulate) is two FLOPs. Backward is counted where training was measured.",
            ),
        )


def _cost_row(network: Case, cost: dict[tuple[str, str], float]) -> tuple[Cell, ...]:
    parameters, forward, backward = (cost.get(key) for key in COSTS)
    return (
        network.model,
        f"{network.channels}x{network.image}x{network.image}",
        network.classes,
        None if parameters is None else round(parameters),
        None if forward is None else forward / 2 / GIGA,
        None if forward is None else forward / GIGA,
        None if backward is None else backward / GIGA,
    )


def failed_table(outcomes: Sequence[Outcome]) -> Iterator[Table]:
    failed = [outcome for outcome in outcomes if outcome.status != "skipped"]
    if failed:
        yield Table(
            title="Failures",
            columns=("case", "status", "reason", "processes"),
            rows=tuple((o.case.id, o.status, one_line(o.reason), o.processes) for o in failed),
            notes=("None of these processes is in a table above.",),
        )


def skipped_table(outcomes: Sequence[Outcome]) -> Iterator[Table]:
    """By reason, as one lack (no GPU, say) skips many cases."""
    reasons: dict[str, list[Case]] = {}
    for outcome in outcomes:
        if outcome.status == "skipped":
            reasons.setdefault(outcome.reason, []).append(outcome.case)
    if reasons:
        yield Table(
            title="Cannot run here",
            columns=("reason", "cases", "which"),
            rows=tuple((one_line(reason), len(cases), named(cases)) for reason, cases in reasons.items()),
        )


def absences_table(absences: Sequence[Absence]) -> Iterator[Table]:
    """By reason, as one lack (no energy counter, say) holds for many cases."""
    reasons: dict[tuple[str, str], dict[Case, None]] = {}
    for absence in absences:
        reasons.setdefault((absence.metric, absence.reason), {})[absence.case] = None
    if reasons:
        yield Table(
            title="Not measured",
            columns=("what", "reason", "cases", "which"),
            rows=tuple(
                (metric.replace("_", " "), one_line(reason), len(cases), named(tuple(cases)))
                for (metric, reason), cases in reasons.items()
            ),
        )


def warnings_table(summary: Summary) -> Iterator[Table]:
    """A warning over many cases stands here once; its words, which are long, stand below the table."""
    words = [
        f"{one_line(warned.example)} ({warned.cases[0].id})"
        for warned in summary.warnings
        if warned.example != warned.label
    ]
    if summary.warnings:
        yield Table(
            title="Warnings",
            columns=("warning", "cases", "processes", "models"),
            rows=tuple(
                (one_line(warned.label), len(warned.cases), warned.processes, models_named(warned.cases))
                for warned in summary.warnings
            ),
            notes=("The words and numbers below are those of the first case with the warning.", *words)
            if words
            else (),
        )
