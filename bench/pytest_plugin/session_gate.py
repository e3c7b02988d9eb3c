"""The run of a session against an earlier one: what is told of it, and whether the session passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from bench.pytest_plugin.gate_options import FailOn
from bench.schema.case import Case
from models.errors import UserError
from reports.summary.pooling import summarise

if TYPE_CHECKING:
    from reports.compare.compare_report import RunComparison

_MOST_NAMED = 3
NO_NETWORK = "nothing was compared: no test measured a network in several processes"


class SessionVerdict(Struct, frozen=True, kw_only=True):
    """lines    the comparison as `convbench compare` shows it, and what it could not judge
    reasons  why the session fails; none where it passes
    """

    lines: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def check_base(base: Path) -> None:
    """Raise pytest.UsageError, before anything is measured, for a run that cannot be read."""
    try:
        summarise([base])
    except UserError as error:
        raise pytest.UsageError(f"--convbench-compare: {error}") from error


def judge(base: Path, new: Path, fail_on: FailOn | None) -> SessionVerdict:
    """Of two run folders."""
    from reports import formats
    from reports.compare import compare_report

    try:
        compared = compare_report.build([base], [new], fail_on=fail_on)
    except UserError as error:  # such as records that someone has just deleted
        return SessionVerdict(reasons=(str(error),))
    reasons = compared.gate.reasons if compared.gate else ()
    return SessionVerdict(
        lines=(*formats.render("terminal", compared.document).splitlines(), *_not_compared(compared)),
        reasons=reasons or (("nothing was compared",) if compared.is_empty else ()),
    )


def _not_compared(compared: RunComparison) -> Iterator[str]:
    """`convbench: not compared, only in NEW: VGG-11 inference, batch 1`: a gate judges nothing of these."""
    from reports.compare.row_names import row_names

    names = row_names(row.case for row in compared.rows)
    judged = {row.case for row in compared.rows if row.verdict is not None}
    reasons: dict[str, dict[Case, None]] = {}
    for row in compared.rows:
        if row.reason and row.case not in judged:
            reasons.setdefault(row.reason, {})[row.case] = None
    for reason, cases in reasons.items():
        named = [names[case] for case in cases]
        more = f" and {len(named) - _MOST_NAMED:,} more" if len(named) > _MOST_NAMED else ""
        yield f"convbench: not compared, {reason}: {'; '.join(named[:_MOST_NAMED])}{more}"
