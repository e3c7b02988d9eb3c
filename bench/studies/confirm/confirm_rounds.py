"""Suspects and references in rounds: each unit once a round, in random order, nodes side by side where the
executor takes several jobs.

A unit in a round is a fleet of one node, in a folder of its own, so what `bench.fleet` keeps holds here too:
nothing that runs is started twice, and a round that is missing is measured when the command is given again.
"""

from __future__ import annotations

import random
import shlex
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from bench.contracts.executor import Executor
from bench.fleet import fleet_folder, job_files, node_states
from bench.fleet.dispatch import Dispatch, States
from bench.plan import estimate, plan_processes
from bench.schema.case import Case
from bench.schema.confirm_plan import ConfirmPlan
from bench.schema.fleet_plan import FLEET, FleetPlan, NodeState
from bench.schema.kept_plan import KeptPlan
from bench.schema.units import Unit
from bench.studies.confirm.confirm_records import is_complete, round_folder

_DROPPED = {
    "--replicates": 2,
    "--gpu": 2,
    "--together": 1,
    "--ceilings": 1,
    "--no-ceilings": 1,
    "--step-digest": 1,
    "--no-step-digest": 1,
}
"""Options of the first run that a round has not, and the words that each takes."""


class Turn(Struct, frozen=True):
    """A unit in a round."""

    number: int
    unit: Unit


class Ended(Struct, frozen=True):
    """How the job of a unit in a round ended.

    done, total  of these jobs: how many are over, and how many there are
    processes    that the jobs which are over have measured
    """

    turn: Turn
    state: NodeState
    done: int
    total: int
    processes: int

    @property
    def of_processes(self) -> int:
        """Those of all jobs."""
        return self.state.planned * self.total


class _StoppedError(Exception):
    """The command was ended while the jobs of this thread were under way."""


class _CancelledError(Exception):
    """`fleet cancel` was called."""


def turns_left(folder: Path, plan: ConfirmPlan, tests: Sequence[Case]) -> list[Turn]:
    """What has no whole figures yet, in the order of `turns_of`."""
    return [each for each in turns_of(plan) if not is_complete(folder, each.unit, each.number, tests)]


def turns_of(plan: ConfirmPlan) -> list[Turn]:
    """All of them: rounds in their order, units in random order, the same at each call."""
    numbers = sorted({number for look in plan.looks for number in look.rounds})
    found = []
    for number in numbers:
        units = {unit for look in plan.looks if number in look.rounds for unit in look.units}
        ordered = sorted(units, key=lambda unit: (unit.node, unit.id))
        random.Random(f"{plan.seed}/{number}").shuffle(ordered)
        found += [Turn(number, each) for each in ordered]
    return found


def seconds_of(plan: FleetPlan) -> float:
    """That one unit in one round probably takes."""
    once = _once(plan.plan, None)
    return estimate.estimate_seconds(plan_processes.of_plan(once), once.protocol)


class Rounds:
    """Measures turns; `told` hears of each that is over, from any thread."""

    def __init__(
        self, folder: Path, plan: FleetPlan, executor: Executor, told: Callable[[Ended], None]
    ) -> None:
        self._folder, self._plan, self._executor, self._told = folder, plan, executor, told
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._done = self._total = self._processes = 0

    def run(self, turns: Sequence[Turn]) -> None:
        """One round after the other: in a round each node's units one after the other. `fleet cancel` of the
        fleet ends it early.

        Raises what a job's folder refuses; whatever ends this ends the jobs too.
        """
        job_files.forget_cancelled(self._folder)
        self._total = len(turns)
        at_once = self._plan.site.jobs_at_once or self._executor.jobs_at_once
        for each in _by_round(turns):
            queues = list(_by_node(each)) if at_once != 1 else [each]
            self._round(queues, at_once or len(queues))

    def _round(self, queues: Sequence[Sequence[Turn]], at_once: int) -> None:
        if len(queues) == 1:
            self._queue(queues[0])
            return
        with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(queues)))) as pool:
            futures = [pool.submit(self._queue, queue) for queue in queues]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                for future in futures:
                    if future.done():
                        future.result()
            except BaseException:
                self._stopping.set()
                raise

    def _queue(self, turns: Sequence[Turn]) -> None:
        for turn in turns:
            if job_files.is_cancelled(self._folder):
                return
            state = self._measure(turn)
            with self._lock:
                self._done += 1
                self._processes += state.done
                self._told(Ended(turn, state, self._done, self._total, self._processes))

    def _measure(self, turn: Turn) -> NodeState:
        """How the node stood when its job was over."""
        own = round_folder(self._folder, turn.unit, turn.number)
        if not (own / FLEET).exists():
            fleet_folder.write(own, plan_of(self._plan, turn, self._folder))
        jobs = Dispatch(own, fleet_folder.read(own), self._executor, self._look)
        try:
            (state,) = jobs.run({}, resume=True)
        except _CancelledError:
            jobs.cancel()
            (state,) = node_states.states_of(own)
        except BaseException:
            jobs.cancel()
            raise
        return state

    def _look(self, states: States, trouble: str) -> None:
        if self._stopping.is_set():
            raise _StoppedError
        if job_files.is_cancelled(self._folder):
            raise _CancelledError


def plan_of(plan: FleetPlan, turn: Turn, folder: Path) -> FleetPlan:
    """Of a fleet of this one unit: each case in one process."""
    gpu = turn.unit.id if turn.unit.is_gpu else None
    once = _once(plan.plan, gpu)
    return structs.replace(
        plan,
        name=f"convbench-{uuid.uuid4().hex[:8]}",
        command=f"convbench fleet confirm {shlex.quote(str(folder))}",
        arguments=(
            *_kept(plan.arguments),
            *("--no-ceilings", "--no-step-digest", "--replicates", "1"),
            *_chosen(gpu),
        ),
        plan=once,
        nodes=(turn.unit.node,),
        seconds=estimate.estimate_seconds(plan_processes.of_plan(once), once.protocol),
        began_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _once(plan: KeptPlan, gpu: str | None) -> KeptPlan:
    return structs.replace(
        plan, replicates=1, until=None, ceilings=False, step_digest=False, gpu=gpu, gpus_at_once=1
    )


def _chosen(gpu: str | None) -> tuple[str, ...]:
    return () if gpu is None else ("--gpu", gpu)


def _kept(arguments: Sequence[str]) -> Iterator[str]:
    """Without what a round has in another way."""
    skip = 0
    for word in arguments:
        skip = max(skip - 1, 0) or _DROPPED.get(word, 0)
        if not skip:
            yield word


def _by_round(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    for number in sorted({turn.number for turn in turns}):
        yield [turn for turn in turns if turn.number == number]


def _by_node(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    for node in dict.fromkeys(turn.unit.node for turn in turns):
        yield [turn for turn in turns if turn.unit.node == node]
