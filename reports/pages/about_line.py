"""The line under a run's title: which machine, which versions, how much was measured."""

from __future__ import annotations

from bench.schema import durations
from bench.schema.plurals import how_many
from reports.pages.next_command import Unfinished
from reports.sections.machine_line import machine_words
from reports.summary.figures import Summary


def about(summary: Summary, unfinished: Unfinished) -> str:
    """`Intel Xeon, 2 cores (AVX-512), no GPU · torch 2.15.0 · 24 of 24 cases in 11 minutes`"""
    return " · ".join((*machine_words(summary), _counts(summary, unfinished)))


def _counts(summary: Summary, unfinished: Unfinished) -> str:
    measured = {figure.case for figure in summary.figures}
    known = measured | {outcome.case for outcome in summary.outcomes} | set(unfinished.missing)
    seconds = sum(summary.spent.values())
    taken = f" in {durations.in_words(seconds)}" if seconds else ""
    return f"{len(measured):,} of {how_many(len(known), 'case')}{taken}"
