"""What a check of the self-test answers, and the rows that are made of it; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

Status = Literal["pass", "fail", "skipped"]


class Check(Struct, frozen=True, kw_only=True):
    """One row: an answer that was known beforehand and the one that came out, with their units.

    measured  for what was skipped, the reason
    """

    name: str
    status: Status
    expected: str
    measured: str


class Answer(Struct, frozen=True):
    """What one check found."""

    passed: bool
    expected: str
    measured: str


Checks = Mapping[str, Callable[[], Answer]]
"""By name, in order."""


def between(value: float, low: float, high: float, unit: str, scale: float = 1.0) -> Answer:
    """Whether the value lies in a range, both told in `unit`, of which there are `scale` to one of theirs."""
    expected = f"{low * scale:.4g} to {high * scale:.4g} {unit}".strip()
    return Answer(low <= value <= high, expected, f"{value * scale:.4g} {unit}".strip())


def exactly(values: Mapping[str, int | None], expected: int, unit: str) -> Answer:
    """Whether all of these are the expected number."""
    measured = ", ".join(
        f"{name}: {'none' if value is None else format(value, ',')}" for name, value in values.items()
    )
    return Answer(all(value == expected for value in values.values()), f"{expected:,} {unit}", measured)


def repeatedly(check: Callable[[], Answer], attempts: int) -> Callable[[], Answer]:
    """A check that is made again when it fails, and fails only if it does so every time."""

    def again() -> Answer:
        for _ in range(attempts - 1):
            answer = check()
            if answer.passed:
                return answer
        return check()

    return again


def answered(checks: Checks) -> list[Check]:
    """Every check's row; one that raises has failed, and the others still run."""
    return [_row(name, check) for name, check in checks.items()]


def skipped(checks: Checks, reason: str) -> list[Check]:
    """The rows of checks that cannot run here."""
    return [Check(name=name, status="skipped", expected="", measured=reason) for name in checks]


def _row(name: str, check: Callable[[], Answer]) -> Check:
    try:
        answer = check()
    except Exception as error:  # noqa: BLE001  whatever fails here is what the self-test looks for
        return Check(
            name=name, status="fail", expected="an answer", measured=f"{type(error).__name__}: {error}"
        )
    status: Status = "pass" if answer.passed else "fail"
    return Check(name=name, status=status, expected=answer.expected, measured=answer.measured)
