"""Two configurations, or two installed environments, in interleaved pairs of processes.

Both processes of a pair meet the machine in the same state, and which of them comes first is drawn at
random: what changes slowly cancels out. After 8, 16, 32 and 64 pairs the log ratios are looked at
(docs/method.md, "Interleaved pairs"), and a case that is decided is not measured further.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench.forkserver.client import Server
from bench.host import environment
from bench.runner import questions
from bench.runner.attempt import attempt
from bench.runner.case_server import server_for
from bench.runner.clock_lock import clocks_locked
from bench.runner.events import Progress
from bench.runner.facts import KnownFacts
from bench.runner.questions import ask_child, unrunnable
from bench.runner.resumed_networks import refuse_other
from bench.runner.round_servers import RoundServers
from bench.runner.run_options import RunOptions
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.phases import whole
from bench.schema.record import Environment, Record, find
from bench.stats import verdicts
from bench.stats.estimates import median
from bench.stats.verdicts import FailOn, Verdict
from bench.store import RECORDS, Store, refuse_used
from bench.studies.ab.pair_rows import CasePair
from bench.studies.ab.sides import SIDES, Side
from models.errors import UserError

_MOST_FAILURES = 2
"""A case that fails this often on one side is given up: its pairs would never come together."""


class Trial(Struct, frozen=True, kw_only=True):
    """What is compared, how carefully, and which changes do not matter (`margin`, a share); `most_pairs` is
    one of `verdicts.INTERIM_PAIRS`. `is_decided` says of the log ratios so far whether a case needs no more
    pairs, in the place of its verdict; then there may be more of them."""

    case_pairs: Sequence[CasePair]
    sides: tuple[Side, Side] = (Side(), Side())
    protocol: MeasurementProtocol
    margin: float = verdicts.MARGIN
    most_pairs: int = verdicts.INTERIM_PAIRS[-1]
    options: RunOptions = RunOptions()
    is_decided: Callable[[Sequence[float]], bool] | None = None


class Pairs(Struct, kw_only=True):
    """What is known of two cases so far: log(b / a) of the whole step's wall time, pair by pair."""

    log_ratios: list[float]
    failures: int = 0
    verdict: Verdict | None = None
    is_decided: bool = False

    @property
    def tried(self) -> int:
        """Pairs that ran, failed ones among them."""
        return len(self.log_ratios) + self.failures

    @property
    def is_over(self) -> bool:
        return self.failures >= _MOST_FAILURES or self.is_decided


def run_pairs(
    trial: Trial, directory: Path, *, budget_seconds: float | None, on_progress: Callable[[Progress], None]
) -> list[Pairs]:
    """Measure pairs until every pair of cases is decided, all pairs are done or the budget is spent.

    The records of the sides are two runs, `directory`/a and `directory`/b, and carry `pair`. Raises
    UserError when a side cannot run here, or the directory refuses.
    """
    deadline = math.inf if budget_seconds is None else time.monotonic() + budget_seconds
    folders = [directory / name for name in SIDES]
    _refuse(directory, folders)
    cases = [_of(pair, index) for pair in trial.case_pairs for index in (0, 1)]
    known = [Pairs(log_ratios=[]) for _ in trial.case_pairs]
    with ExitStack() as stack:
        stack.enter_context(clocks_locked(trial.options, cases))
        environments = [_check(trial, index) for index in range(len(SIDES))]
        trial = structs.replace(trial, protocol=_understood(trial))
        stores = [stack.enter_context(Store.create(folder)) for folder in folders]
        for folder in folders:
            stack.callback(shutil.rmtree, folder / "work", ignore_errors=True)
        networks: dict[tuple[int, Case], NetworkFingerprint] = {}
        facts = (KnownFacts(), KnownFacts())
        for pair, index in _schedule(known, trial.most_pairs):
            if time.monotonic() >= deadline:
                break
            case_pair = trial.case_pairs[index]
            on_progress(Progress(case=case_pair.a, done=pair - 1, total=trial.most_pairs))
            records = _pair(trial, case_pair, environments, stores, facts, pair)
            _refuse_edited(networks, records)
            _learn(known[index], records, trial)
    return _last_look(known, trial.margin)


def _refuse(directory: Path, folders: Sequence[Path]) -> None:
    """UserError where there is no place for two new runs; before seconds are spent on asking torch."""
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file. Give a folder as --out")
    for folder in folders:
        if (folder / RECORDS).exists():
            raise UserError(f"{folder} already contains a run. Choose another --out (ab cannot resume)")
        refuse_used(folder)


def _schedule(known: Sequence[Pairs], most: int) -> Iterator[tuple[int, int]]:
    """Pair 1 of all cases before pair 2 of any, in random order, without those that are decided."""
    for pair in range(1, most + 1):
        for index in random.sample(range(len(known)), len(known)):
            if not known[index].is_over:
                yield pair, index


def _check(trial: Trial, index: int) -> Environment:
    """The side's environment; UserError where its interpreter or its torch cannot run a case."""
    side, cases = trial.sides[index], [_of(case_pair, index) for case_pair in trial.case_pairs]
    try:
        with server_of(side, cases, trial.options.gpu) as server:
            server.require(questions.questions_of(cases))
            reasons = unrunnable(cases, server)
            found = environment.describe() if side.python is None else _described(server)
    except UserError as error:
        raise UserError(f"side {SIDES[index]}: {error}") from error
    except msgspec.DecodeError as error:
        raise UserError(f"side {SIDES[index]}: unreadable answer of {side.python}: {error}") from error
    for case, reason in reasons.items():
        raise UserError(f"side {SIDES[index]} cannot run {case.id} on this machine: {reason}")
    return found


