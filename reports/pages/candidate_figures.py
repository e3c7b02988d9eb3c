"""A candidate's one figure: over all processes that measured it, whether in the search or in pairs."""

from __future__ import annotations

from msgspec import structs

from bench import devices
from bench.schema.case import Case
from bench.schema.phases import whole
from bench.stats.estimates import Ratio
from bench.studies.best.search_result import Findings
from bench.studies.best.strategy import CandidateResult
from reports.analysis.figure_ratios import combined
from reports.cells import Quantity
from reports.summary.figures import Figure, Summary
from reports.tables.wording import whole_mib


def over_all_processes(found: Findings, measured: Summary) -> Findings:
    """The findings with the time of each candidate over all of its processes, so that a headline and a table
    that quote it cannot differ."""
    return structs.replace(found, tried=tuple(_pooled(one, measured) for one in found.tried))


def _pooled(one: CandidateResult, measured: Summary) -> CandidateResult:
    figure = figure_of(one.case, measured)
    if figure is None or one.seconds is None:
        return one
    return structs.replace(
        one, seconds=figure.median, interval=figure.interval, samples=max(one.samples, figure.samples)
    )


def figure_of(case: Case, measured: Summary) -> Figure | None:
    """The wall time of a case's whole step."""
    return next(
        (
            figure
            for figure in measured.figures
            if (figure.case, figure.phase, figure.metric) == (case, whole(case), "wall_time")
            and figure.layer is None
        ),
        None,
    )


def peak_memory(case: Case, measured: Summary) -> Quantity | None:
    """Of the whole step; None where nobody measured it."""
    metric = devices.traits(case.device).peak_metric
    found = (
        figure.median
        for figure in measured.figures
        if (figure.case, figure.phase, figure.metric) == (case, whole(case), metric) and figure.layer is None
    )
    peak = next(found, None)
    return None if peak is None else whole_mib(peak)


def result_of(case: Case, found: Findings) -> CandidateResult:
    """What is known of a case that was tried; StopIteration for any other."""
    return next(one for one in found.tried if one.case == case)


def plain_of(one: CandidateResult, found: Findings) -> CandidateResult | None:
    """The plain case of the same batch, where the search tried it."""
    if found.plain is None:
        return None
    plain = structs.replace(found.plain, batch=one.case.batch)
    return next((other for other in found.tried if other.case == plain), None)


def ratio_to_plain(one: CandidateResult, found: Findings) -> Ratio | None:
    """How many times as fast it is as the plain case of the same batch; None where either has no time."""
    base = plain_of(one, found)
    if base is None or base.seconds is None or one.seconds is None:
        return None
    return combined(base.seconds, base.interval, one.seconds, one.interval)
