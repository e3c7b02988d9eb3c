"""convbench bisect: the commit that made a case slower."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench import devices
from bench.cli import options, output, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.cli.options import MOST_MARGIN
from bench.plan import axes, named_suites, suite_plan
from bench.plan.axes import AXES
from bench.plan.suite import USUAL, Suite
from bench.schema.case import Case
from models.errors import UserError


# long: its parameters are the command's options.
@axis_options
def bisect(
    *,
    good: Annotated[
        str | None, typer.Argument(metavar="GOOD", help="Commit, tag or branch that is fast.")
    ] = None,
    bad: Annotated[str | None, typer.Argument(metavar="BAD", help="A later one that is slow.")] = None,
    out: options.NewOut = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue this search: tests that ended are not repeated.")
    ] = False,
    repo: Annotated[
        Path | None,
        typer.Option("--repo", help="Folder of the git repository (default: the current folder)."),
    ] = None,
    python: Annotated[
        Path | None, typer.Option(help="Python of another environment (needs convbench installed).")
    ] = None,
    faster: Annotated[
        bool, typer.Option("--faster", help="Find the commit that made the network faster.")
    ] = False,
    first_parent: Annotated[
        bool, typer.Option("--first-parent", help="Follow only the first parent of merges.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="GOOD",
            help="For git bisect run: test the checkout beside this commit. Exits with 0, 1 or 125 (skip).",
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option("--threshold", help="With --against: slower by more than this is bad, e.g. 2%."),
    ] = None,
    suite: options.Suite = None,
    given: Annotated[Given, Axes(*AXES)],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    flush_l2: options.FlushL2 = None,
    budget: options.Budget = None,
    margin: options.Margin = "2%",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the number of tests and the estimated time; measure nothing."),
    ] = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Find the commit that made a network slower, between a fast and a slow one.

    Measures commits in pairs beside GOOD, from git worktrees: your files, HEAD and branches stay as they are.
    """
    from bench.cli import bisect_search

    is_judging = against is not None or threshold is not None
    if not is_judging and (good is None or bad is None):
        raise UserError("bisect needs two commits: convbench bisect GOOD BAD --model FILE.py:FUNCTION")
    if is_judging:
        _refuse_for_git(dry_run=dry_run, resume=resume, is_formatted=format_ != "terminal")
    _check_format(format_)
    section_names.check("bisect", section, full=full)
    chosen = named_suites.find(suite or suite_plan.USUAL_SUITE, devices.auto())
    case = one_case(chosen, given, is_named=suite is not None)
    protocol = suite_plan.protocol_of(chosen.protocol, target_ci, time_limit, flush_l2)
    suite_plan.refuse_flush(protocol, [case])
    asked = bisect_search.Asked(
        case=case,
        protocol=protocol,
        repo=repo or Path(),
        python=python,
        options=options.run_options_of(gpu, lock_clocks),
        margin=axes.positive_number("--margin", margin, MOST_MARGIN),
        faster=faster,
        first_parent=first_parent,
        budget_seconds=suite_plan.seconds_of(budget),
    )
    if is_judging or good is None or bad is None:
        return bisect_search.judge_checkout(asked, against, threshold, (good, bad), out)
    shown = bisect_search.Shown(format_, section, full)
    if dry_run:
        return bisect_search.show_plan(asked, good, bad, format_)
    return bisect_search.bisect(asked, good, bad, output.kept_folder(out, resume=resume), resume, shown)


def _check_format(name: str) -> None:
    """UserError, before hours of measuring, for a format that cannot hold the report of a search."""
    from reports import formats

    output.check_format(name)
    able = (*formats.for_any(), *formats.binary())
    if name not in able:
        raise UserError(
            f"--format {name} holds times of steps, and this report has none. Accepted: {', '.join(able)}"
        )


def _refuse_for_git(*, dry_run: bool, resume: bool, is_formatted: bool) -> None:
    """UserError for what has no meaning beside --against."""
    for name, is_given in (("--dry-run", dry_run), ("--resume", resume), ("--format", is_formatted)):
        if is_given:
            raise UserError(f"--against tests one commit and prints one line for git: leave out {name}")


def one_case(suite: Suite, given: Given, *, is_named: bool) -> Case:
    """The case of these axes, of one forward pass of one image unless they say otherwise; of a suite that was
    named the one that they leave. Raises UserError for several."""
    if not is_named and "model" not in given:
        raise UserError("bisect follows one network: give --model FILE.py:FUNCTION")
    cases = suite_plan.cases_of(suite, given if is_named else {**USUAL, **given})
    if len(cases) != 1:
        raise UserError(
            f"bisect follows one case, and this plan has {len(cases)}: give each axis one value, for example "
            "--model, --workload and --batch"
        )
    return cases[0].without_replicate()
