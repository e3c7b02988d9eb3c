"""The pictures of ablations: measured against predicted ratio by stage, and accuracy against time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reports.ablations.block_tables import key_of
from reports.ablations.form_pairs import TimedPair, TrainedPair
from reports.ablations.predictions import predicted
from reports.analysis.learned import ACCURACY_KEY, Learned
from reports.document import Plot, Series, TableKey
from reports.tables.case_columns import in_words, varying


def block_plots(topic: str, sides: Sequence[TimedPair]) -> Iterator[Plot]:
    """For each device, precision and engine: the step's ratio by stage, a line for each form and batch."""
    timed = [each for each in sides if each.ratio("step") is not None]
    settings = dict.fromkeys(map(_setting, timed))
    for setting in settings:
        chosen = [each for each in timed if _setting(each) == setting]
        places = {place: n for n, place in enumerate(dict.fromkeys(map(_place, chosen)), start=1)}
        words = setting if len(settings) > 1 else ()
        lines = dict.fromkeys((each.form.label, each.new.case.batch) for each in chosen)
        measured = [
            _measured(
                hue,
                label,
                batch,
                [e for e in chosen if (e.form.label, e.new.case.batch) == (label, batch)],
                places,
            )
            for hue, (label, batch) in enumerate(lines)
        ]
        stages = ", ".join(f"{n}: {channels} channels, {image} px" for (channels, image), n in places.items())
        yield Plot(
            name="-".join(["ablation-kernels", *map(_stem, (topic, *words))]),
            title=", ".join([f"Kernels, {topic}: step time by stage", *words]),
            note=f"Dashed: predicted from FLOPs. Bands: 95% intervals. {stages}.",
            under=key_of(topic),
            x_label="stage",
            y_label=f"step time / that of {chosen[0].comparison.base.label}",
            log_y=True,
            series=(*measured, *_predictions(chosen, places, len(lines))),
        )


def _setting(sides: TimedPair) -> tuple[str, str, str]:
    case = sides.new.case
    return case.device, case.precision, case.engine


def _place(sides: TimedPair) -> tuple[int, int]:
    return sides.new.case.channels, sides.new.case.image


def _measured(
    hue: int, label: str, batch: int, sides: Sequence[TimedPair], places: Mapping[tuple[int, int], int]
) -> Series:
    """The line of one form at one batch; a band only where every point has an interval."""
    ratios = [ratio for each in sides if (ratio := each.ratio("step"))]
    ends = [ratio.interval for ratio in ratios if ratio.interval]
    banded = len(ends) == len(ratios)
    return Series(
        label=f"{label}, batch {batch}",
        x=tuple(float(places[_place(each)]) for each in sides),
        y=tuple(ratio.value for ratio in ratios),
        low=tuple(end.low for end in ends) if banded else (),
        high=tuple(end.high for end in ends) if banded else (),
        hue=hue,
    )


def _predictions(
    sides: Sequence[TimedPair], places: Mapping[tuple[int, int], int], hue: int
) -> Iterator[Series]:
    """The FLOPs' ratio of each form; forms with the same share a line."""
    forms: dict[tuple[float, ...], list[str]] = {}
    for label in dict.fromkeys(each.form.label for each in sides):
        of_form = {places[_place(each)]: predicted(each) or 0.0 for each in sides if each.form.label == label}
        forms.setdefault(tuple(of_form[n] for n in sorted(of_form)), []).append(label)
    for more, (values, labels) in enumerate(forms.items()):
        yield Series(
            label="predicted" if len(forms) == 1 else f"{' and '.join(labels)}, predicted",
            x=tuple(float(n) for n in range(1, len(values) + 1)),
            y=values,
            hue=hue + more,
            dashed=True,
        )


def accuracy_plot(name: str, under: TableKey, trained_pairs: Sequence[TrainedPair]) -> Iterator[Plot]:
    """Test accuracy against the seconds of training, a point for each form."""
    runs: dict[int, tuple[str, str, Learned]] = {}
    for trained_pair in trained_pairs:
        compared = trained_pair.comparison
        runs.setdefault(id(trained_pair.base), (compared.subject, compared.base.label, trained_pair.base))
        runs.setdefault(id(trained_pair.new), (compared.subject, trained_pair.form.label, trained_pair.new))
    shown = [each for each in runs.values() if each[-1].accuracies and each[-1].value("training_time")]
    if len(shown) < 2:
        return
    models = dict.fromkeys(trained_pair.comparison.subject for trained_pair in trained_pairs)
    axes = varying([run.subject for _, _, run in shown], without=("dataset", "recipe", "workload"))
    series = []
    for network, label, run in shown:
        figure = run.figures[ACCURACY_KEY]
        interval = figure.interval
        words = in_words(run.subject, axes)
        model = f"{network}, " if len(models) > 1 else ""
        series.append(
            Series(
                x=(run.value("training_time") or 0.0,),
                y=(100 * figure.median,),
                low=(100 * interval.low,) if interval else (),
                high=(min(100.0, 100 * interval.high),) if interval else (),
                names=(f"{model}{label}{', ' if words else ''}{words}",),
            )
        )
    yield Plot(
        name=f"ablation-{_stem(name)}-accuracy",
        title=f"{name}: test accuracy and training time",
        note="Means of the seeds. Bars: 95% interval of the mean, cut at 100%.",
        under=under,
        x_label="training time (s)",
        y_label="test accuracy (%)",
        kind="points",
        series=tuple(series),
    )


def _stem(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
