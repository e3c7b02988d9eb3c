"""The pairs that ablations compare, found among the figures: equal in everything but the decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from bench.plan import recipes
from bench.plan.ablations import Comparison, Form
from bench.schema.case import Case, Workload
from bench.schema.metrics import PEAKS
from bench.schema.phases import WHOLE
from bench.stats.accuracy_verdicts import Difference, difference
from bench.stats.estimates import Ratio
from reports.analysis import figure_ratios
from reports.analysis.learned import Learned
from reports.cells import Quantity
from reports.summary.figures import Figure, same_precision
from reports.summary.measured_networks import is_same_network
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.wording import with_interval

TIME = "wall_time"
"""The clock of every ratio, and the one that every device has: it holds what launches cost."""
SAVED = ("forward", "saved_activations")


class TimedPair(Struct, frozen=True, kw_only=True):
    """A form and its base, timed under the same conditions; for each workload what was measured.

    base, new   of the training where it was timed, else of the inference
    """

    comparison: Comparison
    form: Form
    base: Subject
    new: Subject
    base_figures: Mapping[Workload, Figures]
    new_figures: Mapping[Workload, Figures]

    def times(self, phase: str, workload: Workload = "training") -> tuple[Figure, Figure] | None:
        """The times of a phase, base first; None where one was not measured."""
        return self.both(workload, (phase, TIME))

    def both(self, workload: Workload, key: tuple[str, str]) -> tuple[Figure, Figure] | None:
        """A metric of both, base first; None where one was not measured or is zero."""
        base = self.base_figures.get(workload, {}).get(key)
        new = self.new_figures.get(workload, {}).get(key)
        return (base, new) if base and new and min(base.median, new.median) > 0 else None

    def ratio(self, phase: str, workload: Workload = "training") -> Ratio | None:
        """new / base of the times of a phase."""
        found = self.times(phase, workload)
        return ratio(*found) if found else None

    @property
    def peaks(self) -> tuple[Figure, Figure] | None:
        """The peak memory of the whole step, base first."""
        workload = self.new.case.workload
        found = (self.both(workload, (WHOLE[workload], metric)) for metric in PEAKS)
        return next((pair for pair in found if pair), None)


class TrainedPair(Struct, frozen=True, kw_only=True):
    """A form and its base, trained alike; `difference` is that of their accuracies, new - base."""

    comparison: Comparison
    form: Form
    base: Learned
    new: Learned
    difference: Difference

    def ratio(self, rate: str) -> Ratio | None:
        """new / base of the seconds for an image, by a rate of the training run."""
        base, new = self.base.figure(rate), self.new.figure(rate)
        return ratio(new, base) if base and new else None  # a rate's inverse


def ratio(base: Figure, new: Figure) -> Ratio:
    """new / base."""
    return figure_ratios.ratio(new, base)


def timed_pairs(figures: Iterable[Figure], comparisons: Sequence[Comparison]) -> tuple[TimedPair, ...]:
    """Every form that was timed with its base, in the order of the comparisons, then of the figures."""
    by_model: dict[str, list[tuple[Subject, Figures]]] = {}
    for subject, found in by_subject([f for f in figures if f.case.task is None]).items():
        by_model.setdefault(subject.case.model, []).append((subject, found))
    return tuple(
        sides
        for comparison in comparisons
        if comparison.timed
        for form in comparison.others
        for sides in _sides(comparison, form, by_model)
    )


def _sides(
    comparison: Comparison, form: Form, by_model: Mapping[str, list[tuple[Subject, Figures]]]
) -> Iterator[TimedPair]:
    """Inference and training of the same conditions are one."""
    together: dict[Case, list[tuple[Subject, Figures, Subject, Figures]]] = {}
    for base, base_figures in by_model.get(comparison.base.model, []):
        for new, new_figures in by_model.get(form.model, []):
            if structs.replace(base.case, model=form.model) == new.case and _alike(base, new):
                conditions = structs.replace(new.case, workload="training")
                together.setdefault(conditions, []).append((base, base_figures, new, new_figures))
    for found in together.values():
        found.sort(key=lambda pair: pair[0].case.workload != "training")
        yield TimedPair(
            comparison=comparison,
            form=form,
            base=found[0][0],
            new=found[0][2],
            base_figures={base.case.workload: of_base for base, of_base, _, _ in found},
            new_figures={new.case.workload: of_new for _, _, new, of_new in found},
        )


def _alike(base: Subject, new: Subject) -> bool:
    """A form may lack a linear layer, and then lacks its dtype; what both read back must be equal."""
    same_machine = base.machine == new.machine or bool(set(base.machine) & set(new.machine))
    same_machine = same_machine and is_same_network(base, new)
    return same_machine and same_precision(base.effective, new.effective)


def trained_pairs(runs: Sequence[Learned], comparisons: Sequence[Comparison]) -> tuple[TrainedPair, ...]:
    """Every form that was trained with its base, in the order of the comparisons."""
    return tuple(
        TrainedPair(
            comparison=comparison,
            form=form,
            base=base,
            new=new,
            difference=difference(
                base.accuracies,
                new.accuracies,
                classes=new.subject.case.classes,
                diverged=(len(base.diverged), len(new.diverged)),
                names=(comparison.base.label, form.label),
            ),
        )
        for comparison in comparisons
        if comparison.trained
        for form in comparison.others
        for base, new in _trained(runs, comparison.base, form)
    )


def _trained(runs: Sequence[Learned], base: Form, form: Form) -> Iterator[tuple[Learned, Learned]]:
    fields = {field for field, _ in (*base.recipe, *form.recipe)}
    for one in runs:
        for other in runs:
            if (
                one.is_judged
                and other.is_judged
                and _is(base, one)
                and _is(form, other)
                and _conditions(one, fields) == _conditions(other, fields)
                and _same_machine(one.subject, other.subject)
            ):
                yield one, other


def _is(form: Form, run: Learned) -> bool:
    """Whether a training run is one of this form."""
    recipe = run.task.recipe
    return run.subject.case.model == form.model and all(
        getattr(recipe, field) == recipes.FIELDS[field](field, text) for field, text in form.recipe
    )


def _conditions(run: Learned, fields: Iterable[str]) -> tuple[Case, dict[str, object], dict[str, object]]:
    """What two runs must share: the case but for its model, the task, its recipe but for these fields."""
    task, recipe = structs.asdict(run.task), structs.asdict(run.task.recipe)
    for field in ("name", *fields):
        del recipe[field]
    del task["recipe"]
    return structs.replace(run.subject.case, model="", task=None), task, recipe


def _same_machine(one: Subject, other: Subject) -> bool:
    """Where every seed diverged no machine is known."""
    return not one.machine or not other.machine or bool(set(one.machine) & set(other.machine))


def ratio_cell(sides: TimedPair, phase: str) -> Quantity | None:
    """`0.7312x ±1.2%`: of the measured times of a training phase."""
    ratio = sides.ratio(phase)
    return with_interval(ratio.value, ratio.interval, unit="x") if ratio else None
