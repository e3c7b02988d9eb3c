"""What would run: the plan of `--dry-run`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.host import cpu_cores
from bench.plan import disk_estimate, estimate, feasibility, plan_processes
from bench.plan.axes import Value
from bench.plan.disk_estimate import DiskUse
from bench.plan.suite import MOST_PROCESSES
from bench.schema import durations
from bench.schema.case import ARITHMETIC, Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.schema.plurals import how_many
from bench.studies.ab.pair_rows import CasePair
from bench.studies.best import strategy
from bench.studies.best.strategy import Space
from bench.studies.max_batch.batch_search import MEMORY_ONLY, MOST_TRIES
from reports import formats
from reports.cells import Cell, Scalar
from reports.document import Document, Table
from reports.summary.figures import case_row
from reports.tables.case_names import case_name
from reports.tables.size_words import size_in_words

TITLE = "Dry run: nothing is measured"
RUNS = "runs"


def dry_run(
    planned: Sequence[Case], protocol: MeasurementProtocol, output: str, *, layers: bool = False
) -> str | bytes:
    """The cases in their order with their processes, what cannot run and why, and the estimated time and disk
    use; with `layers` each process times every layer."""
    here = _here(planned)
    runnable = _runnable(here)
    time = _about(estimate.estimate_seconds(runnable, protocol))
    disk = _on_disk(disk_estimate.disk_use(runnable, protocol, layers=layers))
    return _rendered(here, f"{_counted(here)}: {time}, {disk}.{_skipped(here)}", output)


def dry_run_of(
    plan: KeptPlan, budget_seconds: float | None, output: str, pending: Sequence[Case] | None = None
) -> str | bytes:
    """The same of a plan that may ask for more processes of a case than it begins with; `pending` are those
    that a resumed run begins with."""
    planned = plan_processes.of_plan(plan) if pending is None else pending
    if plan.until is None:
        return dry_run(planned, plan.protocol, output)
    here = _here(planned)
    time = _about(estimate.plan_seconds(plan, _runnable(here), budget_seconds))
    disk = _on_disk(disk_estimate.disk_use(_runnable(here), plan.protocol))
    text = (
        f"{_counted(here)} at first, then more for each case whose 95% interval is wider than "
        f"±{100 * plan.until:.3g}% (at most {MOST_PROCESSES} per case): {time}; at first {disk}."
        f"{_skipped(here)}"
    )
    return _rendered(here, text, output)


_Here = list[tuple[Case, str | None, str]]
"""Each process, the reason why it is skipped, and what is told of it."""


def _here(planned: Sequence[Case]) -> _Here:
    """Which processes run. Torch decides what a processor can do; here only the kernel is asked."""
    found: _Here = []
    for case in planned:
        reason, told = feasibility.why_not_here(case), RUNS
        if reason is not None:
            told = f"skipped: {reason}"
        elif estimate.lacks_instructions(case):
            arithmetic = ARITHMETIC[case.precision]
            told = f"probably skipped: the kernel lists no instructions for {arithmetic} here"
        found.append((case, reason, told))
    return found


def _runnable(here: _Here) -> list[Case]:
    return [case for case, _, told in here if told == RUNS]


def _counted(here: _Here) -> str:
    """`22 cases, 38 processes`: of those that can run."""
    runnable = _runnable(here)
    cases = len({case.without_replicate() for case in runnable})
    return f"{how_many(cases, 'case')}, {how_many(len(runnable), 'process', 'processes')}"


def _skipped(here: _Here) -> str:
    cases = len({case.without_replicate() for case, _, told in here if told != RUNS})
    return f" {how_many(cases, 'case')} cannot run on this machine." if cases else ""


def _rendered(here: _Here, text: str, output: str) -> str | bytes:
    """A row for each case for people, for programs one for each process."""
    processes: dict[tuple[str, str], int] = {}
    for case, _, told in here:
        key = case.without_replicate().id, told
        processes[key] = processes.get(key, 0) + 1
    rows = tuple((case, count, told) for (case, told), count in processes.items())
    table = Table(title="Plan", columns=("case", "processes", "on this machine"), rows=rows)
    listed = tuple(
        case_row(case, {"replicate": case.replicate, "skipped": reason}) for case, reason, _ in here
    )
    return formats.content(output, Document(title=TITLE, text=(text,), tables=(table,), rows=listed))


def _about(seconds: float) -> str:
    return "about a minute or less" if seconds < 90 else f"about {durations.in_words(seconds)}"


def _on_disk(use: DiskUse) -> str:
    """`about 2.1 MiB of disk`, and what is deleted at the end: `and 96 MiB more while it runs`"""
    more = f" and {size_in_words(use.meanwhile)} more while it runs" if use.meanwhile else ""
    return f"about {size_in_words(use.kept)} of disk{more}"


def pairs_plan(
    case_pairs: Sequence[CasePair], protocol: MeasurementProtocol, looks: Sequence[int], output: str
) -> str | bytes:
    """The pairs of cases of `ab`, and the seconds that a pair of processes of each takes, with its servers.
    `looks` are the numbers of pairs after which a verdict may fall."""
    columns = ("a", "b", "per pair (s)", "of it starting (s)")
    rows, listed, total, kept = [], [], 0.0, 0.0
    for pair in case_pairs:
        sides = [case for case in (pair.a, pair.b) if feasibility.why_not_here(case) is None]
        servers = estimate.servers_seconds([[case] for case in sides], cpu_cores.usable_cores())
        seconds = servers + sum(estimate.case_seconds(case, protocol) for case in sides)
        rows.append((pair.a.id, pair.b.id, seconds, servers))
        listed.append(case_row(pair.a, {"b": pair.b.id, "pair_seconds": seconds, "server_seconds": servers}))
        total += seconds
        kept += sum(disk_estimate.record_bytes(case, protocol) for case in sides)
    text = (
        f"{looks[0]} to {looks[-1]} pairs of processes per case, until its verdict is clear: "
        f"{_about(looks[0] * total)} to {_about(looks[-1] * total)}, "
        f"{size_in_words(looks[0] * kept)} to {size_in_words(looks[-1] * kept)} of disk. Each process "
        "starts from a new fork server; the estimate includes it."
    )
    table = Table(title="Plan", columns=columns, rows=tuple(rows))
    document = Document(title=TITLE, text=(text,), tables=(table,), rows=tuple(listed))
    return formats.content(output, document)


def training_plan(planned: Sequence[Case], protocol: MeasurementProtocol, output: str) -> str | bytes:
    """The training runs in their order with their seeds, what cannot run and why, and the estimated time and
    disk use."""
    rows: list[tuple[Cell, ...]] = []
    listed: list[dict[str, Scalar]] = []
    for case in planned:
        assert case.task is not None
        reason = feasibility.why_not_here(case)
        here = f"skipped: {reason}" if reason else "runs"
        rows.append((case.id, case.learning_seed, case.task.recipe.epochs, here))
        listed.append(case_row(case, {"learning_seed": case.learning_seed, "skipped": reason}))
    table = Table(title="Plan", columns=("case", "seed", "epochs", "on this machine"), rows=tuple(rows))
    runnable = _runnable(_here(planned))
    time = _about(estimate.estimate_seconds(runnable, protocol))
    disk = _on_disk(disk_estimate.disk_use(runnable, protocol))
    text = (f"{how_many(len(planned), 'training run')}: {time}, {disk}.",)
    return formats.content(output, Document(title=TITLE, text=text, tables=(table,), rows=tuple(listed)))


def search_plan(space: Space, excluded: Mapping[str, str], budget_seconds: float, output: str) -> str | bytes:
    """What `best` chooses from, and for how long: the configurations that it begins with, and the values that
    it leaves out."""
    axes = tuple((axis, ", ".join(map(_value, values))) for axis, values in space.values.items())
    first = strategy.first_candidates(space)
    combinations = how_many(math.prod(map(len, space.values.values())), "combination")
    text = (
        f"{case_name(space.base)}: tries up to {combinations} one by one, beginning with "
        f"{how_many(len(first), 'pair')} of precision and layout, then confirms the fastest in pairs with "
        f"fp32 eager; {budget_seconds:.0f} s at most, {_on_disk(_of_search(space, first, budget_seconds))}."
    )
    tables = [Table(title="Values to choose from", columns=("axis", "values"), rows=axes)]
    if excluded:
        left_out = tuple(excluded.items())
        tables.append(Table(title="Not tried on this machine", columns=("value", "reason"), rows=left_out))
    rows = tuple(case_row(case, {}) for case in first)
    return formats.content(output, Document(title=TITLE, text=(text,), tables=tuple(tables), rows=rows))


def _of_search(space: Space, first: Sequence[Case], budget_seconds: float) -> DiskUse:
    """Of as many processes as the budget has time for, or as there are combinations."""
    seconds = max(1.0, estimate.case_seconds(space.base, MeasurementProtocol()))
    processes = min(math.prod(map(len, space.values.values())), budget_seconds / seconds)
    record = disk_estimate.record_bytes(space.base, MeasurementProtocol())
    use = disk_estimate.disk_use(first, MeasurementProtocol())
    return DiskUse(use.kept + processes * record, use.meanwhile)


def _value(value: Value) -> str:
    return str(value) or "none"


def batch_plan(planned: Sequence[Case], memory: str | None, output: str) -> str | bytes:
    """The cases of `max-batch`, and the memory that their largest batch may take."""
    here = [(case, feasibility.why_not_here(case)) for case in planned]
    limit = "the memory that can be used safely" if memory is None else memory
    text = (
        f"Finds the largest batch size of {how_many(len(planned), 'case')} in {limit}: at most "
        f"{MOST_TRIES} batch sizes run per case, each in its own process; "
        f"{_on_disk(disk_estimate.disk_use(_runnable(_here(planned)) * MOST_TRIES, MEMORY_ONLY))} at most."
    )
    rows = tuple((_without_batch(case), f"skipped: {reason}" if reason else RUNS) for case, reason in here)
    table = Table(title="Plan", columns=("case", "on this machine"), rows=rows)
    listed = tuple(case_row(case, {"skipped": reason}) for case, reason in here)
    return formats.content(output, Document(title=TITLE, text=(text,), tables=(table,), rows=listed))


def _without_batch(case: Case) -> str:
    """The id of a case whose own batch says nothing."""
    return case.without_replicate().id.replace(f"/b{case.batch}", "", 1)
