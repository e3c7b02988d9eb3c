"""What a search was asked for and what it has found, as its folder keeps it (`bisect.json`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct, structs

from bench.schema.case import Case, MeasurementProtocol
from bench.stats.verdicts import MARGIN, Verdict
from bench.store import read_json, write_json
from bench.studies.bisect.narrowing import CommitAnswer, Known, answered
from bench.studies.bisect.revisions import Commit
from bench.studies.bisect.worktrees import STATE
from models.errors import UserError

BISECT_SCHEMA = 1
"""Of `bisect.json`; a newer one is refused."""
TESTS = "tests"
"""The folder of a search in which each test has its runs."""

Ended = Literal["found", "suspects", "no step", "small step"]


class Wanted(Struct, frozen=True, kw_only=True):
    """What is searched for: the commit between `good` and `bad` that made the case slower, or `faster`.

    margin        a smaller step is none, a share
    first_parent  whether only the first parents of merges are followed
    top           of the repository
    environment   that measures: the folder of this one, or the interpreter of another
    """

    good: Commit
    bad: Commit
    case: Case
    protocol: MeasurementProtocol
    margin: float = MARGIN
    faster: bool = False
    first_parent: bool = False
    top: str = ""
    environment: str = ""


class Tried(Struct, frozen=True, kw_only=True):
    """A commit that was measured beside another one, which is GOOD, or its parent.

    answer  `skip` where it could not be judged, for `reason`
    change  of its times over those of the other one; None without any pair
    error   the error that its answer may have, which it takes from the search's even where it is skipped
    folder  of its two runs, from the search's own; empty where none was made
    """

    commit: Commit
    answer: CommitAnswer
    reason: str = ""
    change: Verdict | None = None
    error: float = 0.0
    folder: str = ""


class BisectState(Struct, frozen=True, kw_only=True):
    """A search.

    ratios    log(BAD / GOOD) of each pair of the ends; empty before they were measured
    step      BAD beside GOOD
    tested    in their order
    ended     how it ended; None while it goes on
    suspects  the first bad commit, or those that cannot be distinguished, newest first
    parent    of the one suspect, None where it has none, and `confirmed` what the two are beside each other
    """

    schema: int = BISECT_SCHEMA
    wanted: Wanted
    ratios: tuple[float, ...] = ()
    step: Tried | None = None
    tested: tuple[Tried, ...] = ()
    ended: Ended | None = None
    suspects: tuple[Commit, ...] = ()
    parent: Commit | None = None
    confirmed: Tried | None = None

    @property
    def known(self) -> Known:
        """What the answers say."""
        ends = Known(self.wanted.bad.hash, (self.wanted.good.hash,))
        return answered(ends, ((each.commit.hash, each.answer) for each in self.tested))

    @property
    def spent(self) -> float:
        """The error that the commits tested so far may have had, together."""
        return sum(each.error for each in self.tested)

    @property
    def is_confirmed(self) -> bool:
        """Whether the one suspect is clearly what was searched for, beside its parent."""
        return self.confirmed is not None and self.confirmed.answer == "bad"


def read(folder: Path) -> BisectState | None:
    """Of a search in this folder; None where there is none. UserError for one that is damaged or of a newer
    convbench."""
    return read_json(folder / STATE, BisectState, BISECT_SCHEMA)


def write(folder: Path, state: BisectState) -> None:
    """On the disk when this returns. UserError where that is refused."""
    write_json(folder / STATE, state)


def begun(folder: Path, wanted: Wanted, *, resume: bool) -> BisectState:
    """The search of the folder if it is to be resumed, else a new one, which is written: in a folder that a
    search left before it measured anything too.

    UserError where the folder holds another search, or one that was not to be resumed.
    """
    kept = read(folder)
    if kept is None or (not resume and not (folder / TESTS).exists()):
        state = BisectState(wanted=wanted)
        write(folder, state)
        return state
    if not resume:
        raise UserError(
            f"{folder} already contains a search. Add --resume to continue it, or choose another --out"
        )
    if structs.replace(kept.wanted, environment=wanted.environment) != wanted:
        raise UserError(
            f"{folder} holds another search, from {kept.wanted.good.short} to {kept.wanted.bad.short} of "
            f"{kept.wanted.case.id}: give its options again, or choose another --out"
        )
    if kept.ended is None and kept.wanted != wanted:
        raise UserError(
            f"{folder} holds a search in another environment, {kept.wanted.environment}: continue it there, "
            "or choose another --out"
        )
    return kept
