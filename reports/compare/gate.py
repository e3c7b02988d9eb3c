"""Whether a comparison passes, and why not."""

from __future__ import annotations

from msgspec import Struct

from bench.stats import verdicts
from bench.stats.verdicts import FailOn
from reports.compare.comparison_rows import ComparedSides, ComparisonRow
from reports.compare.row_names import row_names
from reports.compare.row_words import in_words, is_step_time
from reports.compare.verdict_sentences import NamedTime, unseen

_FAILING = {"slower", "lower"}
_CHANGED = {"faster", "higher", "different"}


class GateResult(Struct, frozen=True, kw_only=True):
    """What a gate says of a comparison: why it fails, a phrase for each row, none where it passes; and how
    many of its tests found a change that is not significant after correction."""

    fail_on: FailOn
    reasons: tuple[str, ...]
    uncertain: int
    tests: int

    @property
    def in_words(self) -> str:
        """`Gate --fail-on slower: FAIL (exit 1): LeNet-5 inference, batch 1 takes 12% more time.`"""
        gate = f"Gate --fail-on {self.fail_on}"
        if self.reasons:
            more = f" (and {len(self.reasons) - 1:,} more)" if len(self.reasons) > 1 else ""
            return f"{gate}: FAIL (exit 1): {self.reasons[0]}{more}."
        if self.uncertain:
            found = f"{self.uncertain:,} of {self.tests:,} tests found a change"
            return f"{gate}: PASS: {found}, none significant after correction."
        return f"{gate}: PASS."


def gate_fails(compared: ComparedSides, fail_on: FailOn) -> bool:
    """Whether a gate must not let NEW pass."""
    return bool(gate_reasons(compared, fail_on))


def gate_reasons(compared: ComparedSides, fail_on: FailOn) -> tuple[str, ...]:
    """`GateResult.reasons`."""
    return gate_result(compared, fail_on).reasons


def gate_result(compared: ComparedSides, fail_on: FailOn) -> GateResult:
    """Whether NEW passes.

    `slower`: a time, size or energy is slower (larger, more) or an accuracy lower, and stays so under
    Holm's correction: over all rows together at most one gate in a hundred fails by chance; or seeds
    diverged in NEW alone. `any`: also faster and higher ones, counts that are different, and seeds that
    diverged in BASE alone. `inconclusive`: as `slower`, and the time of a step that has too few processes for
    a verdict. All: a case of BASE that only failed in NEW, and a comparison without any row.
    """
    rows = [row for row in compared.rows if row.verdict is not None]
    names = row_names(row.case for row in compared.rows)
    reasons = [f"{names[case]} was measured in BASE and failed in NEW" for case in compared.broken]
    if compared.is_empty:
        reasons.append("nothing was compared")
    failing = _FAILING | (_CHANGED if fail_on == "any" else set())
    holds = _holds(rows)
    worse = [row for row in rows if row.verdict in failing]
    diverged = [
        row for row in rows if _diverged_on_one_side(row, fail_on) and row.case not in compared.broken
    ]
    certain = {id(row) for row in (*(row for row in worse if holds.get(id(row), True)), *diverged)}
    reasons += [in_words(row, names[row.case]) for row in rows if id(row) in certain]
    if fail_on == "inconclusive":
        open_ = [row for row in rows if is_step_time(row) and row.verdict == "inconclusive"]
        reasons += [_undecided(row, names[row.case]) for row in open_]
    return GateResult(
        fail_on=fail_on,
        reasons=tuple(reasons),
        uncertain=sum(id(row) not in certain for row in worse),
        tests=sum(row.p is not None for row in rows),
    )


def _undecided(row: ComparisonRow, name: str) -> str:
    """`LeNet-5 inference, batch 1 is inconclusive: changes below 15% may have gone unseen`"""
    return f"{name} is inconclusive: {unseen([NamedTime(name, row)])}"


def _holds(rows: list[ComparisonRow]) -> dict[int, bool]:
    """By Holm's correction; of a row where nothing varies there is no test, and no doubt."""
    tests = [row for row in rows if row.p is not None]
    held = verdicts.holm([row.p for row in tests if row.p is not None])
    return dict(zip(map(id, tests), held, strict=True))


def _diverged_on_one_side(row: ComparisonRow, fail_on: FailOn) -> bool:
    base, new = row.diverged_base > 0, row.diverged_new > 0
    return base != new and (new or fail_on == "any")
