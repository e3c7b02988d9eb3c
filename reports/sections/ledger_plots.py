"""Pictures of the memory ledger: what makes up each case's peak, one kind after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.schema.metrics import LEDGER, METRICS
from bench.schema.phases import WHOLE
from reports.analysis.peak_ledger import ledger_of
from reports.document import Plot, Series
from reports.sections.ledger_tables import key_of
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_columns import in_words, varying
from reports.tables.unique_names import UniqueNames
from reports.tables.wording import MIB, one_line

CASES_SHOWN = 32
NAME_LETTERS = 56

_Sizes = Mapping[str, float]
"""Kind -> bytes, of those that take any."""


def ledger_plots(figures: Sequence[Figure]) -> Iterator[Plot]:
    """For each workload and device a bar for each case."""
    sizes = {subject: sizes for subject, found in by_subject(figures).items() if (sizes := _sizes(found))}
    names = UniqueNames()
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s in sizes if s.case.workload == workload):
            here = {s: sizes[s] for s in sizes if (s.case.workload, s.case.device) == (workload, device)}
            shown = list(here)[:CASES_SHOWN]
            more = len(here) - len(shown)
            yield Plot(
                name=names.unused(f"ledger-{workload}-{device}"),
                title=f"Memory at the peak of {workload} on {device}",
                note=f"The first {CASES_SHOWN} of {len(here):,} cases." if more else "",
                under=key_of(workload, device),
                x_label="MiB",
                y_label="",
                kind="bars",
                series=_series(shown, here),
            )


def _sizes(figures: Figures) -> dict[str, float]:
    ledger = ledger_of(figures)
    if ledger is None:
        return {}
    sizes = {**ledger.tensors, **ledger.beside, "residual": ledger.residual or 0.0}
    return {kind: size for kind, size in sizes.items() if size > 0}


def _series(subjects: Sequence[Subject], sizes: Mapping[Subject, _Sizes]) -> tuple[Series, ...]:
    axes = varying(subjects, without=("workload", "device"))
    labels = [", ".join(filter(None, [s.case.model, in_words(s, axes)])) for s in subjects]
    kinds = dict.fromkeys(kind for subject in subjects for kind in sizes[subject])
    return tuple(
        Series(
            label=METRICS[LEDGER[kind]].brief,
            x=tuple(sizes[subject].get(kind, 0.0) / MIB for subject in subjects),
            y=tuple(float(place) for place in range(len(subjects))),
            names=tuple(one_line(label, NAME_LETTERS) for label in labels),
        )
        for kind in kinds
    )
