"""How the figures of a comparison were made, for its appendix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.compare.comparison_rows import ComparisonRow, ReplicationUnit
from reports.compare.deciding_command import ComparedFolders, deciding_in_words
from reports.compare.method_words import method_in_words
from reports.compare.paired_machines import machines_in_words
from reports.compare.verdict_tables import CAUSE_IN_WORDS
from reports.summary import caches


def how_compared(
    rows: Sequence[ComparisonRow],
    compared: ComparedFolders,
    unit: ReplicationUnit,
    margin: float,
    *,
    same_machine: bool,
) -> Iterator[str]:
    """Paragraphs: what was read, what a verdict is, how intervals were made, what is the unit."""
    sides = zip(("BASE", "NEW"), compared.summaries, (compared.base, compared.new), strict=True)
    for name, summary, paths in sides:
        yield f"{name}: {', '.join(map(str, paths))} ({summary.records:,} processes)."
        yield from summary.notes
    base, new = compared.summaries
    if (found := base.caches or new.caches) is not None:
        yield caches.IN_WORDS[found]
    yield from deciding_in_words(rows, compared)
    yield (
        "Verdicts are on the ratio NEW / BASE. change is that ratio as a percentage, with its 99% interval; "
        f"+ is slower or larger. equivalent: the 90% interval lies within {100 * margin:g}% of no change "
        "(checked first). faster, slower: the 99% interval excludes no change. inconclusive: neither, which "
        "does not mean 'no change'. visible from: the smallest slowdown that 99 of 100 such comparisons "
        "would show."
    )
    yield from method_in_words(rows, same_machine)
    if any(row.cause for row in rows):
        yield CAUSE_IN_WORDS
    if any(row.is_accuracy for row in rows):
        yield (
            "Accuracies are compared by their difference, NEW - BASE in points. Their unit is always the "
            "seed."
        )
    yield from _unit_in_words([row for row in rows if not row.is_accuracy], unit)


def _unit_in_words(rows: Sequence[ComparisonRow], unit: ReplicationUnit) -> Iterator[str]:
    yield from machines_in_words(rows)
    judged = [row for row in rows if row.low is not None and not row.across]
    if not judged and any(row.across for row in rows):
        return
    if unit == "run":
        yield (
            "The unit is the run: each run gives one value, so the intervals include what changes between "
            "runs. Each side has its own variance: how processes differ does not tell how runs differ."
        )
        return
    paired = sum(row.paired for row in judged)
    if paired:
        yield (
            f"The runs were interleaved. {paired:,} of {len(judged):,} rows with an interval are judged by "
            "log ratios of pairs, which excludes slow changes of the machine. Their variance is their own. "
            "Only the report of ab corrects for its repeated looks at the pairs."
        )
    if not judged or paired < len(judged):
        yield (
            "The unit is the process. Runs made at different times also differ by temperature, other work "
            "and updates, which processes of one run cannot show. To confirm a small change, use interleaved "
            "pairs (ab) or several runs on each side."
        )
