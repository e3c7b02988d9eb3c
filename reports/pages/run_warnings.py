"""One line that counts what to beware of, by what the reader must do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.schema.case import Case
from bench.schema.phases import whole
from bench.schema.plurals import how_many
from bench.schema.record import FAILED, Status
from reports.analysis.best_measured import BestMeasured
from reports.cells import BORROWED, ONE
from reports.summary.figures import Figure, Summary
from reports.tables.case_names import case_name
from reports.tables.label_meanings import UNRELIABLE
from reports.tables.listing import within
from reports.tables.wording import measured

UNRELIABLE_MARK = "!"
MOST_LABELS = 3
MOST_NAMED = 1
"""Failed cases that the line has room to name."""


def is_unreliable(figure: Figure) -> bool:
    """Whether a figure has such a label."""
    return any(label in figure.tags for label in UNRELIABLE)


def warnings_line(tasks: Sequence[BestMeasured], summary: Summary, missing: int = 0) -> str:
    """`1 case failed: VGG-16 training, batch 8 (oom). ! 3 cases may not repeat (drifting 2, steal 1).`

    `missing` is how many cases of the plan have no record yet.
    """
    return " ".join((*_not_shown(summary, missing), *_warnings(tasks, summary)))


def _not_shown(summary: Summary, missing: int) -> Iterator[str]:
    """What a reader may take for measured, and is not or is not wholly."""
    if missing:
        yield f"{how_many(missing, 'case')} not measured yet."
    incomplete = [warned for warned in summary.warnings if warned.label == "incomplete"]
    if incomplete:
        cases = dict.fromkeys(case for warned in incomplete for case in warned.cases)
        yield f"{how_many(len(cases), 'case')} with missing figures (incomplete): --section warnings."
    zero = dict.fromkeys(each.case for each in summary.figures if _is_step(each) and each.median <= 0)
    if zero:
        names = within([case_name(case) for case in zero], MOST_NAMED + 1)
        yield f"{how_many(len(zero), 'case')} left out, as all times are 0: {names}."


def _is_step(figure: Figure) -> bool:
    """Whether it is the time of a whole step, by which a network is shown."""
    return (figure.phase, figure.metric) == (whole(figure.case), "wall_time") and figure.layer is None


def _warnings(tasks: Sequence[BestMeasured], summary: Summary) -> Iterator[str]:
    failed = {outcome.case: outcome.status for outcome in summary.outcomes if outcome.status in FAILED}
    skipped = {outcome.case for outcome in summary.outcomes if outcome.status == "skipped"}
    if failed:
        yield f"{how_many(len(failed), 'case')} failed{_which(failed)}."
    if skipped:
        yield f"{how_many(len(skipped), 'case')} cannot run on this machine: --section skipped."
    times = [each.time for task in tasks for each in (task.shown, *task.others)]
    singles = [measured(time) for time in times if len(time.medians) == 1]
    if singles:
        marks = " or ".join(dict.fromkeys(BORROWED if each.borrowed else ONE for each in singles))
        has = "has" if len(singles) == 1 else "have"
        yield f"{how_many(len(singles), 'case')} {marks} {has} one process: not compared."
    unreliable = [time for time in times if is_unreliable(time)]
    if unreliable:
        counts = Counter(label for time in unreliable for label in UNRELIABLE if label in time.tags)
        labels = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(MOST_LABELS))
        yield f"{UNRELIABLE_MARK} {how_many(len(unreliable), 'case')} may not repeat ({labels})."


def _which(failed: Mapping[Case, Status]) -> str:
    """`: VGG-16 training, batch 8 (oom)`; of more cases how many failed in which way."""
    if len(failed) <= MOST_NAMED:
        return ": " + "; ".join(f"{case_name(case)} ({status})" for case, status in failed.items())
    counts = Counter(failed.values()).most_common()
    return f" ({', '.join(f'{status} {count:,}' for status, count in counts)}): --section failures"
