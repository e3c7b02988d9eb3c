"""The columns that say which case a row is: what varies gets a column, what does not goes into a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.training_task import TrainingTask
from reports.cells import Cell, Quantity, readable
from reports.document import Table, TableKey
from reports.summary.figures import ReadBack, effective_text
from reports.summary.machine_labels import machine_text
from reports.summary.subjects import Subject
from reports.tables.missing import Reasons, marked

NOT_SHOWN = ("workload", "channels", "classes")
"""Axes that the dataset says."""


class TableLine(Struct, frozen=True, kw_only=True):
    """A row before its first columns are chosen: its subject, then its own cells."""

    subject: Subject
    cells: tuple[Cell, ...]


class Axis(Struct, frozen=True, kw_only=True):
    """How an axis is shown: `phrase` states the value that all rows share."""

    value: Callable[[Subject], Cell]
    phrase: str


AXES: dict[str, Axis] = {
    "dataset": Axis(value=lambda s: s.case.task.dataset if s.case.task else None, phrase="{}"),
    "recipe": Axis(value=lambda s: s.case.task.recipe.name if s.case.task else None, phrase="{}"),
    "workload": Axis(value=lambda s: s.case.workload, phrase="{}"),
    "device": Axis(value=lambda s: s.case.device, phrase="{}"),
    "precision": Axis(value=lambda s: s.case.precision, phrase="{}"),
    "engine": Axis(value=lambda s: s.case.engine, phrase="{}"),
    "layout": Axis(value=lambda s: s.case.layout, phrase="{}"),
    "tuning": Axis(value=lambda s: s.case.tuning, phrase="{}"),
    "strategy": Axis(value=lambda s: s.case.strategy, phrase="{}"),
    "ranks": Axis(value=lambda s: s.case.ranks if s.case.strategy else None, phrase="{} ranks"),
    "batch": Axis(value=lambda s: s.case.batch, phrase="batch {}"),
    "image": Axis(value=lambda s: None if _other_input(s) else s.case.image, phrase="{} px"),
    "input": Axis(value=lambda s: _other_input(s), phrase="input {}"),
    "channels": Axis(
        value=lambda s: None if _other_input(s) else s.case.channels, phrase="input channels: {}"
    ),
    "classes": Axis(value=lambda s: s.case.classes, phrase="{} classes"),
    "threads": Axis(value=lambda s: s.case.threads, phrase="CPU threads: {}"),
    "seed": Axis(value=lambda s: s.case.seed, phrase="seed {}"),
    "target": Axis(value=lambda s: _target(s.case.task), phrase="target {}"),
    "deterministic": Axis(value=lambda s: _deterministic(s.case.task), phrase="deterministic: {}"),
    "network": Axis(value=lambda s: s.network, phrase="network {}"),
    "machine": Axis(value=lambda s: machine_text(s.machine), phrase="machine {}"),
}
_READ_BACK = "read back"
"""The column of what was in force, where two rows are one case."""
SECONDARY = ("deterministic", "target", "seed", "threads")
"""Not named where other axes tell the cases apart as well."""
INPUT_AXES = ("image", "input", "channels", "classes")
"""Usually one value for each model; the cost table has them."""


def _other_input(subject: Subject) -> str | None:
    """What is no square image: the shape of one input, or those of a batch of a user's own `inputs`."""
    return subject.effective.inputs or subject.case.input or None


def _target(task: TrainingTask | None) -> Quantity | None:
    """`90%`"""
    if task is None or task.target is None:
        return None
    return Quantity(value=100 * task.target, unit="%", digits="given")


def _deterministic(task: TrainingTask | None) -> str | None:
    return "yes" if task and task.deterministic else None


class TableScope(Struct, frozen=True, kw_only=True):
    """What holds for the whole report: `inputs_follow_model` lets the input axes stand in the cost
    table alone, `several_machines` decides whether a machine needs naming, `reasons` say why figures are
    missing; `seconds` are what a process of a case takes, and `target` is the half width that is narrow
    enough, None where nothing is said of it."""

    inputs_follow_model: bool
    several_machines: bool
    reasons: Reasons = {}
    seconds: Mapping[Case, float] = {}
    target: float | None = None


def scope_of(cases: Sequence[Case], machines: int, reasons: Reasons | None = None) -> TableScope:
    """The layout of a report about these cases."""
    inputs = {(case.model, case.input_shape, case.classes) for case in cases}
    models = {case.model for case in cases}
    return TableScope(
        inputs_follow_model=len(inputs) == len(models), several_machines=machines > 1, reasons=reasons or {}
    )


