"""The record that a child kept before one of its passes ended it: what is missing in it, and why."""

from __future__ import annotations

from msgspec import structs

from bench.forkserver.outcome import Outcome
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Kept
from bench.schema.record import Record


def completed(kept: Kept, outcome: Outcome) -> Record:
    """The record, with a reason for each metric that the passes to come would have given."""
    name = next(iter(kept.to_come), "the end of the case")
    return structs.replace(
        kept.record,
        absent={**_absent(kept, outcome), **kept.record.absent},
        warnings=[*kept.record.warnings, CaseWarning("incomplete", f"{name}: {outcome.reason}")],
        facts=kept.record.facts and not kept.to_come,
    )


def _absent(kept: Kept, outcome: Outcome) -> dict[str, str]:
    under_way = next(iter(kept.to_come), "")
    ended = f"the pass that asks for it ended the process ({under_way}): {outcome.reason}"
    not_reached = f"an earlier pass ended the process ({under_way}): {outcome.reason}"
    return {
        metric: ended if name == under_way else not_reached
        for name, metrics in kept.to_come.items()
        for metric in metrics
    }
