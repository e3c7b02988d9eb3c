"""Whether a comparison passes, and why not."""

from __future__ import annotations

from bench.stats import verdicts
from bench.stats.verdicts import FailOn
from reports.compare.compare_report import RunComparison
from reports.compare.comparison_rows import ComparisonRow


def gate_fails(comparison: RunComparison, fail_on: FailOn) -> bool:
    """Whether a gate must not let NEW pass."""
    return bool(gate_reasons(comparison, fail_on))


def gate_reasons(comparison: RunComparison, fail_on: FailOn) -> tuple[str, ...]:
    """Why the gate fails, a sentence for each row; none where it passes.

    `slower`: a time, size or energy is slower (larger, more) or an accuracy lower, and stays so under
    Holm's correction: over all rows together at most one gate in a hundred fails by chance; or seeds
    diverged in NEW alone. `any`: also faster and higher ones, counts that are different, and seeds that
    diverged in BASE alone. Both: a case of BASE that only failed in NEW, and a comparison without any row.
    """
    rows = [row for row in comparison.rows if row.verdict is not None]
    reasons = [f"{case.id} was measured in BASE and only failed in NEW" for case in comparison.broken]
    if not rows:
        reasons.append("nothing could be compared")
    failing = {"slower", "lower"}
    if fail_on == "any":
        failing |= {"faster", "higher", "different"}
    tests = [row for row in rows if row.p is not None]
    hold = dict(
        zip(map(id, tests), verdicts.holm([row.p for row in tests if row.p is not None]), strict=True)
    )
    # where nothing varies there is no test, and no doubt
    found = [
        row
        for row in rows
        if (row.verdict in failing and hold.get(id(row), True))
        or (_diverged_on_one_side(row, fail_on) and row.case not in comparison.broken)
    ]
    reasons += [f"{row.case.id} {row.phase} {row.metric}: {row.verdict}{_by(row)}" for row in found]
    return tuple(reasons)


def _diverged_on_one_side(row: ComparisonRow, fail_on: FailOn) -> bool:
    base, new = row.diverged_base > 0, row.diverged_new > 0
    return base != new and (new or fail_on == "any")


def _by(row: ComparisonRow) -> str:
    if row.verdict == "diverged":
        return f", {row.reason}"
    if row.difference is not None:
        return f", {100 * row.difference:+.2f} points"
    return "" if row.ratio is None else f", {row.ratio:.3f} x"
