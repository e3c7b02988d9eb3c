"""The pictures of training runs: learning curves, losses, and speed against accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from reports.analysis.learned import ACCURACY_KEY, Learned, mean_by_epoch, together
from reports.document import Plot, Series, TableKey
from reports.sections.accuracy_tables import key_of, where_in_words
from reports.summary.figures import Curve
from reports.tables.case_columns import NOT_SHOWN, in_words, varying
from reports.tables.unique_names import UniqueNames

CASES_IN_A_PLOT = 6
"""The lines of more cases cannot be distinguished."""
MODELS_IN_A_LEGEND = 8
"""There are no more colors: then every point is named in full."""
WIDE = 30.0
"""Losses that differ by more than this factor get a logarithmic axis."""
BAND = "lowest to highest seed"
CURVES_NOTE = f"Solid: test images. Dashed: during training steps. Bands: {BAND}."


def learning_plots(runs: Sequence[Learned]) -> tuple[Plot, ...]:
    """For the runs that may be ranked together speed against accuracy, then accuracy and loss by epoch of a
    few cases at a time."""
    names = UniqueNames()
    groups = together(runs)
    return tuple(
        plot
        for key, several in groups.items()
        for plot in _of_group(
            _Place(key.dataset, where_in_words(key, groups), key_of(key)),
            [run for run in several if run.accuracies],
            names,
        )
    )


class _Place(Struct, frozen=True):
    """Where runs were trained: the dataset, the same with what tells machines apart, and their table."""

    dataset: str
    words: str
    table: TableKey


def _of_group(place: _Place, runs: Sequence[Learned], names: UniqueNames) -> Iterator[Plot]:
    timed = [run for run in runs if run.value("loop_rate") and not run.is_at_chance]
    if len(timed) > 1:
        left_out = [run for run in runs if run.is_at_chance]
        yield _speed(place, timed, left_out, names)
    for group in _groups(runs):
        models = _models(group)
        stem = f"{place.dataset}-{models[0]}" if len(models) == 1 else place.dataset
        yield Plot(
            name=names.unused(f"accuracy-{stem}"),
            title=f"Accuracy{_of(models)} on {place.words}",
            note=CURVES_NOTE,
            under=place.table,
            x_label="epoch",
            y_label="accuracy (%)",
            series=_curves(group, "test_accuracy", "train_accuracy", 100.0),
        )
        losses = _curves(group, "test_loss", "train_loss", 1.0)
        if losses:
            title = f"Loss{_of(models)} on {place.words}"
            yield _losses(names.unused(f"loss-{stem}"), title, place, losses)


def _losses(name: str, title: str, place: _Place, series: tuple[Series, ...]) -> Plot:
    values = [value for each in series for value in (*each.y, *each.low)]
    return Plot(
        name=name,
        title=title,
        note=CURVES_NOTE,
        under=place.table,
        x_label="epoch",
        y_label="cross-entropy (nat)",
        log_y=min(values) > 0 and max(values) > WIDE * min(values),
        series=series,
    )


def _models(runs: Sequence[Learned]) -> list[str]:
    return list(dict.fromkeys(run.subject.case.model for run in runs))


def _of(models: Sequence[str]) -> str:
    """The model in a title where there is one."""
    return f" of {models[0]}" if len(models) == 1 else ""


def _groups(runs: Sequence[Learned]) -> Iterator[list[Learned]]:
    """Cases that share a picture: all of a network, and of the next ones too while there is room."""
    group: list[Learned] = []
    for found in _by_model(runs).values():
        if group and len(group) + len(found) > CASES_IN_A_PLOT:
            yield group
            group = []
        group += found
        while len(group) > CASES_IN_A_PLOT:
            yield group[:CASES_IN_A_PLOT]
            group = group[CASES_IN_A_PLOT:]
    if group:
        yield group


def _by_model(runs: Sequence[Learned]) -> dict[str, list[Learned]]:
    found: dict[str, list[Learned]] = {}
    for run in runs:
        found.setdefault(run.subject.case.model, []).append(run)
    return found


def _labels(runs: Sequence[Learned], *, with_model: bool) -> list[str]:
    """What tells these cases apart; of the only case of a model nothing but its name."""
    axes = {
        model: varying([run.subject for run in found], without=("dataset", *NOT_SHOWN))
        for model, found in _by_model(runs).items()
    }
    words = (
        (run.subject.case.model if with_model else "", in_words(run.subject, axes[run.subject.case.model]))
        for run in runs
    )
    return [", ".join(filter(None, parts)) for parts in words]


def _curves(runs: Sequence[Learned], solid: str, dashed: str, scale: float) -> tuple[Series, ...]:
    labels = _labels(runs, with_model=len(_models(runs)) > 1)
    found = []
    for hue, (run, label) in enumerate(zip(runs, labels, strict=True)):
        if solid in run.curves:
            found.append(_series(run.curves[solid], label, scale, hue, dashed=False))
        if dashed in run.curves:
            found.append(_series(run.curves[dashed], "", scale, hue, dashed=True))
    return tuple(found)


def _series(curve: Curve, label: str, scale: float, hue: int, *, dashed: bool) -> Series:
    """The mean; a band only around the solid line, as two bands would hide each other."""
    means = tuple(scale * value for value in mean_by_epoch(curve))
    by_epoch = list(zip(*curve.samples, strict=False))
    banded = len(curve.samples) > 1 and not dashed
    return Series(
        label=label,
        x=tuple(float(epoch) for epoch in range(1, len(means) + 1)),
        y=means,
        low=tuple(scale * min(values) for values in by_epoch) if banded else (),
        high=tuple(scale * max(values) for values in by_epoch) if banded else (),
        hue=hue,
        dashed=dashed,
    )


def _speed(place: _Place, runs: Sequence[Learned], at_chance: Sequence[Learned], names: UniqueNames) -> Plot:
    """A point for each case that learned; those at chance are named."""
    models = _models(runs)
    in_legend = 1 < len(models) <= MODELS_IN_A_LEGEND and len(models) < len(runs)
    labels = _labels(runs, with_model=len(models) > 1 and not in_legend)
    name_of = {run.subject: label for run, label in zip(runs, labels, strict=True)}
    left_out = _labels([*runs, *at_chance], with_model=True)[len(runs) :]
    gone = f" Not drawn, at chance: {'; '.join(left_out)}." if at_chance else ""
    return Plot(
        name=names.unused(f"speed-accuracy-{place.dataset}"),
        title=f"Speed and accuracy{_of(models)} on {place.words}",
        note=f"Mean test accuracy after the last epoch. Bars: {BAND}.{gone}",
        under=place.table,
        x_label="images/s of the whole training loop",
        y_label="test accuracy (%)",
        log_x=True,
        kind="points",
        series=tuple(
            Series(
                label=model if in_legend else "",
                x=tuple(run.value("loop_rate") or 0.0 for run in found),
                y=tuple(100 * run.figures[ACCURACY_KEY].median for run in found),
                low=tuple(100 * min(run.accuracies.values()) for run in found),
                high=tuple(100 * max(run.accuracies.values()) for run in found),
                names=tuple(name_of[run.subject] for run in found),
            )
            for model, found in _by_model(runs).items()
        ),
    )