def table(
    title: str,
    columns: Sequence[str],
    lines: Sequence[TableLine],
    scope: TableScope,
    *,
    key: TableKey | None = None,
    without: Sequence[str] = (),
    always: Sequence[str] = (),
    notes: Sequence[str] = (),
    metrics: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> Table:
    """A table whose rows begin with the model and the axes that vary; what the others say is `shared`.

    `without` are axes that the title or the lines say already, `always` have a column even where all rows
    share the value. Empty columns are left out. `metrics` are what the first ones show, to mark absent cells.
    `optional` are what a narrow terminal leaves out, the first of them first.
    """
    lines = [_marked(line, metrics, scope.reasons) for line in lines]
    subjects = [line.subject for line in lines]
    shown, shared = _shown(subjects, scope, without, always)
    effective = [_READ_BACK] if _effective_differs(subjects) else []
    filled = [i for i in range(len(columns)) if any(line.cells[i] is not None for line in lines)]
    present = [columns[i] for i in filled]
    return Table(
        title=title,
        key=key,
        columns=("model", *shown, *effective, *present),
        rows=tuple(_row(line, [*shown, *effective], filled) for line in lines),
        shared=tuple(shared),
        notes=tuple(notes),
        optional=tuple(name for name in optional if name in present),
        row_names=tuple(subject.name for subject in subjects),
    )


def _row(line: TableLine, axes: Sequence[str], filled: Sequence[int]) -> tuple[Cell, ...]:
    subject = line.subject
    said = (
        effective_text(subject.effective) if name == _READ_BACK else AXES[name].value(subject)
        for name in axes
    )
    return (subject.case.model, *said, *(line.cells[i] for i in filled))


def _marked(line: TableLine, metrics: Sequence[str], reasons: Reasons) -> TableLine:
    case, cells = line.subject.case, list(line.cells)
    for at, metric in enumerate(metrics):
        cells[at] = marked(cells[at], case, metric, reasons)
    return TableLine(subject=line.subject, cells=tuple(cells))


def _shown(
    subjects: Sequence[Subject], scope: TableScope, without: Sequence[str], always: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The axes that have a column, and what the others say of all rows."""
    shown: list[str] = []
    shared: list[str] = []
    for name, axis in AXES.items():
        if name in without or (name == "machine" and not scope.several_machines):
            continue
        values = {axis.value(subject) for subject in subjects}
        varies = len(values) > 1 and not (name in INPUT_AXES and scope.inputs_follow_model)
        if varies or name in always:
            shown.append(name)
        elif len(values) == 1 and values.isdisjoint((0, "", None)):
            shared.append(_in_phrase(axis, *values))
    return shown, shared


def varying(subjects: Sequence[Subject], *, without: Sequence[str] = ()) -> tuple[str, ...]:
    """The axes in which subjects of one model differ: what follows from the model tells nothing apart."""
    models = {subject.case.model for subject in subjects}
    names = [
        name
        for name, axis in AXES.items()
        if name not in without and len({(s.case.model, axis.value(s)) for s in subjects}) > len(models)
    ]
    for name in SECONDARY:
        fewer = [other for other in names if other != name]
        if _different(subjects, fewer) == _different(subjects, names):
            names = fewer
    return tuple(names)


def _different(subjects: Sequence[Subject], names: Sequence[str]) -> int:
    return len({(s.case.model, *(AXES[name].value(s) for name in names)) for s in subjects})


def in_words(subject: Subject, names: Sequence[str]) -> str:
    """`amp-bf16, compile, batch 128`: the values of these axes."""
    values = ((AXES[name], AXES[name].value(subject)) for name in names)
    return ", ".join(_in_phrase(axis, value) for axis, value in values if value not in ("", None))


def _in_phrase(axis: Axis, value: Cell) -> str:
    """Counts stand without thousands: `1000 classes`."""
    return axis.phrase.format(readable(value) if isinstance(value, Quantity) else value)


def _effective_differs(subjects: Sequence[Subject]) -> bool:
    """Whether two rows are the same case with another precision in force, which must be seen."""
    seen: dict[tuple[Case, tuple[str, ...]], ReadBack] = {}
    return any(seen.setdefault((s.case, s.machine), s.effective) != s.effective for s in subjects)
