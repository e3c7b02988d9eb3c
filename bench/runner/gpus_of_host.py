"""The runs of several GPUs of one host: one after the other, or all at the same time in processes of their
own."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench.forkserver.process_tree import die_with
from bench.plan import plan_processes
from bench.runner import plan_file
from bench.runner.events import OnProgress, Progress
from bench.runner.execute import RunResult, run_kept
from bench.runner.gpu_folders import Plans
from bench.schema import plain_text
from bench.schema.kept_plan import KeptPlan
from bench.schema.spending import added
from models.errors import UserError

_GRACE_SECONDS = 30.0
"""What a process gets to end by itself after Ctrl-C, which the terminal sends to all of them."""


class HostResult(Struct, frozen=True, kw_only=True):
    """How the runs of all GPUs ended; `refused` says why some could not be measured, each with its folder."""

    result: RunResult
    refused: Sequence[str] = ()


class Options(Struct, frozen=True, kw_only=True):
    """As those of `bench.runner.execute.run_kept`; `on_start` is told of each folder that is begun."""

    resume: bool
    budget_seconds: float | None
    began: float
    on_progress: OnProgress
    on_start: Callable[[Path], None] = lambda folder: None


def in_turn(plans: Plans, options: Options) -> HostResult:
    """One GPU after the other. Raises UserError where the first cannot be measured: what is wrong is wrong
    with all of them; a later one that cannot is left out."""
    told = _Told(plans, options.on_progress)
    results: list[RunResult] = []
    refused: list[str] = []
    for folder, plan in plans.items():
        if options.budget_seconds is not None and _left(options) <= 0:
            results.append(_untouched(plan, folder))
            continue
        options.on_start(folder)
        try:
            results.append(_run(plan, folder, options, told.of(folder)))
        except UserError as error:
            if not results:
                raise
            refused.append(f"{folder}: {error}")
    return HostResult(result=combined(results), refused=refused)


def together(plans: Plans, options: Options) -> HostResult:
    """All GPUs at the same time: a process for each, which ends when this one does.

    Raises UserError where none of them can be measured.
    """
    told = _Told(plans, options.on_progress)
    results: list[RunResult] = []
    refused: list[str] = []
    with _started(plans, options) as pipes:
        while pipes:
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Connection)
                news = _received(pipe)
                if news.progress is not None:
                    told.of(pipes[pipe])(news.progress)
                    continue
                folder = pipes.pop(pipe)
                if news.result is not None:
                    results.append(news.result)
                else:
                    refused.append(f"{folder}: {news.refused}")
    if not results:
        raise UserError(refused[0])
    longest = max((each.spent for each in results), key=lambda spent: sum(spent.values()))
    return HostResult(result=structs.replace(combined(results), spent=longest), refused=refused)


def combined(results: Sequence[RunResult]) -> RunResult:
    """Several runs as one."""
    statuses = sum((Counter(each.statuses) for each in results), Counter())
    warnings = [each.warning for each in results if each.warning is not None]
    return RunResult(
        statuses=statuses,
        remaining=sum(each.remaining for each in results),
        warning="; ".join(warnings) or None,
        target=results[0].target,
        wide=[wide for each in results for wide in each.wide],
        spent=added(each.spent for each in results),
    )


class _Told:
    """Counts the processes of all GPUs as those of one run."""

    def __init__(self, plans: Plans, on_progress: OnProgress) -> None:
        self._totals = {folder: len(plan_processes.of_plan(plan)) for folder, plan in plans.items()}
        self._done = dict.fromkeys(plans, 0)
        self._on_progress = on_progress

    def of(self, folder: Path) -> OnProgress:
        """What is to be told of the run in one of the folders."""

        def on_progress(event: Progress) -> None:
            self._totals[folder], self._done[folder] = event.total, event.done
            done, total = sum(self._done.values()), sum(self._totals.values())
            self._on_progress(structs.replace(event, done=done, total=total))

        return on_progress


def _left(options: Options) -> float:
    assert options.budget_seconds is not None
    return options.began + options.budget_seconds - time.monotonic()


def _untouched(plan: KeptPlan, folder: Path) -> RunResult:
    """Of a GPU that the budget leaves for --resume."""
    return RunResult(statuses={}, remaining=len(plan_file.pending(plan, folder)), warning=None)


def _run(plan: KeptPlan, folder: Path, options: Options, on_progress: OnProgress) -> RunResult:
    return run_kept(
        plan,
        folder,
        resume=options.resume,
        budget_seconds=options.budget_seconds,
        on_progress=on_progress,
        began=options.began,
    )


class _News(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From the process of one GPU: what goes on, and in the end its result or why there is none."""

    progress: Progress | None = None
    result: RunResult | None = None
    refused: str = "the process that measured it ended"


_decoder = msgspec.json.Decoder(_News)


def _received(pipe: Connection) -> _News:
    try:
        return _decoder.decode(pipe.recv_bytes())
    except EOFError:
        return _News()


@contextmanager
def _started(plans: Plans, options: Options) -> Iterator[dict[Connection, Path]]:
    """A pipe from the process of each folder; none of the processes is left behind."""
    context = multiprocessing.get_context("fork")
    pipes: dict[Connection, Path] = {}
    processes: list[ForkProcess] = []
    grace = 0.0
    try:
        for folder, plan in plans.items():
            options.on_start(folder)
            reads, writes = context.Pipe(duplex=False)
            process = context.Process(target=_measure, args=(plan, folder, options, writes, os.getpid()))
            process.start()
            processes.append(process)
            writes.close()
            pipes[reads] = folder
        yield pipes
        grace = _GRACE_SECONDS
    except KeyboardInterrupt:
        grace = _GRACE_SECONDS
        raise
    finally:
        for process in processes:
            process.join(grace)
            if process.is_alive():
                process.terminate()
            process.join()


def _measure(plan: KeptPlan, folder: Path, options: Options, pipe: Connection, parent: int) -> None:
    """Of one GPU, in its own process."""
    die_with(parent)

    def tell(news: _News) -> None:
        pipe.send_bytes(plain_text.encode(news))

    try:
        result = _run(plan, folder, options, lambda event: tell(_News(progress=event)))
        tell(_News(result=result))
    except UserError as error:
        tell(_News(refused=str(error)))
    except KeyboardInterrupt:  # the parent says it
        os._exit(1)
