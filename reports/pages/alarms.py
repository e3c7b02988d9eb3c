"""What forbids to trust a run's figures, in sentences: the first lines of its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from reports.analysis import contradictions
from reports.analysis.bit_for_bit import compare
from reports.analysis.layer_shares import Layers
from reports.analysis.measured_ceilings import Ceilings
from reports.analysis.utilisation import Utilisation
from reports.cells import Quantity, readable
from reports.sections.digest_tables import digest_alarms
from reports.summary.contended import not_alone
from reports.summary.figures import Summary
from reports.tables.case_names import case_name

_DIGITS = 2


def alarms(
    summary: Summary,
    reached: Sequence[Utilisation],
    layers: Sequence[Layers],
    ceilings: Ceilings,
    directories: Sequence[Path],
) -> tuple[str, ...]:
    """A machine that computes wrongly, records that are damaged, a busy machine, then each kind of
    contradiction by its worst case."""
    return (
        *digest_alarms(compare(summary.digests)),
        *summary.damaged[:1],
        *not_alone(summary.figures),
        *above_peak(reached),
        *_layers_apart(layers, summary),
        *_peak_drop(ceilings, directories),
    )


def above_peak(reached: Sequence[Utilisation]) -> Iterator[str]:
    """A sentence on the step that is furthest above the peak that was measured for it; else none."""
    found = list(contradictions.above_peak(reached))
    if found:
        worst = max(found, key=lambda each: each.times)
        times = readable(Quantity(value=worst.times, unit="x"), _DIGITS)
        yield (
            f"The measured {worst.reached.dtype} peak is too low: {case_name(worst.reached.subject.case)} "
            f"reached at least {times} of it. Measure the peak again on an idle machine."
        )


def _layers_apart(layers: Sequence[Layers], summary: Summary) -> Iterator[str]:
    found = list(contradictions.layers_apart(layers, summary.figures))
    if found:
        worst = max(found, key=lambda each: abs(each.gap))
        more = f" ({len(found):,} cases)" if len(found) > 1 else ""
        yield (
            f"The layers of {case_name(worst.subject.case)} add up to at least {abs(worst.gap):.0%} "
            f"{'more' if worst.gap > 0 else 'less'} than the whole step{more}: "
            "shares by layer are unreliable."
        )


def _peak_drop(ceilings: Ceilings, directories: Sequence[Path]) -> Iterator[str]:
    found = contradictions.peak_drop(ceilings)
    if found is not None and max(found.high, found.low) < len(directories):
        high, low = directories[found.high], directories[found.low]
        yield (
            f"The machine was slower in {low}: its measured peak is {1 / found.times:.0%} of that "
            f"in {high}. Compare no times across the two."
        )
