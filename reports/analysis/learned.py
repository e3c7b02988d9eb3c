"""What training runs learned, case by case: the basis of the accuracy tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from bench.schema.case import Case
from bench.schema.training_task import TrainingTask
from bench.stats.accuracy_verdicts import is_at_chance
from bench.stats.estimates import mean
from reports.cells import Cell
from reports.summary.case_order import sort_key
from reports.summary.figures import (
    ACCURACY,
    EPOCH,
    Curve,
    Figure,
    ReadBack,
    Summary,
)
from reports.summary.seeds import by_seed, diverged
from reports.summary.subjects import Figures, Subject, by_subject, subject_of

ACCURACY_KEY = (EPOCH, ACCURACY)


class Learned(Struct, frozen=True, kw_only=True):
    """The seeds of one case.

    accuracies  seed -> test accuracy after the last epoch, as a share; empty where it is not measured
    ended       the numbers of the processes that trained to the end
    diverged    the numbers of those that diverged, less what ended in another run
    """

    subject: Subject
    task: TrainingTask
    figures: Figures
    curves: Mapping[str, Curve]
    accuracies: Mapping[int, float]
    ended: frozenset[int]
    diverged: frozenset[int]

    @property
    def is_judged(self) -> bool:
        """Whether there is an accuracy, or would be had a seed not diverged."""
        return bool(self.accuracies or self.diverged)

    @property
    def is_at_chance(self) -> bool:
        """Whether no seed is better than guessing: the network did not learn."""
        found = list(self.accuracies.values())
        return bool(found) and is_at_chance(found, self.subject.case.classes)

    @property
    def seeds(self) -> int:
        """Those that diverged among them."""
        return len(self.ended | self.diverged)

    def figure(self, metric: str) -> Figure | None:
        """The metric, in whatever phase it was measured."""
        return next((figure for (_, name), figure in self.figures.items() if name == metric), None)

    def value(self, metric: str) -> float | None:
        """The figure of a metric; None where it was not measured."""
        figure = self.figure(metric)
        return figure.median if figure else None


class Together(Struct, frozen=True):
    """What runs must share to be in one table and one ranking: the images, and where they were trained."""

    dataset: str
    device: str
    threads: int
    machine: tuple[str, ...]


def together(runs: Sequence[Learned]) -> dict[Together, list[Learned]]:
    """The runs that may be ranked together. A case of which all seeds diverged has no machine: it joins the
    first that is alike in the rest."""
    found: dict[Together, list[Learned]] = {}
    homeless = []
    for run in runs:
        if run.subject.machine:
            found.setdefault(_together(run), []).append(run)
        else:
            homeless.append(run)
    for run in homeless:
        own = _together(run)
        alike = (key for key in found if structs.replace(key, machine=()) == own)
        found.setdefault(next(alike, own), []).append(run)
    order = {id(run): place for place, run in enumerate(runs)}
    return {key: sorted(several, key=lambda run: order[id(run)]) for key, several in found.items()}


def _together(run: Learned) -> Together:
    case = run.subject.case
    return Together(run.task.dataset, case.device, case.threads, run.subject.machine)


def training_runs(summary: Summary) -> tuple[Learned, ...]:
    """The training runs of a summary, including those of which no seed finished."""
    lost = diverged(summary.outcomes)
    figures = by_subject([figure for figure in summary.figures if figure.case.task is not None])
    curves: dict[Subject, dict[str, Curve]] = {}
    for curve in summary.curves:
        curves.setdefault(subject_of(curve), {})[curve.metric] = curve
    measured = {subject.case for subject in figures}
    nothing_left = [Subject(case, ReadBack(), ()) for case in lost if case not in measured]
    subjects = sorted((*figures, *nothing_left), key=lambda subject: sort_key(subject.case))
    return tuple(
        _learned(subject, subject.case.task, figures.get(subject, {}), curves.get(subject, {}), lost)
        for subject in subjects
        if subject.case.task is not None
    )


def accuracies_of(figure: Figure | None) -> dict[int, float]:
    """Seed -> accuracy, as a share; empty where it was not measured."""
    return by_seed(figure.case, figure.replicates, figure.medians) if figure else {}


def _learned(
    subject: Subject,
    task: TrainingTask,
    figures: Figures,
    curves: Mapping[str, Curve],
    lost: Mapping[Case, frozenset[int]],
) -> Learned:
    ended = frozenset(number for figure in figures.values() for number in figure.replicates)
    return Learned(
        subject=subject,
        task=task,
        figures=figures,
        curves=curves,
        accuracies=accuracies_of(figures.get(ACCURACY_KEY)),
        ended=ended,
        diverged=lost.get(subject.case, frozenset()) - ended,
    )


def mean_by_epoch(curve: Curve) -> list[float]:
    """The mean over the processes, for each epoch that all of them have."""
    return [mean(values) for values in zip(*curve.samples, strict=False)]


def seeds_text(run: Learned) -> Cell:
    """How many, or how many of them diverged."""
    return f"{len(run.diverged)} of {run.seeds} diverged" if run.diverged else run.seeds
