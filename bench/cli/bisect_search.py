"""What `convbench bisect` does with its options: the plan, the search with its news, the answer for git."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from bench.cli import exit_code, kept_run, output
from bench.cli.options import MOST_MARGIN
from bench.plan import axes
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from bench.stats.half_step import LOOKS
from models.errors import UserError

if TYPE_CHECKING:
    from bench.studies.bisect.bisect_state import BisectState, Tried
    from bench.studies.bisect.commit_trials import Search
    from bench.studies.bisect.revisions import Commit
    from reports.compare.bisect_report import Searched

SKIP, STOP = 125, 128
"""What `git bisect run` takes for a commit that cannot be judged, and for an end of the search."""


class Asked(Struct, frozen=True, kw_only=True):
    """The options, checked as far as no repository is needed."""

    case: Case
    protocol: MeasurementProtocol
    repo: Path
    python: Path | None
    options: RunOptions
    margin: float
    faster: bool
    first_parent: bool
    budget_seconds: float | None


class Shown(NamedTuple):
    """How the report is shown."""

    format: str
    section: str | None
    full: bool


def search_of(asked: Asked, good: str, bad: str, *, are_related: bool = True) -> Search:
    """The search for two revisions, of which GOOD must come before BAD if they `are_related`.

    Raises UserError for a repository or revisions that cannot be used.
    """
    from bench.studies.ab import sides
    from bench.studies.bisect import revisions, source_trees
    from bench.studies.bisect.bisect_state import Wanted
    from bench.studies.bisect.commit_trials import Search

    repository = revisions.find(asked.repo, Path.cwd())
    ends = (revisions.commit_of(repository, good), revisions.commit_of(repository, bad))
    if are_related:
        revisions.refuse_unrelated(repository, *ends)
    other = sides.read_side(None, asked.python).python
    sources = source_trees.sources_of(repository, ends[0].hash, other)
    wanted = Wanted(
        good=ends[0],
        bad=ends[1],
        case=source_trees.case_in_trees(sources, asked.case, ends),
        protocol=asked.protocol,
        margin=asked.margin,
        faster=asked.faster,
        first_parent=asked.first_parent,
        top=str(repository.top),
        environment=str(other or sys.prefix),
    )
    return Search(wanted=wanted, sources=sources, options=asked.options, budget_seconds=asked.budget_seconds)


def show_plan(asked: Asked, good: str, bad: str, format_: str) -> int:
    """The exit code of `--dry-run`."""
    from bench.studies.bisect import revisions
    from bench.studies.bisect.commit_trials import commits_left
    from reports import formats
    from reports.compare import bisect_plan

    search = search_of(asked, good, bad)
    wanted = search.wanted
    plan = bisect_plan.plan_of(wanted, commits_left(search))
    empty = revisions.submodules(search.sources.repository, wanted.bad.hash)
    output.show(formats.content(format_, bisect_plan.document(wanted, plan, empty)))
    return 0


def bisect(asked: Asked, good: str, bad: str, out: Path, resume: bool, shown: Shown) -> int:
    """Search, with a line for each test, and show the answer; the exit code."""
    from bench.cli import progress
    from bench.studies.bisect import bisect_state
    from bench.studies.bisect.commit_search import run_search

    search = search_of(asked, good, bad)
    folder = out.absolute()
    for sentence in _beforehand(search):
        output.note(sentence)
    try:
        with progress.progress(LOOKS[-1]) as on_progress:
            state = run_search(search, folder, resume=resume, told=_tell, on_progress=on_progress)
    except KeyboardInterrupt:
        known = bisect_state.read(folder)
        if known is not None:
            _say_known(search, known)
        raise
    searched = _searched(search, state, folder)
    _show(searched, out, shown)
    if state.ended is None:
        _say_known(search, state)
        return output.complain(f"the budget is used up{kept_run.how_to_continue()}", exit_code.INCOMPLETE)
    return 0 if state.ended == "found" and state.is_confirmed else 1


def _beforehand(search: Search) -> Iterator[str]:
    """What it will cost, and what is not measured."""
    from bench.studies.bisect import revisions
    from bench.studies.bisect.commit_trials import commits_left
    from reports.compare import bisect_plan

    repository = search.sources.repository
    yield bisect_plan.in_words(bisect_plan.plan_of(search.wanted, commits_left(search)))
    if revisions.is_changed(repository):
        yield "uncommitted changes are not measured: each commit is taken as it is"
    empty = revisions.submodules(repository, search.wanted.bad.hash)
    if empty:
        yield f"submodules stay empty in worktrees: {', '.join(empty)}"


def _tell(state: BisectState, commit: Commit, tested: Tried | None) -> None:
    from reports.compare import bisect_report

    number = len(state.tested) + (state.step is not None)
    if tested is None:
        output.note(f"test {number + 1}: {commit.name}")
    else:
        output.note(bisect_report.answer_line(tested))


def _say_known(search: Search, state: BisectState) -> None:
    """How far the search is, and what `kept_run` says of it at the end of the command."""
    from bench.studies.bisect.commit_trials import commits_left
    from bench.studies.bisect.narrowing import most_steps
    from reports.compare import bisect_report

    left = commits_left(search, state.known)
    done = len(state.tested) + (state.step is not None)
    kept_run.current.what = "tests"
    kept_run.current.told(done, done + most_steps(left) + 1 + (state.step is None))
    output.complain(bisect_report.known_line(state, left))


def _searched(search: Search, state: BisectState, folder: Path) -> Searched:
    """What the report says, with the origin of all records."""
    from bench.studies.bisect.commit_search import run_folders
    from bench.studies.bisect.commit_trials import commits_left
    from reports.compare.bisect_report import Searched
    from reports.compare.measured_runs import measured_runs

    measured = measured_runs(run_folders(folder))
    return Searched(
        state=state,
        left=commits_left(search, state.known) if state.ended is None else None,
        origin=measured.origin,
        alarms=measured.alarms,
    )


def _show(searched: Searched, out: Path, shown: Shown) -> None:
    from reports import formats
    from reports.compare import bisect_report

    document = bisect_report.document(searched)
    output.write(out / "report.md", formats.render("md", document))
    output.show(formats.content(shown.format, output.measured(document, shown.section, shown.full)))
    output.complain(f"report: {out / 'report.md'}")


def judge_checkout(
    asked: Asked,
    against: str | None,
    threshold: str | None,
    ends: tuple[str | None, str | None],
    out: Path | None,
) -> int:
    """What `git bisect run` asks for: 0 where the files that are checked out are good, 1 bad, 125 where it
    cannot be said; 128, at which git stops, for bad input."""
    from bench.studies.bisect.checkout_trial import judge
    from reports.compare import bisect_report

    try:
        if against is None or threshold is None or any(ends):
            raise UserError(
                "for git bisect run give both and no other commit: convbench bisect --against GOOD "
                "--threshold 2% --model FILE.py:FUNCTION"
            )
        limit = axes.positive_number("--threshold", threshold, MOST_MARGIN)
        search = search_of(asked, against, "HEAD", are_related=False)
        folder = output.kept_folder(out, resume=False).absolute()
        tested = judge(search, folder, limit)
    except UserError as error:
        return output.complain(str(error), STOP)
    output.show(f"{bisect_report.answer_line(tested)}\n")
    return {"good": 0, "bad": 1, "skip": SKIP}[tested.answer]
