"""Ablations -> their cases: what is timed, what is trained, and in which order. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import structs

from bench.plan import expand, recipes, training_runs
from bench.plan.ablations.comparisons import DATASET, RECIPE, Ablation, Comparison, Form
from bench.plan.axes import Value
from bench.plan.suite import Suite
from bench.schema.case import Case


def timed_cases(
    ablations: Iterable[Ablation], given: Mapping[str, tuple[Value, ...]], threads: int
) -> list[Case]:
    """What is timed, each case once, with the given axes in the place of the comparisons' own."""
    found: list[Case] = []
    for comparison in _comparisons(ablations):
        models = tuple(dict.fromkeys(form.model for form in comparison.forms))
        for block in comparison.timed:
            one = Suite(name="", summary="", blocks=({"model": models, **block},), replicates=1)
            found += expand.cases(one, given, threads)
    return list(dict.fromkeys(found))


def trained_cases(
    ablations: Iterable[Ablation],
    given: Mapping[str, tuple[Value, ...]],
    threads: int,
    overrides: Mapping[str, str] | None = None,
) -> list[Case]:
    """What is trained, each case once, seed 1; `overrides` are fields of the recipe for all of them."""
    found: list[Case] = []
    for comparison in _comparisons(ablations):
        if comparison.trained:
            base = training_runs.TrainingRequest(
                axes={"model": (comparison.base.model,), **given},
                dataset=DATASET,
                recipe=RECIPE,
                overrides=overrides or {},
            )
            found += [
                _trained(case, form)
                for case in training_runs.cases(base, threads)
                for form in comparison.forms
            ]
    return list(dict.fromkeys(found))


def _trained(base: Case, form: Form) -> Case:
    """A form is trained as the base is, whatever the recipe prescribes to the form itself."""
    assert base.task is not None
    recipe = recipes.changed(base.task.recipe, dict(form.recipe))
    return structs.replace(base, model=form.model, task=structs.replace(base.task, recipe=recipe))


def processes(timed: Sequence[Case], trained: Sequence[Case], replicates: int, seeds: int) -> list[Case]:
    """All processes: the first of every case, timed or trained, before the second of any."""
    rounds = expand.interleave_replicates([*timed, *trained], max(replicates, seeds))
    return [case for case in rounds if case.replicate <= (seeds if case.task else replicates)]


def _comparisons(ablations: Iterable[Ablation]) -> Iterator[Comparison]:
    for ablation in ablations:
        yield from ablation.comparisons
