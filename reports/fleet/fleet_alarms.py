"""What forbids to trust a fleet's figures, or concerns the fleet as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bench.schema import durations
from bench.schema.case_warnings import CONTENDED
from reports.fleet.fleet_found import FleetFound, listed
from reports.fleet.percent_slower import percent
from reports.sections.digest_tables import digest_alarms

MOST_SKEW_SECONDS = 60.0
MOST_CONTENDED = 0.25
"""Of processes on processors: where more had neighbours, the nodes were not the fleet's alone."""


def alarms(found: FleetFound) -> Iterator[str]:
    """A sentence each."""
    yield from digest_alarms(found.bits)
    yield from found.records.notes[:1]
    yield from _shifts(found)
    yield from _skew(found)
    yield from _contended(found)
    differing = [unit.name for unit in found.units if unit.confirmed and unit.confirmed.references_differ]
    if differing:
        yield (
            f"The references of {listed(differing)} contradict each other: one has changed since the first "
            "run. Measure the fleet again: convbench fleet run."
        )


def _shifts(found: FleetFound) -> Iterator[str]:
    """Whether the fleet as a whole is slower than what its center was taken from."""
    if found.against is None:
        return
    if not any(kind.against for kind in found.kinds):
        yield f"{found.against.name} has no case of this fleet on such a {found.what}: it was left out."
    for kind in found.kinds:
        shift = kind.ratios.shift
        if shift is not None and shift > math.log1p(found.margin):
            whole = (
                "The whole fleet" if len(found.kinds) == 1 else f"The group {kind.differs or 'of most units'}"
            )
            yield f"{whole} is {percent(shift):.1f}% slower than {found.against.name}."


def _skew(found: FleetFound) -> Iterator[str]:
    ahead = {state.node: state.clock_seconds for state in found.states if state.clock_seconds is not None}
    off = {node: seconds for node, seconds in ahead.items() if abs(seconds) > MOST_SKEW_SECONDS}
    if off:
        words = (
            f"{node} by {durations.in_words(abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"
            for node, seconds in off.items()
        )
        yield f"Clocks differ from the shared folder's: {listed(words)}. Times of day are not comparable."


def _contended(found: FleetFound) -> Iterator[str]:
    """Of processors: what other programs took there."""
    rows = [row for kind in found.kinds if not kind.uses_gpu for row in kind.rows]
    others = found.records.facts["others_share"][rows]
    known = np.isfinite(others)
    count, total = int((others[known] > CONTENDED).sum()), int(known.sum())
    if count > MOST_CONTENDED * total:
        yield (
            f"Other programs took more than {CONTENDED:.0%} of CPU time in {count:,} of {total:,} processes "
            "(contended): these times are too long."
        )
