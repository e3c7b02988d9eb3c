"""The order in which a report has its cases."""

from __future__ import annotations

import re

from msgspec import structs

from bench.schema.case import PRECISIONS, Case
from bench.schema.training_task import TrainingTask
from models.catalogue import MODELS

_PLACES = {name: place for place, name in enumerate(MODELS)}


def sort_key(case: Case) -> tuple[object, ...]:
    """Models in the catalogue's order, others by name with numbers in theirs; then fp32 and eager first."""
    parts = re.split(r"(\d+)", case.model)
    name = tuple((int(part) if part.isdecimal() else 0, part) for part in parts)
    place = _PLACES.get(case.model, len(_PLACES))
    precision, engine = PRECISIONS.index(case.precision), (case.engine != "eager", case.engine)
    axes = structs.replace(case, model="", precision="fp32", engine="", task=None)
    task = _task_key(case.task) if case.task else ()
    return (place, name, case.workload, task, case.device, precision, engine, *structs.astuple(axes))


def _task_key(task: TrainingTask) -> tuple[object, ...]:
    """By what a reader knows the task by; the rest only so that two tasks always have an order."""
    return (task.dataset, task.recipe.name, task.target or 0.0, repr(task))
