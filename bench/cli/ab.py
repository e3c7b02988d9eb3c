"""convbench ab: two sides in interleaved pairs of processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import devices
from bench.cli import options, output
from bench.cli.axis_options import Axes, Given, axis_options
from bench.cli.options import MOST_MARGIN, gate_of
from bench.plan import axes, named_suites, suite_plan
from bench.plan.axes import AXES
from bench.stats.verdicts import INTERIM_PAIRS, FailOn
from reports.pages import plan_report

if TYPE_CHECKING:
    from bench.studies.ab.interleaved import Trial


# long: its parameters are the command's options.
@axis_options
def ab(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the records of both sides.")],
    a: Annotated[str | None, typer.Option("--a", help="What side a changes, e.g. engine=eager.")] = None,
    b: Annotated[str | None, typer.Option("--b", help="What side b changes, e.g. engine=compile.")] = None,
    a_python: Annotated[Path | None, typer.Option(help="Side a's interpreter, with convbench.")] = None,
    b_python: Annotated[Path | None, typer.Option(help="Side b's interpreter, with convbench.")] = None,
    suite: options.SuiteName = "quick",
    given: Annotated[Given, Axes(*AXES)],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    flush_l2: options.FlushL2 = None,
    budget: options.Budget = None,
    margin: options.Margin = "2%",
    fail_on: Annotated[str | None, typer.Option(help="slower or any: exit with 1 when b is.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    format_: options.Format = "terminal",
) -> int:
    """Two configurations or environments in interleaved pairs of processes, until the verdict is clear."""
    from bench.studies.ab import interleaved as pairs
    from bench.studies.ab import sides as ab_sides

    output.check_format(format_)
    gate = gate_of(fail_on)
    chosen = named_suites.find(suite, devices.auto())
    sides = (ab_sides.read_side(a, a_python), ab_sides.read_side(b, b_python))
    plans = [
        suite_plan.cases_of(chosen, {**given, **{axis: (value,) for axis, value in side.changes.items()}})
        for side in sides
    ]
    protocol = suite_plan.protocol_of(chosen.protocol, target_ci, time_limit, flush_l2)
    for cases in plans:
        suite_plan.refuse_flush(protocol, cases)
    trial = pairs.Trial(
        case_pairs=ab_sides.case_pairs_of(*plans),
        sides=sides,
        protocol=protocol,
        options=options.run_options_of(gpu, lock_clocks),
        margin=axes.positive_number("--margin", margin, MOST_MARGIN),
    )
    seconds = suite_plan.seconds_of(budget)
    if dry_run:
        output.show(plan_report.pairs_plan(trial.case_pairs, trial.protocol, INTERIM_PAIRS, format_))
        return 0
    return _ab(trial, out, seconds, gate, format_)


def _ab(trial: Trial, out: Path, budget: float | None, gate: FailOn | None, format_: str) -> int:
    from bench.cli import progress
    from bench.store import RECORDS, read_records
    from bench.studies.ab import interleaved as pairs
    from bench.studies.ab import pair_rows, sides
    from reports import formats
    from reports.compare import ab_report as reporting
    from reports.summary import measured_networks
    from reports.summary.contended import records_not_alone

    with progress.progress(INTERIM_PAIRS[-1]) as on_progress:
        known = pairs.run_pairs(trial, out, budget_seconds=budget, on_progress=on_progress)
    rows = pair_rows.rows(trial.case_pairs, out, trial.margin)
    one, other = (measured_networks.networks_in(out / side) for side in sides.SIDES)
    differences = tuple(measured_networks.differences(one, other, "a / b"))
    measured = (record for side in sides.SIDES for record in read_records(out / side / RECORDS))
    labels = (sides.label(trial.sides[0]), sides.label(trial.sides[1]))
    remarks = records_not_alone(measured)
    document = reporting.document(rows, labels, trial.margin, trial.protocol.caches, differences, remarks)
    output.write(out / "report.md", formats.render("md", document))
    output.show(formats.render(format_, document))
    failed = sum(one.failures > 0 for one in known)
    if failed:
        output.complain(
            f"{failed} of {len(known)} cases failed on a side; {out}/a and {out}/b hold the reasons"
        )
    unseen = sum(not one.log_ratios and not one.failures for one in known)
    if unseen:
        output.complain(f"the budget was spent before {unseen} of {len(known)} cases had a pair")
    # a gate does not let pass what it has not seen
    stopped = gate is not None and (unseen > 0 or pairs.gate(known, gate))
    return 1 if failed or stopped else 0
