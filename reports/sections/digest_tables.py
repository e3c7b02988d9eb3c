"""Bit for bit: what units of a kind gave in the same deterministic step, and whom to suspect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.schema.plurals import how_many
from bench.schema.step_digest import Part
from bench.schema.units import Unit
from reports.analysis.bit_for_bit import ComparedStep, Outlier, Verdict, outliers_by_unit
from reports.document import Table
from reports.tables.case_names import case_name
from reports.tables.wording import one_line

_WORDS: dict[Verdict, str] = {
    "the same": "the same bits on all",
    "no majority": "different bits; no majority says whose are right",
    "not repeatable": "not deterministic: other bits when repeated",
    "alone": "one machine, nothing to compare with",
    "none": "no digest",
}
_PARTS: dict[Part, str] = {"loss": "loss", "gradients": "gradient", "weights": "weight update"}
_ADVICE = "Likely silent data corruption: take it out of service and test it."


def digest_tables(steps: Sequence[ComparedStep]) -> Iterator[Table]:
    """A row for each step and kind, if any were made."""
    if not steps:
        return
    yield Table(
        title="Bit for bit",
        columns=("deterministic step", "precision", "machines", "agree", "result"),
        rows=tuple(
            (case_name(step.case), step.case.precision, len(step.units), step.agree, _result(step))
            for step in steps
        ),
        notes=(
            "One training step with a fixed seed and deterministic algorithms, eager: loss, gradients and "
            "updated weights are compared to the last bit between machines of one kind.",
        ),
    )


def digest_alarms(steps: Sequence[ComparedStep]) -> Iterator[str]:
    """A sentence on each unit that computes other bits than its like, then one on those that nobody can
    decide between."""
    for unit, found in outliers_by_unit(steps).items():
        yield f"{named(unit)} {_what(found)}. {_ADVICE}"
    open_ = [step for step in steps if step.verdict == "no majority"]
    if open_:
        which = " and ".join(named(unit) for unit in open_[0].units) if len(open_[0].units) == 2 else ""
        who = which or how_many(len(open_[0].units), "machine")
        yield (
            f"{who} give different bits in {case_name(open_[0].case)}, and no majority says whose are right: "
            "measure more machines of this kind."
        )


def named(unit: Unit) -> str:
    """`GPU-3f0c12ab on node7`, `node7`"""
    return unit.name if unit.name == unit.node else f"{unit.name} on {unit.node}"


def _what(found: Sequence[tuple[ComparedStep, Outlier]]) -> str:
    step, outlier = found[0]
    of = f"{case_name(step.case)} ({step.case.precision})"
    more = f", and in {how_many(len(found) - 1, 'further step')}" if len(found) > 1 else ""
    others = how_many(step.agree, "other")
    if outlier.part is None:
        return f"does not repeat its own bits in {of}{more}; {others} of its kind do"
    return f"computes another {_PARTS[outlier.part]} than {others} of its kind in {of}{more}"


def _result(step: ComparedStep) -> str:
    if step.verdict == "others":
        words = f"other bits on {', '.join(named(each.unit) for each in step.outliers)}"
    else:
        words = _WORDS[step.verdict]
    if not step.why_none:
        return words
    return f"{words}{'' if step.verdict == 'none' else '; none on some'}: {one_line(step.why_none)}"
