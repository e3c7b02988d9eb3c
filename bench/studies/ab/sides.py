"""The two sides of a comparison: what each changes, and the cases beside each other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bench.plan.axes import AXES, Value, read_one
from bench.schema.case import Case
from bench.schema.tuning import NONE
from bench.studies.ab.pair_rows import CasePair
from models import spec
from models.errors import UserError, unknown

SIDES = ("a", "b")


class Side(Struct, frozen=True, kw_only=True):
    """What one side changes.

    changes    axis -> value
    python     another environment's interpreter; None for this one
    folder     in which its processes start; None for the current one
    variables  of their environment, beside those of this process
    """

    changes: Mapping[str, Value] = {}
    python: Path | None = None
    folder: Path | None = None
    variables: Mapping[str, str] = {}


def case_pairs_of(a: Sequence[Case], b: Sequence[Case]) -> list[CasePair]:
    """The sides' cases, one beside the other. Raises UserError where the sides' plans do not match."""
    if len(a) != len(b):
        raise UserError(
            f"side a has {len(a)} cases and side b {len(b)}. Change only axes of which the plan "
            "has a single value"
        )
    return [CasePair(a=x.without_replicate(), b=y.without_replicate()) for x, y in zip(a, b, strict=True)]


def read_side(text: str | None, python: Path | None) -> Side:
    """A side from `axis=value,axis=value`. Raises UserError for what no axis is, or a missing interpreter."""
    changes: dict[str, Value] = {}
    for part in _assignments(text) if text else []:
        axis, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            raise UserError(f"a side must be AXIS=VALUE, for example engine=compile, got {part!r}")
        if axis not in AXES:
            raise unknown("axis", axis, AXES)
        if axis in changes:
            raise UserError(f"{axis} is given twice for one side")
        changes[axis] = read_one(axis, value)
    if python is not None and not (python.is_file() and os.access(python, os.X_OK)):
        raise UserError(f"{python} is not a Python interpreter. Give one with convbench installed")
    # absolute, as ./python is a name to look for on the PATH; not resolved, as a venv's is a symlink
    return Side(changes=changes, python=None if python is None else python.absolute())


def _assignments(text: str) -> list[str]:
    """The parts between the commas, but for those in the name of a network: `model=a,b/net.py:build`."""
    parts: list[str] = []
    for part in spec.split(text):
        if "=" not in part and parts and parts[-1].strip().startswith("model="):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def label(side: Side) -> str:
    """What a side is, in a few words."""
    words = [f"{axis}={value or NONE}" for axis, value in side.changes.items()]
    return ", ".join([*words, str(side.python)] if side.python else words) or "as it is"


def labels(sides: tuple[Side, Side], case_pairs: Sequence[CasePair]) -> tuple[str, str]:
    """Both sides in a few words; one that changes nothing by its values of what the other changes."""
    cases = [pair.a for pair in case_pairs], [pair.b for pair in case_pairs]
    one, other = sides
    return _beside(one, other, cases[0]), _beside(other, one, cases[1])


def _beside(side: Side, other: Side, cases: Sequence[Case]) -> str:
    if side.changes or side.python is not None:
        return label(side)
    values = {axis: {getattr(case, axis) for case in cases} for axis in other.changes}
    return label(Side(changes={axis: found.pop() for axis, found in values.items() if len(found) == 1}))


def are_same(sides: tuple[Side, Side], case_pairs: Sequence[CasePair]) -> bool:
    """Whether both sides would measure the same work in the same environment."""
    return sides[0].python == sides[1].python and all(pair.a == pair.b for pair in case_pairs)
