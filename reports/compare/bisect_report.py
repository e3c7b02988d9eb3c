"""A search through commits -> the report: which one made the case slower, then all that were tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench.schema.plurals import how_many
from bench.stats.half_step import SEARCH_ERROR
from bench.studies.bisect.bisect_state import BisectState, Tried
from bench.studies.bisect.revisions import Commit
from reports.cells import Cell, Scalar, brief
from reports.compare.ab_answer import LEVEL
from reports.compare.changes import best_guess, change, in_speed, short_change
from reports.document import Answer, Document, NextStep, Origin, Part, Table
from reports.summary.figures import case_row
from reports.tables.case_names import case_name
from reports.tables.wording import one_line

TESTED = Part("tested", "Tested commits")
SUSPECTS = Part("suspects", "Commits that may have made the step")
METHOD = (
    "Each commit was measured in interleaved pairs of processes beside GOOD, from git worktrees that share "
    "one environment. bad: the commit has clearly more than half of the step between GOOD and BAD. good: "
    "clearly less. skip: it cannot be said, or it cannot be measured. All answers hold together in "
    f"{1 - SEARCH_ERROR:.0%} of such searches if one commit made the whole step. Intervals are {LEVEL}."
)
_MOST_ROWS = 10


class Searched(Struct, frozen=True, kw_only=True):
    """A search as its report sees it.

    left    commits that may still be the answer; None where it has ended
    origin  of the records of all tests
    alarms  what forbids to trust the figures
    """

    state: BisectState
    left: int | None = None
    origin: Origin | None = None
    alarms: tuple[str, ...] = ()


def document(searched: Searched) -> Document:
    """The answer, the tested commits, and a row of each for programs."""
    state = searched.state
    tables = [_table(_all_tested(state), TESTED)] if state.step else []
    if len(state.suspects) > 1:
        tables.append(_suspects(state.suspects))
    return Document(
        title=_title(state),
        answer=Answer(
            about=_about(state),
            alarms=searched.alarms,
            headlines=tuple(_headlines(searched)),
            table=_table(_all_tested(state)[-_MOST_ROWS:], None) if state.step else None,
            next_step=_next(state),
        ),
        text=(METHOD,),
        tables=tuple(tables),
        rows=tuple(_row(each, state) for each in _all_tested(state)),
        origin=searched.origin,
    )


def answer_line(tested: Tried, against: str = "GOOD") -> str:
    """`abc1234 is bad: +3.1% (+2.4% to +3.8%) beside GOOD, 16 pairs`"""
    told = f"{tested.commit.short} is {tested.answer}"
    if tested.answer == "skip":
        return f"{told}: {one_line(tested.reason)}"
    found = tested.change
    return (
        told
        if found is None
        else f"{told}: {_told(tested)} beside {against}, {how_many(found.n_new, 'pair')}"
    )


def known_line(state: BisectState, left: int) -> str:
    """`so far: 3 of 9 commits may be it, between abc1234 (good) and def5678 (bad)`"""
    if state.step is None:
        return "so far nothing is known: GOOD and BAD were not compared to the end"
    known = {each.commit.hash: each.commit for each in state.tested}
    bad = known.get(state.known.bad, state.wanted.bad)
    good = [each.commit.short for each in state.tested if each.answer == "good"] or [state.wanted.good.short]
    return (
        f"so far: {how_many(left, 'commit')} may be it, after {good[-1]} (good) and up to {bad.short} (bad)"
    )


def _title(state: BisectState) -> str:
    word = _word(state)
    match state.ended:
        case "found":
            return f"{state.suspects[0].short} made {case_name(state.wanted.case)} {word}"
        case "suspects":
            return f"One of {len(state.suspects)} commits made {case_name(state.wanted.case)} {word}"
        case "no step" if state.step and _is_other(state.step):
            return f"Nothing made {case_name(state.wanted.case)} {_word(state)}"
        case "no step":
            return "GOOD and BAD do not differ: nothing to find"
        case "small step":
            return "The step is too small to be found"
    return "The search has not ended"


def _is_other(step: Tried) -> bool:
    """Whether the ends differ in the direction that nobody searches for."""
    return step.answer == "good" and step.change is not None and step.change.verdict in ("slower", "faster")


def _word(state: BisectState) -> str:
    return "faster" if state.wanted.faster else "slower"


def _about(state: BisectState) -> str:
    """`GOOD abc1234, BAD def5678 · 4 commits tested`"""
    wanted = state.wanted
    measured = len(state.tested) + (state.step is not None)
    ends = f"GOOD {wanted.good.short}, BAD {wanted.bad.short}"
    return " · ".join((ends, f"{how_many(measured, 'commit')} tested"))


def _headlines(searched: Searched) -> Iterator[str]:
    state = searched.state
    name, step = case_name(state.wanted.case), state.step
    match state.ended:
        case "found":
            yield from _found(state, name)
        case "suspects":
            yield (
                f"One of {len(state.suspects)} commits made {name} {_word(state)}, up to "
                f"{state.suspects[0].name}. Which one is not known, as the others were skipped."
            )
        case "no step":
            yield from _no_step(state, name)
        case "small step":
            yield (
                f"Beside GOOD, {name} {_by(step)} at BAD, which is not known well enough to tell half of it. "
                "A quieter machine, or a larger step, is needed."
            )
        case None:
            left = "" if searched.left is None else f" {how_many(searched.left, 'commit')} may still be it."
            yield f"The search for the commit that made {name} {_word(state)} has not ended.{left}"
    if step is not None and state.ended in ("found", "suspects", None) and state.confirmed is not step:
        yield f"Beside GOOD, BAD {_by(step)}."


def _found(state: BisectState, name: str) -> Iterator[str]:
    (commit,) = state.suspects
    who = f"{commit.name} by {commit.author}, {commit.date},"
    parent = state.parent.short if state.parent else ""
    if state.is_confirmed:
        yield f"{who} made {name} {_word(state)}: beside its parent {parent}, it {_by(state.confirmed)}."
        return
    yield f"{who} is the first commit with more than half of the step in {name}."
    if not parent:
        yield "It has no parent, so it was not compared with one."
    elif state.confirmed is None:
        yield f"Its parent {parent} could not be measured, so the two were not compared."
    else:
        guess = _told(state.confirmed)
        beside = f"Measured beside its parent {parent}, it is not clearly {_word(state)}"
        yield f"{beside} ({guess or 'no interval'})."


def _no_step(state: BisectState, name: str) -> Iterator[str]:
    found = None if state.step is None else state.step.change
    told = "" if state.step is None else _told(state.step)
    if found is not None and state.step is not None and _is_other(state.step):
        other = "" if state.wanted.faster else " Add --faster to find what made it so."
        yield f"Beside GOOD, {name} {in_speed(found)} at BAD, so nothing made it {_word(state)}.{other}"
        return
    yield f"GOOD and BAD do not differ: nothing to find. {name} changed by {told or 'an unknown share'}."
    if found is not None and found.verdict == "equivalent":
        yield f"That is within {100 * state.wanted.margin:g}%, which --margin sets."


def _by(tested: Tried | None) -> str:
    """`is 3.1% slower (2.4% to 3.8%)`"""
    return "is changed" if tested is None or tested.change is None else in_speed(tested.change)


def _told(tested: Tried) -> str:
    """`+3.1% (+2.4% to +3.8%)`; `not resolved (0.4x to 3x)`"""
    if tested.change is None:
        return ""
    found = change(tested.change)
    return best_guess(tested.change) or ("" if found is None else brief(found))


def _all_tested(state: BisectState) -> list[Tried]:
    """BAD, then the others in the order of their tests."""
    return [*([state.step] if state.step else []), *state.tested]


def _table(tested: Sequence[Tried], part: Part | None) -> Table:
    rows = tuple(_cells(each, is_short=part is None) for each in tested)
    columns = ("commit", "subject", "date", "change from GOOD", "pairs", "answer")
    return Table(
        title=TESTED.title,
        columns=columns,
        rows=rows,
        notes=tuple(
            f"{each.commit.short} skipped: {one_line(each.reason)}."
            for each in tested
            if each.reason and part
        ),
        optional=("date", "pairs", "subject"),
        part=part,
    )


def _cells(each: Tried, *, is_short: bool) -> tuple[Cell, ...]:
    found = each.change
    shown = None if found is None else (short_change if is_short else change)(found)
    commit = each.commit
    return (commit.short, commit.subject, commit.date, shown, found.n_new if found else None, each.answer)


def _suspects(commits: Sequence[Commit]) -> Table:
    rows = tuple((each.short, each.subject, each.author, each.date) for each in commits)
    return Table(
        title=SUSPECTS.title, columns=("commit", "subject", "author", "date"), rows=rows, part=SUSPECTS
    )


def _next(state: BisectState) -> NextStep | None:
    match state.ended:
        case "found":
            return NextStep(command=f"git show {state.suspects[0].short}", purpose="shows what it changed")
        case "small step" | "no step":
            return NextStep(command="convbench doctor", purpose="finds what makes this machine noisy")
    return None


def _row(each: Tried, state: BisectState) -> dict[str, Scalar]:
    found, commit = each.change, each.commit
    fields: dict[str, Scalar] = {
        "commit": commit.hash,
        "subject": commit.subject,
        "author": commit.author,
        "date": commit.date,
        "good": state.wanted.good.hash,
        "ratio": found.ratio if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "level": found.level if found else None,
        "pairs": found.n_new if found else 0,
        "answer": each.answer,
        "reason": each.reason or None,
        "error": each.error,
        "is_suspect": int(commit in state.suspects),
        **_beside_parent(state if (commit,) == state.suspects else None),
    }
    return case_row(state.wanted.case, fields)


def _beside_parent(state: BisectState | None) -> dict[str, Scalar]:
    """What the one suspect is beside its parent; of the other commits that is not known."""
    parent = None if state is None else state.parent
    found = None if state is None or state.confirmed is None else state.confirmed.change
    return {
        "parent": parent.hash if parent else None,
        "parent_ratio": found.ratio if found else None,
        "parent_low": found.low if found else None,
        "parent_high": found.high if found else None,
        "parent_pairs": found.n_new if found else None,
    }
