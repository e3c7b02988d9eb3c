"""convbench ab: two sides in interleaved pairs of processes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from msgspec import structs

from bench import devices
from bench.cli import options, output, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.cli.options import MOST_MARGIN, gate_of
from bench.plan import axes, named_suites, suite_plan
from bench.plan.axes import AXES
from bench.stats.verdicts import INTERIM_PAIRS, FailOn
from models.errors import UserError
from reports.pages import plan_report

if TYPE_CHECKING:
    from bench.studies.ab.interleaved import Pairs, Trial
    from reports.compare.ab_answer import Trialled


# long: its parameters are the command's options.
@axis_options
def ab(
    *,
    out: options.NewOut = None,
    a: Annotated[
        str | None,
        typer.Option("--a", metavar="AXIS=VALUE,…", help="Configuration of side A, e.g. engine=eager."),
    ] = None,
    b: Annotated[
        str | None,
        typer.Option("--b", metavar="AXIS=VALUE,…", help="Configuration of side B, e.g. engine=compile."),
    ] = None,
    a_python: Annotated[
        Path | None, typer.Option(help="Python of side A's environment (needs convbench installed).")
    ] = None,
    b_python: Annotated[
        Path | None, typer.Option(help="Python of side B's environment (needs convbench installed).")
    ] = None,
    same: Annotated[
        bool, typer.Option("--same", help="Measure one configuration against itself, to see the noise.")
    ] = False,
    suite: options.SuiteName = "quick",
    given: Annotated[Given, Axes(*AXES)],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    flush_l2: options.FlushL2 = None,
    budget: options.Budget = None,
    margin: options.Margin = "2%",
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="[slower|any|inconclusive]",
            help=(
                "Exit with 1 if B is slower (slower), differs at all (any), or is slower or undecided "
                "(inconclusive), corrected for multiple comparisons."
            ),
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the cases, estimated time and disk use; measure nothing.")
    ] = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure two configurations or environments in alternation until the verdict is clear.

    Each pair measures A and B one after the other, in random order, so slow changes of the machine cancel.
    """
    from bench.studies.ab import interleaved as pairs
    from bench.studies.ab import sides as ab_sides

    output.check_format(format_)
    section_names.check("ab", section, full=full)
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
    _refuse_same(trial, asked=same)
    seconds = suite_plan.seconds_of(budget)
    if dry_run:
        output.show(plan_report.pairs_plan(trial.case_pairs, trial.protocol, INTERIM_PAIRS, format_))
        return 0
    folder = output.kept_folder(out, resume=False)
    return _ab(trial, folder, seconds, gate, _Shown(format_, section, full))


class _Shown(NamedTuple):
    """How the report is shown."""

    format: str
    section: str | None
    full: bool


def _refuse_same(trial: Trial, *, asked: bool) -> None:
    """UserError where A and B are the same and nobody asked for that, or are not and somebody did."""
    from bench.studies.ab import sides

    same = sides.are_same(trial.sides, trial.case_pairs)
    if same and not asked:
        raise UserError(
            "sides A and B are the same. Give at least one a configuration (--b engine=compile) or an "
            "environment (--b-python other/bin/python); --same measures one configuration against itself"
        )
    if asked and not same:
        raise UserError(
            "--same measures one configuration against itself, but sides A and B differ. Drop --same"
        )


def _ab(trial: Trial, out: Path, budget: float | None, gate: FailOn | None, shown: _Shown) -> int:
    from bench.cli import progress
    from bench.studies.ab import interleaved as pairs
    from bench.studies.ab import pair_rows
    from reports import formats
    from reports.compare import ab_report as reporting
    from reports.compare.short_form import short_form

    with progress.progress(INTERIM_PAIRS[-1]) as on_progress:
        known = pairs.run_pairs(trial, out, budget_seconds=budget, on_progress=on_progress)
    trialled = _trialled(trial, out, known, gate)
    rows = pair_rows.rows(trial.case_pairs, out, trial.margin)
    document = reporting.document(rows, trialled, trial.protocol.caches)
    output.write(out / "report.md", formats.render("md", document))
    chosen = output.measured(document, shown.section, shown.full)
    is_short = shown.format == "md" and shown.section is None and not shown.full
    output.show(formats.content(shown.format, short_form(chosen) if is_short else chosen))
    if trialled.failed:
        where = f"the reasons are in {out}/a and {out}/b"
        output.complain(f"{trialled.failed} of {len(known)} cases failed on a side; {where}")
    if trialled.unseen:
        output.complain(f"the budget ended before {trialled.unseen} of {len(known)} cases had a pair")
    output.complain(f"report: {out / 'report.md'}")
    if trialled.failed or _is_stopped(trialled, known, gate):
        return 1
    return 3 if trialled.unseen else 0


def _trialled(trial: Trial, out: Path, known: Sequence[Pairs], gate: FailOn | None) -> Trialled:
    """What the report says beside the rows."""
    from bench.studies.ab import sides
    from reports.compare.ab_answer import Trialled
    from reports.compare.measured_runs import measured_runs
    from reports.summary import measured_networks

    one, other = (measured_networks.networks_in(out / side) for side in sides.SIDES)
    measured = measured_runs(out / side for side in sides.SIDES)
    trialled = Trialled(
        labels=sides.labels(trial.sides, trial.case_pairs),
        margin=trial.margin,
        alarms=(*measured.alarms, *measured_networks.differences(one, other, "A / B")),
        failed=sum(each.failures > 0 for each in known),
        unseen=sum(not each.log_ratios and not each.failures for each in known),
        origin=measured.origin,
        again=_again(sys.argv[1:]),
        out=str(out),
    )
    if gate is None:
        return trialled
    word = "FAIL (exit 1)" if _is_stopped(trialled, known, gate) else "PASS"
    return structs.replace(trialled, gate=f"Gate --fail-on {gate}: {word}.")


def _is_stopped(trialled: Trialled, known: Sequence[Pairs], gate: FailOn | None) -> bool:
    """A gate does not let pass what it has not seen."""
    from bench.studies.ab import interleaved

    return gate is not None and (trialled.unseen > 0 or interleaved.gate(known, gate))


def _again(words: Sequence[str]) -> tuple[str, ...]:
    """The command as it was typed, without its folder and its budget; nothing where this is another command,
    as in a program that calls this one."""
    if "ab" not in words[:1]:
        return ()
    kept: list[str] = []
    given = iter(words)
    for word in given:
        if word in ("--out", "--budget"):
            next(given, None)
        elif not word.startswith(("--out=", "--budget=")):
            kept.append(word)
    return tuple(kept)
