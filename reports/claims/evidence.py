"""What runs left behind, as claims ask for it: the figures of some cases, all from one machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import Struct, structs

from bench.plan import feasibility
from bench.schema.case import Case
from reports.analysis.learned import Learned, training_runs
from reports.summary.figures import FailedProcesses, Summary
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.wording import one_line

_Found = TypeVar("_Found")


class Setting(Struct, frozen=True, kw_only=True):
    """The machine that the claims are judged on, and how often they are measured there.

    device      a name; with a GPU the processor of the same machine is measured too
    replicates  processes of each timed case
    seeds       training runs of each trained case
    """

    device: str
    threads: int
    replicates: int
    seeds: int


class Evidence(Struct, frozen=True, kw_only=True):
    """Figures by what was run. The number of CPU threads is a condition, and not a part of the work."""

    setting: Setting
    timed: tuple[tuple[Subject, Figures], ...] = ()
    trained: tuple[tuple[Subject, Learned], ...] = ()
    outcomes: tuple[FailedProcesses, ...] = ()

    def has(self, case: Case) -> bool:
        """Whether anything came of this work, on whatever machine."""
        return any(_work(subject.case) == _work(case) for subject, _ in (*self.timed, *self.trained))

    def has_process(self, case: Case) -> bool:
        """Whether this very process ended, with a figure or with an answer that another try would repeat."""
        figures = (*self.timed, *((subject, run.figures) for subject, run in self.trained))
        ended = (
            figure.replicates
            for subject, found in figures
            if _work(subject.case) == _work(case)
            for figure in found.values()
        )
        return any(case.replicate in numbers for numbers in ended) or any(
            _work(outcome.case) == _work(case) and case.replicate in outcome.replicates
            for outcome in self.outcomes
            if outcome.status not in feasibility.ACCIDENTS
        )

    def why_lost(self, case: Case) -> str | None:
        """How the processes of a case ended that gave no figure; None where none was run."""
        for outcome in self.outcomes:
            if _work(outcome.case) == _work(case):
                return f"{outcome.status} ({one_line(outcome.reason)})"
        return None

    def times(self, cases: Iterable[Case]) -> dict[Case, Figures]:
        """The figures of timed cases, all with the same threads on the one machine that has most of them."""
        return _together(self.timed, list(cases))

    def runs(self, cases: Iterable[Case]) -> dict[Case, Learned]:
        """The same of trained cases."""
        return _together(self.trained, list(cases))


def gather(summary: Summary | None, setting: Setting) -> Evidence:
    """What a summary says; None is no evidence."""
    if summary is None:
        return Evidence(setting=setting)
    figures = by_subject([figure for figure in summary.figures if figure.case.task is None])
    return Evidence(
        setting=setting,
        timed=tuple(figures.items()),
        trained=tuple((run.subject, run) for run in training_runs(summary)),
        outcomes=summary.outcomes,
    )


def _work(case: Case) -> Case:
    """What is run, apart from the conditions under which it was."""
    return structs.replace(case, threads=0, replicate=0)


def _together(entries: Sequence[tuple[Subject, _Found]], cases: list[Case]) -> dict[Case, _Found]:
    works = {_work(case): case for case in cases}
    ours = [(subject, found) for subject, found in entries if _work(subject.case) in works]
    # where nothing came to an end the machine is not known
    places = Counter(
        (label, subject.case.threads) for subject, _ in ours for label in subject.machine or ("",)
    )
    if not places:
        return {}
    label, threads = max(places, key=lambda place: (places[place], place))
    chosen: dict[Case, _Found] = {}
    for subject, found in ours:
        if subject.case.threads == threads and (not subject.machine or label in subject.machine):
            chosen.setdefault(works[_work(subject.case)], found)
    return chosen
