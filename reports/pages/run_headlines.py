"""A run's result in one to four sentences, each only as strong as its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from bench import devices
from bench.schema.phases import PHASES, WHOLE
from bench.schema.tuning import names
from bench.stats.estimates import Ratio
from reports.analysis.best_measured import BestMeasured, is_plain, is_resolved
from reports.analysis.utilisation import Utilisation
from reports.cells import Cell, Quantity, brief, readable
from reports.pages.run_warnings import UNRELIABLE_MARK, is_unreliable
from reports.sections.peak_share import is_open, peak_share
from reports.summary.figures import Figure, Summary
from reports.summary.machine_labels import machine_text
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_names import case_name, network_name
from reports.tables.listing import within
from reports.tables.time_units import unit_of
from reports.tables.wording import following, measured, with_interval

MOST, FEW = 4, 2
"""Sentences where all tasks have one, and where a further one counts the rest."""
NAMED = 3
"""Parts of a list in a sentence."""
RATIO_DIGITS = 2


def title_of(tasks: Sequence[BestMeasured]) -> str:
    """`VGG-16: 149 ms`; the networks alone where no time is resolved."""
    first = next((task for task in tasks if task.is_resolved), None)
    if first is not None:
        what = "" if first.case.workload == "inference" else f" {first.case.workload}"
        return (
            f"{network_name(first.case.model)}{what}: {brief(in_own_unit(first.shown.time, written=False))}"
        )
    models = list(dict.fromkeys(task.case.model for task in tasks))
    return within([network_name(model) for model in models], NAMED) if models else "convbench report"


def headlines(tasks: Sequence[BestMeasured], summary: Summary) -> tuple[str, ...]:
    """Of the first tasks a sentence each, then what is not resolved and what has no sentence."""
    if not tasks:
        return (_without_tasks(summary),)
    figures = by_subject(summary.figures)
    resolved = [task for task in tasks if task.is_resolved]
    told = resolved if len(tasks) <= MOST else resolved[:FEW]
    return (
        *(_sentence(task, figures, where(task, tasks)) for task in told),
        *_rest(len(resolved) - len(told), [task for task in tasks if not task.is_resolved]),
    )


def _without_tasks(summary: Summary) -> str:
    if not summary.figures:
        return "No case was measured."
    if any(figure.case.task is not None for figure in summary.figures):
        return "Networks were trained; the accuracy section has the results."
    return "No network was timed; the sections have what was measured."


def _rest(more: int, unresolved: Sequence[BestMeasured]) -> Iterator[str]:
    if unresolved:
        also = f" {more:,} more {'result is' if more == 1 else 'results are'} resolved." if more else ""
        yield f"Not resolved: {_names(unresolved)}; repeated processes differ too much.{also}"
    elif more:
        yield f"{more:,} more results: --section latency."


def _names(tasks: Sequence[BestMeasured]) -> str:
    """`LeNet-5 and VGG-11 inference`, each once."""
    workloads = {task.case.workload for task in tasks}
    alike = workloads.pop() if len(workloads) == 1 else ""
    names = (network_name(task.case.model) + ("" if alike else f" {task.case.workload}") for task in tasks)
    return " ".join(filter(None, (within(list(dict.fromkeys(names)), NAMED), alike)))


def where(task: BestMeasured, tasks: Sequence[BestMeasured]) -> str:
    """`cuda`, `cpu, machine B`: of these tasks' devices and machines what is not common to all."""
    told = (of(task) for of in (_device, _machine) if len({of(each) for each in tasks}) > 1)
    return ", ".join(filter(None, told))


def _device(task: BestMeasured) -> str:
    return task.case.device


def _machine(task: BestMeasured) -> str:
    """`machine A`; nothing in a report of a single one."""
    return f"machine {machine_text(task.shown.subject.machine)}" if task.shown.subject.machine else ""


def _sentence(task: BestMeasured, figures: Mapping[Subject, Figures], place: str) -> str:
    """`VGG-16 inference, batch 8: 149 ms with bf16, 8.1x as fast as fp32 eager (7x to 9x); 54 images/s.`"""
    time = brief(in_own_unit(task.shown.time)) + (
        f" {UNRELIABLE_MARK}" if is_unreliable(task.shown.time) else ""
    )
    per_step = " per step" if task.case.workload == "training" else ""
    facts = [f"{brief(images_per_second(task.shown.time))} images/s", *_facts(task, figures)]
    on = f" on {place}" if place else ""
    return f"{case_name(task.case)}{on}: {time}{per_step}{_how(task)}; {', '.join(facts)}."