def server_of(side: Side, cases: Sequence[Case], gpu: str | None, *, facts: bool = True) -> Server:
    """A server for some cases of a side, as `server_for` says."""
    return server_for(
        cases, gpu=gpu, python=side.python, facts=facts, folder=side.folder, variables=side.variables
    )


def _understood(trial: Trial) -> MeasurementProtocol:
    """The protocol, without the rule for few samples where an installation is too old for it: both sides of
    a pair are measured alike."""
    if trial.protocol.fewest_samples is None:
        return trial.protocol
    for side in trial.sides:
        if side.python is not None:
            variables = {**os.environ, **side.variables}
            with Server(python=side.python, folder=side.folder, environment=variables) as server:
                if not server.knows("MeasurementProtocol.fewest_samples"):
                    return structs.replace(trial.protocol, fewest_samples=None)
    return trial.protocol


def _described(server: Server) -> Environment:
    """What a child of another installation says of its machine and software."""
    return msgspec.json.decode(ask_child(job.DESCRIBE, b"", server), type=Environment)


def _of(case_pair: CasePair, index: int) -> Case:
    return case_pair.b if index else case_pair.a


def _pair(
    trial: Trial,
    case_pair: CasePair,
    environments: Sequence[Environment],
    stores: Sequence[Store],
    facts: tuple[KnownFacts, KnownFacts],
    pair: int,
) -> list[Record]:
    """The records of a and b, measured one after the other, chance choosing which comes first. Their servers
    start at once where there are two cores, before either is measured; the second one sleeps meanwhile.

    Each side's first process says, after its timing, what one process says for all.
    """
    records: dict[int, Record] = {}
    cases = [structs.replace(_of(case_pair, index), replicate=pair) for index in (0, 1)]

    def start(index: int) -> Server:
        return server_of(trial.sides[index], [cases[index]], trial.options.gpu)

    first, second = random.sample((0, 1), 2)
    with RoundServers(lambda: start(first), lambda: start(second)) as servers:
        for index in (first, second):
            record = attempt(
                cases[index],
                trial.protocol,
                environments[index],
                stores[index].directory,
                servers.current if index == first else servers.next(lambda: start(second)),
                options=trial.options,
                facts=not facts[index].of(cases[index], environments[index]),
            )
            facts[index].learn(record)
            records[index] = stores[index].append(structs.replace(record, pair=pair))
    return [records[0], records[1]]


def _refuse_edited(networks: dict[tuple[int, Case], NetworkFingerprint], records: Sequence[Record]) -> None:
    """UserError where a side's network has changed since its first pair: one verdict is of one network."""
    for side, record in enumerate(records):
        if record.fingerprint is not None and record.status == "ok":
            case = record.case.without_replicate()
            first = networks.setdefault((side, case), record.fingerprint)
            refuse_other(case, first, record.fingerprint, f"that of the first pair on side {SIDES[side]}")


def _learn(pairs: Pairs, records: Sequence[Record], trial: Trial) -> None:
    """Add a pair, or a failure, and look if it is time to."""
    times = [whole_wall_time(record) for record in records]
    if None in times:
        pairs.failures += 1
        return
    a, b = (value for value in times if value is not None)
    pairs.log_ratios.append(math.log(b / a))
    pairs.verdict = verdicts.interim_verdict(pairs.log_ratios, trial.margin) or pairs.verdict
    is_clear = pairs.verdict is not None and pairs.verdict.is_clear
    pairs.is_decided = is_clear if trial.is_decided is None else trial.is_decided(pairs.log_ratios)


def whole_wall_time(record: Record) -> float | None:
    """The process's median wall time of a whole step, in seconds; None where it was not measured."""
    wall = find(record.measurements, whole(record.case), "wall_time")
    return median(wall.samples) if wall and record.status == "ok" else None


def _last_look(known: list[Pairs], margin: float) -> list[Pairs]:
    """What is not decided gets the verdict of the pairs there are, in the place of the looks not made."""
    for pairs in known:
        is_clear = pairs.verdict is not None and pairs.verdict.is_clear
        if not is_clear and pairs.log_ratios:
            pairs.verdict = verdicts.interim_verdict(pairs.log_ratios, margin, last=True)
    return known


def gate(known: Sequence[Pairs], fail_on: FailOn) -> bool:
    """Whether b is slower (with `any`, faster or slower; with `inconclusive`, also undecided) in some pair,
    Holm's correction applied."""
    if fail_on == "inconclusive" and any(
        pairs.verdict is None or not pairs.verdict.is_clear for pairs in known
    ):
        return True
    judged = [pairs.verdict for pairs in known if pairs.verdict is not None]
    p_values = [0.0 if v.p is None else v.p for v in judged]  # where nothing varies there is no doubt
    holds = verdicts.holm(p_values, verdicts.ERROR / len(verdicts.INTERIM_PAIRS))
    words = ("slower", "faster") if fail_on == "any" else ("slower",)
    return any(held and v.verdict in words for v, held in zip(judged, holds, strict=True))
