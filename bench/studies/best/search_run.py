"""A search on this machine: candidates one by one, the winner in pairs, its outputs beside those of fp32."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import structs

from bench.forkserver.client import Server
from bench.host import cpu_cores, environment
from bench.plan import ceiling_cases as ceilings
from bench.plan import estimate, feasibility
from bench.runner.attempt import OVERTIME, attempt
from bench.runner.case_server import server_for
from bench.runner.clock_lock import clocks_locked
from bench.runner.events import OnProgress, Progress
from bench.runner.questions import ask_child, unrunnable
from bench.runner.resumed_networks import refuse_changed
from bench.runner.run_folder import cache_of
from bench.schema.agreement import AGREE, Agreement, AgreementRequest
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Record
from bench.stats import verdicts
from bench.store import RECORDS, Store, refuse_used
from bench.studies.ab import interleaved, sides
from bench.studies.ab.pair_rows import CasePair, PairRow
from bench.studies.best import candidates, kept_pairs, strategy
from bench.studies.best.search_request import SearchRequest
from bench.studies.best.search_result import Findings
from bench.studies.best.strategy import CandidateResult, Space
from bench.studies.max_batch import batch_runs
from bench.studies.max_batch.batch_search import MEMORY_ONLY
from models.errors import UserError

PROTOCOL = MeasurementProtocol(
    warmup_seconds=0.3,
    warmup_limit_seconds=3.0,
    target_ci=0.02,
    min_samples=6,
    sampling_seconds=2.0,
    energy_seconds=0.0,
)
"""A search asks which is faster, by more than processes differ; its answer is measured again in pairs."""
PAIRS = verdicts.INTERIM_PAIRS[0]
SEARCHING, PAIRING = 0.55, 0.9
"""The shares of the budget after which no further candidate, and no further pair, begins."""
_LEAST_SECONDS = 120.0
"""A candidate may take half of what is left for the search, or so long where the budget has it: compiling, or
twenty steps of a large network on a CPU, take half of that."""
_AGREEMENT_SECONDS = 120.0
_NO_TIME_TO_COMPARE = "the budget was used up"


def run_search(request: SearchRequest, directory: Path, on_progress: OnProgress) -> Findings:
    """Search, confirm and check; the records are in `directory`, those of pairs in folders of their own.

    Raises UserError where nothing can be tried here, or the directory refuses.
    """
    began = time.monotonic()
    resuming = request.resume and (directory / RECORDS).exists()
    if not resuming:
        refuse_used(directory)
    with ExitStack() as stack:
        store = stack.enter_context(Store.resume(directory)) if resuming else None
        base = candidates.first_case(request.given, cpu_cores.usable_cores())
        stack.enter_context(clocks_locked(request.run_options, [base]))
        if store is not None:
            store.refuse_others(lambda case: _is_part(case, base))
        space, impossible = candidates.space_of(base, request.given)
        asked = time.monotonic()
        with server_for(_engines_of(space), gpu=request.gpu) as server:
            space, unusable = candidates.narrowed(space, lambda cases: unrunnable(cases, server))
            server_seconds = time.monotonic() - asked
            refuse_changed(store, [base], server)
            store = store or stack.enter_context(Store.create(directory))
            for scratch in ("work", "caches"):
                stack.callback(shutil.rmtree, directory / scratch, ignore_errors=True)
            searching = _Search(request, store, on_progress, began, server_seconds)
            known, is_complete = searching.candidates(space, server)
        tried, excluded = tuple(known.values()), {**impossible, **unusable}
        found = Findings(
            tried=tried, is_complete=is_complete, excluded=excluded, gpu=request.gpu, base=space.base
        )
        if strategy.ranked(known):
            found = searching.answered(found, space, known)
    return structs.replace(
        found,
        is_cut_short=searching.is_cut_short or not is_complete,
        seconds=time.monotonic() - began,
        budget_seconds=request.budget_seconds,
    )


def _is_part(case: Case, base: Case) -> bool:
    return case.workload == "ceiling" or strategy.is_same_work(case, base)


def _engines_of(space: Space) -> list[Case]:
    return [structs.replace(space.base, engine=str(name)) for name in space.values["engine"]]


class _Search:
    """One search, with its budget; the records go to `store`, the bar is told of the seconds.

    is_cut_short  whether the budget has left anything unmeasured so far
    """

    def __init__(
        self,
        request: SearchRequest,
        store: Store,
        on_progress: OnProgress,
        began: float,
        server_seconds: float,
    ) -> None:
        """`began` is the moment of `time.monotonic` from which the budget counts, `server_seconds` what the
        fork server took until it answered."""
        self._request, self._store, self._on_progress = request, store, on_progress
        self._server_seconds = server_seconds
        self._directory = store.directory
        self._caches = store.directory / "caches"
        self._began = began
        self.is_cut_short = False
        self._options = structs.replace(
            request.run_options, caches=self._caches, ends_by=began + request.budget_seconds
        )

    def _left(self, share: float) -> float:
        """Seconds until this share of the budget is spent; negative after that."""
        return self._began + share * self._request.budget_seconds - time.monotonic()

    def _report(self, event: Progress) -> None:
        """With seconds of the budget in the place of cases: how many there will be is not known."""
        budget = self._request.budget_seconds
        spent = min(budget, budget - self._left(1))
        self._on_progress(structs.replace(event, done=int(spent), total=int(budget)))

    def candidates(self, space: Space, server: Server) -> tuple[dict[Case, CandidateResult], bool]:
        """What is known of each candidate, and whether the search came to its end."""
        known = {
            record.case.without_replicate(): strategy.result_of(record)
            for record in self._store.records()
            if not feasibility.is_retried(record) and strategy.is_same_work(record.case, space.base)
        }
        if self._request.max_batch:
            self._try_all(space, known, server, SEARCHING / 2)
            leaders = strategy.ranked(known)
            most = self._largest_batch(leaders[0].case) if leaders else None
            space = strategy.enlarged(space, most)
        return known, self._try_all(space, known, server, SEARCHING)

    def _try_all(
        self, space: Space, known: dict[Case, CandidateResult], server: Server, share: float
    ) -> bool:
        """Add to `known` what is worth trying; whether this share of the budget was enough for all. Until
        something has a time the share is the whole."""
        while (case := strategy.next_candidate(space, known, feasibility.is_possible)) is not None:
            left = self._left(share if strategy.ranked(known) else 1)
            if left <= 0:
                return False
            protocol = structs.replace(
                PROTOCOL,
                give_up_seconds=strategy.give_up_seconds(case, known),
                time_limit_seconds=max(_LEAST_SECONDS, left / 2),
            )
            known[case] = strategy.result_of(self._measured(case, protocol, server))
        return True

    def _measured(self, case: Case, protocol: MeasurementProtocol, server: Server) -> Record:
        once = structs.replace(case, replicate=1)
        self._report(Progress(case=once, done=0, total=0))
        described = environment.describe()
        record = attempt(once, protocol, described, self._directory, server, options=self._options)
        record = self._store.append(record)
        self._report(Progress(case=once, done=0, total=0, record=record))
        return record

    def _largest_batch(self, case: Case) -> int | None:
        """The largest batch of a case that fits, in the time there is; None where none does."""
        request = batch_runs.BatchRequest(
            cases=[structs.replace(case, replicate=1)],
            memory=None,
            protocol=MEMORY_ONLY,
            budget_seconds=self._left(SEARCHING),
            resume=True,
            options=self._options,
        )
        return batch_runs.find_largest(request, self._directory / "largest", self._report)[0].verified

    def answered(self, found: Findings, space: Space, known: Mapping[Case, CandidateResult]) -> Findings:
        """The findings with the winner, its pairs and, in the budget, its outputs and its ceilings."""
        winner, pairs = self.confirmed(space, known)
        found = structs.replace(found, winner=winner, plain=strategy.plain(space, winner), pairs=tuple(pairs))
        if self._left(1) <= self._server_seconds:
            self.is_cut_short = True
            return structs.replace(
                found,
                agreement=_NO_TIME_TO_COMPARE,
                ceiling_seconds=self._ceiling_seconds(winner) if self._request.ceilings else None,
            )
        with server_for([winner], gpu=self._request.gpu) as server:
            return structs.replace(
                found,
                agreement=self.agreement(winner, server),
                ceiling_seconds=self.measure_ceiling(winner, server) if self._request.ceilings else None,
            )

    def confirmed(self, space: Space, known: Mapping[Case, CandidateResult]) -> tuple[Case, list[PairRow]]:
        """The winner, once its rivals were met in pairs, and the pairs: theirs, and with the plain case."""
        winner = strategy.ranked(known)[0].case
        met = [CasePair(a=rival.case, b=winner) for rival in strategy.rivals(known)]
        pairs = self._pairs(met, self._left(PAIRING) / 2)
        faster = [row for row in pairs if row.verdict.verdict == "slower"]
        if faster:  # than the winner of one process each
            winner = min(faster, key=lambda row: row.a / row.b).case_pair.a
        plain = strategy.plain(space, winner)
        last = CasePair(a=plain, b=winner)
        if plain == winner or last in [row.case_pair for row in pairs]:
            return winner, pairs
        return winner, [*pairs, *self._pairs([last], self._left(PAIRING))]

    def _pairs(self, case_pairs: Sequence[CasePair], seconds: float) -> list[PairRow]:
        """The whole step's row of each pair of cases that was run: from an earlier search that took all its
        pairs, or measured now."""
        earlier, folder = kept_pairs.find(case_pairs, self._directory, PAIRS)
        if earlier is not None:
            return earlier
        seconds -= max(map(self._pair_seconds, case_pairs), default=0.0)
        if not case_pairs:
            return []
        if seconds <= len(sides.SIDES) * self._server_seconds:
            self.is_cut_short = True
            return []  # not even the first pair would end in time
        trial = interleaved.Trial(
            case_pairs=case_pairs,
            protocol=PROTOCOL,
            most_pairs=PAIRS,
            options=self._options,
        )
        met = interleaved.run_pairs(trial, folder, budget_seconds=seconds, on_progress=self._report)
        self.is_cut_short |= any(not pairs.is_over and pairs.tried < PAIRS for pairs in met)
        return kept_pairs.deciding(case_pairs, folder)

    def _pair_seconds(self, case_pair: CasePair) -> float:
        """About what a pair of processes takes, each with a server, where nothing is compiled anew."""
        taken = {record.case.without_replicate(): record for record in self._store.records()}
        records = [taken[case] for case in (case_pair.a, case_pair.b) if case in taken]
        measuring = sum((each.seconds or 0.0) - each.spent.get("compiling", 0.0) for each in records)
        return 2 * self._server_seconds + measuring

    def measure_ceiling(self, winner: Case, server: Server) -> float | None:
        """How fast the machine multiplies in the winner's arithmetic, unless the store knows it.

        Where the budget leaves no time for that, about what it takes, in seconds; None otherwise.
        """
        seconds = self._ceiling_seconds(winner)
        if seconds is not None and self._left(1) < seconds:
            self.is_cut_short = True
            return seconds
        for case in self._unknown_ceilings(winner):
            self._measured(case, PROTOCOL, server)
        return None

    def _ceiling_seconds(self, winner: Case) -> float | None:
        """About what the winner's ceilings take; None where the store knows them."""
        cases = self._unknown_ceilings(winner)
        return sum(estimate.case_seconds(case, PROTOCOL) for case in cases) if cases else None

    def _unknown_ceilings(self, winner: Case) -> list[Case]:
        statuses = self._store.statuses()
        return [
            case
            for case in ceilings.needed([winner])
            if statuses.get(structs.replace(case, replicate=1)) != "ok"
        ]

    def agreement(self, winner: Case, server: Server) -> Agreement | str:
        """Of the winner's outputs with those of fp32, or why nothing is known of it."""
        left = self._left(1)
        if left <= 0:
            self.is_cut_short = True
            return _NO_TIME_TO_COMPARE
        cache = cache_of(winner, self._caches)
        asked = AgreementRequest(case=winner, cache_folder=str(cache.resolve()) if cache.exists() else None)
        try:
            answer = ask_child(
                AGREE,
                msgspec.json.encode(asked),
                server,
                min(_AGREEMENT_SECONDS, OVERTIME * left),
                failing="the outputs were not compared",
            )
        except UserError as error:
            return str(error)
        return msgspec.json.decode(answer, type=Agreement)