def in_own_unit(figure: Figure, *, written: bool = True) -> Quantity:
    """A resolved time in ms, µs or s, the unit behind it, with its interval or only rounded by it."""
    unit = unit_of([figure.median])
    found = measured(figure, unit.per_second)
    return structs.replace(found, unit=f" {unit.name}", interval="relative" if written else "unwritten")


def images_per_second(figure: Figure) -> Cell:
    """Rounded by the interval of the time; a mark where that is not resolved."""
    rate, interval = figure.images_per_second, figure.interval
    if rate is None or not is_resolved(figure):
        return following(rate, figure)
    across = interval if interval is not None and interval.is_across else None
    return Quantity(
        value=rate,
        low=figure.case.batch / across.high if across else None,
        high=figure.case.batch / across.low if across else None,
        interval="unwritten",
    )


def _how(task: BestMeasured) -> str:
    """The configuration, and what it gains where that is known."""
    words = configuration(task.shown)
    if task.speed_up is not None:
        return f" with {words}, {gain(task.speed_up, ' as fast as fp32 eager')}"
    if not task.others:
        return "" if is_plain(task.case) else f" with {words}"
    return f" with {words} ({_others(task)})"


def _others(task: BestMeasured) -> str:
    """Why none of the other configurations is named."""
    unresolved = [other for other in task.others if not is_resolved(other.time)]
    if len(unresolved) == len(task.others):
        return f"{within([configuration(other) for other in unresolved], NAMED)} not resolved"
    if any(len(other.time.medians) == 1 for other in task.others) or len(task.shown.time.medians) == 1:
        return "single processes: not compared"
    if len(task.others) == 1:
        return f"{configuration(task.others[0])} not shown to be faster"
    return f"none of {len(task.others)} others shown to be faster"


def gain(found: Ratio, of: str = "") -> str:
    """`8.1x (6.6x to 9.8x)`, or `at least 1.2x` where no more is known; `of` stands ahead of the brackets."""
    interval = found.interval
    if interval is None or not with_interval(found.value, interval).is_resolved:
        low = found.value if interval is None else interval.low
        return f"at least {_times(low)}{of}"
    return f"{_times(found.value)}{of} ({_times(interval.low)} to {_times(interval.high)})"


def _times(ratio: float) -> str:
    return readable(Quantity(value=ratio, unit="x"), RATIO_DIGITS)


def configuration(found: Utilisation) -> str:
    """`amp-bf16, channels-last, compile`: what is not plain; `fp32 eager` where all is."""
    case = found.subject.case
    if is_plain(case):
        return "fp32 eager"
    layout = "" if case.layout == "nchw" else case.layout
    engine = "" if case.engine == "eager" else case.engine
    return ", ".join(filter(None, (case.precision, layout, engine, *names(case.tuning))))


def _facts(task: BestMeasured, figures: Mapping[Subject, Figures]) -> Iterator[str]:
    """What explains the time: what limits it, else how a step divides."""
    share, bound = peak_share(task.shown), task.shown.bound
    if share is not None:
        yield of_peak(task.shown, share)
    elif bound is not None and bound.label == "launch-bound":
        yield bound.label
    elif task.case.workload == "training":
        yield from _phases(figures.get(task.shown.subject, {}))
    elif is_open(task.shown):
        yield "share of peak not resolved"


def of_peak(found: Utilisation, share: tuple[Quantity, str]) -> str:
    """`compute-bound, about 51% of this CPU's bf16 peak`"""
    where = "this CPU's" if devices.traits(found.subject.case.device).is_host else "this GPU's"
    what = f"{found.dtype} peak" if share[1] == "compute" else "memory bandwidth"
    about = "about " if share[0].state == "about" else ""
    amount = brief(structs.replace(share[0], interval="unwritten"))
    return f"{f'{found.bound.label}, ' if found.bound else ''}{about}{amount} of {where} {what}"


def _phases(figures: Figures) -> Iterator[str]:
    """`forward 33%, backward 64%, optimizer 3%`, where every part is resolved and they add up."""
    parts = {phase: figures.get((phase, "wall_time")) for phase in PHASES if phase != WHOLE["training"]}
    found = {phase: figure for phase, figure in parts.items() if figure is not None}
    adds_up = not any("not-additive" in figure.tags for figure in found.values())
    if len(found) == len(parts) and adds_up and all(map(is_resolved, found.values())):
        total = sum(figure.median for figure in found.values())
        yield ", ".join(f"{phase} {figure.median / total:.0%}" for phase, figure in found.items())
