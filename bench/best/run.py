"""A search on this machine: candidates one by one, the winner in pairs, its outputs beside those of fp32."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench import ab, environment, job, plan, verdicts
from bench.axes import Value
from bench.best import candidates, search
from bench.best.agreement import AGREE, Agreement, Question
from bench.best.findings import Findings
from bench.best.search import Space, Tried
from bench.case import Case, Protocol
from bench.ceilings import cases as ceilings
from bench.errors import UserError
from bench.launch import Server
from bench.measure import Materials, cache_of, measure
from bench.record import Record
from bench.run import Progress, Tell, ask, why_not
from bench.store import RECORDS, Store, refuse_used
from reports.ab import Contest, Row, rows

PROTOCOL = Protocol(
    warmup_seconds=0.3,
    warmup_limit_seconds=3.0,
    target_ci=0.02,
    min_samples=10,
    sampling_seconds=2.0,
    energy_seconds=0.0,
)
"""A search asks which is faster, by more than processes differ; its answer is measured again in pairs."""
PAIRS = verdicts.LOOKS[0]
SEARCHING, PAIRING = 0.55, 0.9
"""The shares of the budget after which no further candidate, and no further pair, begins."""
_LEAST_SECONDS = 60.0
"""A candidate may take so long, also at the end of the budget: compiling alone takes half of it."""


class Wish(Struct, frozen=True, kw_only=True):
    """What is searched for.

    given     axis -> the values that may be tried, `model` among them; an absent one of those that a search
              changes has all that the machine has
    ceilings  whether to measure how fast the machine multiplies in the winner's arithmetic
    """

    given: Mapping[str, tuple[Value, ...]]
    budget_seconds: float
    resume: bool = False
    ceilings: bool = True


def execute(wish: Wish, directory: Path, tell: Tell) -> Findings:
    """Search, confirm and check; the records are in `directory`, those of pairs in folders of their own.

    Raises UserError where nothing can be tried here, or the directory refuses.
    """
    clock = _Clock(wish.budget_seconds)
    told = clock.telling(tell)
    resuming = wish.resume and (directory / RECORDS).exists()
    if not resuming:
        refuse_used(directory)
    materials = Materials(caches=directory / "caches")
    with ExitStack() as stack:
        store = stack.enter_context(Store.resume(directory)) if resuming else None
        base = candidates.plainest(wish.given, environment.usable_cores())
        space, left_out = candidates.space_of(base, wish.given)
        with _server(base) as server:
            space, unusable = candidates.narrowed(space, lambda cases: why_not(cases, server))
            store = store or stack.enter_context(Store.create(directory))
            for scratch in ("work", "caches"):
                stack.callback(shutil.rmtree, directory / scratch, ignore_errors=True)
            known, is_complete = _search(space, store, server, clock, told, materials)
        found = Findings(
            tried=tuple(known.values()), is_complete=is_complete, left_out={**left_out, **unusable}
        )
        if not search.ranked(known):
            return found
        winner, pairs = _confirm(space, known, directory, clock, told, materials)
        with _server(winner) as server:
            if wish.ceilings:
                _measure_ceiling(winner, store, server)
            agreement = _agreement(winner, materials, server)
    plain = search.plain(space, winner)
    return structs.replace(found, winner=winner, plain=plain, pairs=tuple(pairs), agreement=agreement)


class _Clock:
    """The budget, as what is left of it."""

    def __init__(self, budget_seconds: float) -> None:
        self._budget, self._start = budget_seconds, time.monotonic()

    def left(self, share: float) -> float:
        """Seconds until this share of the budget is spent; negative after that."""
        return self._start + share * self._budget - time.monotonic()

    def telling(self, tell: Tell) -> Tell:
        """`tell` with seconds of the budget in the place of cases: how many there will be is not known."""

        def by_the_clock(event: Progress) -> None:
            spent = min(self._budget, time.monotonic() - self._start)
            tell(structs.replace(event, done=int(spent), total=int(self._budget)))

        return by_the_clock


def _server(case: Case) -> Server:
    compiled = structs.replace(case, engine="compile")
    return Server(preload=job.preload([case, compiled]))


def _search(
    space: Space, store: Store, server: Server, clock: _Clock, tell: Tell, materials: Materials
) -> tuple[dict[Case, Tried], bool]:
    """What is known of each candidate, and whether the search came to its end."""
    known = {
        record.case.without_replicate(): search.tried(record)
        for record in store.records()
        if record.status not in plan.RETRIED and search.is_same_work(record.case, space.base)
    }
    while (case := search.following(space, known, _is_possible)) is not None:
        left = clock.left(SEARCHING)
        if left <= 0:
            return known, False
        tell(Progress(case=case, done=0, total=0))
        protocol = structs.replace(
            PROTOCOL,
            give_up_seconds=search.give_up_seconds(case, known),
            time_limit_seconds=max(_LEAST_SECONDS, left),
        )
        record = store.append(_record(case, protocol, store, server, materials))
        known[case] = search.tried(record)
        tell(Progress(case=record.case, done=0, total=0, record=record))
    return known, True


def _is_possible(case: Case) -> bool:
    return plan.why_impossible(case) is None


def _record(case: Case, protocol: Protocol, store: Store, server: Server, materials: Materials) -> Record:
    once = structs.replace(case, replicate=1)
    return measure(once, protocol, environment.describe(), store.directory, server, materials=materials)


def _confirm(
    space: Space,
    known: Mapping[Case, Tried],
    directory: Path,
    clock: _Clock,
    tell: Tell,
    materials: Materials,
) -> tuple[Case, list[Row]]:
    """The winner, once its rivals were met in pairs, and the pairs: theirs, and those with the plain case."""
    winner = search.ranked(known)[0].case
    trial = ab.Trial(contests=(), protocol=PROTOCOL, most_pairs=PAIRS, materials=materials)
    met = [Contest(a=rival.case, b=winner) for rival in search.rivals(known)]
    against_rivals = _pairs(met, trial, directory, clock.left(PAIRING) / 2, tell)
    faster = [row for row in against_rivals if row.verdict.verdict == "slower"]
    if faster:  # than the winner of one process each
        winner = min(faster, key=lambda row: row.a / row.b).contest.a
    plain = search.plain(space, winner)
    last = Contest(a=plain, b=winner)
    if plain == winner or last in [row.contest for row in against_rivals]:
        return winner, against_rivals
    return winner, [*against_rivals, *_pairs([last], trial, directory, clock.left(PAIRING), tell)]


def _pairs(
    contests: Sequence[Contest], trial: ab.Trial, directory: Path, seconds: float, tell: Tell
) -> list[Row]:
    """The whole step's row of each contest that has a pair: from an earlier search that took all its pairs,
    or measured now."""
    for number in itertools.count(1):
        folder = directory / f"pairs-{number}"
        if not folder.exists():
            break
        found = _deciding(contests, folder)
        if len(found) == len(contests) and all(row.verdict.n_new >= PAIRS for row in found):
            return found
    if not contests or seconds <= 0:
        return []
    ab.execute(structs.replace(trial, contests=contests), folder, budget_seconds=seconds, tell=tell)
    return _deciding(contests, folder)


def _deciding(contests: Sequence[Contest], folder: Path) -> list[Row]:
    if not all((folder / side / RECORDS).exists() for side in ab.SIDES):
        return []
    return [row for row in rows(contests, folder, verdicts.MARGIN) if row.decides]


def _measure_ceiling(winner: Case, store: Store, server: Server) -> None:
    """How fast the machine multiplies in the winner's arithmetic, unless the store knows it."""
    for case in ceilings.needed([winner]):
        once = structs.replace(case, replicate=1)
        if store.statuses().get(once) != "ok":
            store.append(_record(once, PROTOCOL, store, server, Materials()))


def _agreement(winner: Case, materials: Materials, server: Server) -> Agreement | str:
    """Of the winner's outputs with those of fp32, or why nothing is known of it."""
    assert materials.caches is not None
    cache = cache_of(winner, materials.caches)
    asked = Question(case=winner, cache_folder=str(cache.resolve()) if cache.exists() else None)
    try:
        answer = ask(AGREE, msgspec.json.encode(asked), server, failing="the outputs were not compared")
    except UserError as error:
        return str(error)
    return msgspec.json.decode(answer, type=Agreement)
