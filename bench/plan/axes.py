"""The axes of a plan: names, accepted values, and how those of a command line or a file are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench import devices, engines, workloads
from bench.plan import input_shapes
from bench.schema import tuning
from bench.schema.case import LAYOUTS, PRECISIONS
from bench.schema.plain_text import why_no_text
from models import catalogue, name_lists
from models.errors import UserError, unknown

Value = str | int


@dataclass(frozen=True)
class NamedAxis:
    """An axis of names; `accepted` is asked late, so that listing plug-ins costs nothing unless needed."""

    summary: str
    accepted: Callable[[], Iterable[str]]


@dataclass(frozen=True)
class NumericAxis:
    """An axis of whole numbers from `low` to `high`."""

    summary: str
    low: int
    high: int


@dataclass(frozen=True)
class ShapeAxis:
    """An axis of shapes, `3x224x320`."""

    summary: str


MOST_MHZ = 10_000
"""Of `--lock-clocks`: more than any GPU has, and what this one has, it says itself."""

AXES: dict[str, NamedAxis | NumericAxis | ShapeAxis] = {
    "model": NamedAxis(
        "a network of the catalogue, torchvision:NAME, timm:NAME or FILE.py:FACTORY; vgg1* for several",
        lambda: catalogue.MODELS,
    ),
    "workload": NamedAxis("forward alone, or a whole training step", lambda: workloads.workloads()),
    "device": NamedAxis(
        "where it runs; auto takes a CUDA GPU if there is one", lambda: [*devices.devices(), "auto"]
    ),
    "precision": NamedAxis("dtype of weights, autocast and TF32", lambda: PRECISIONS),
    "engine": NamedAxis("how it is executed", lambda: engines.engines()),
    "layout": NamedAxis("memory format of weights and images", lambda: LAYOUTS),
    "tuning": NamedAxis(
        "what else is switched on; several joined by +", lambda: (tuning.NONE, *tuning.NAMES)
    ),
    "batch": NumericAxis("images in a step", 1, 65_536),
    "image": NumericAxis("side of the square image, pixels; the network's own by default", 1, 8_192),
    "input": ShapeAxis("shape of one input in place of image and channels, without the batch: 3x224x320"),
    "channels": NumericAxis("channels of the image; the network's own by default", 1, 1_024),
    "classes": NumericAxis("outputs of the classifier; the network's own by default", 1, 1_000_000),
    "threads": NumericAxis("CPU threads of torch; the usable physical cores by default", 1, 1_024),
    "seed": NumericAxis("seed of weights and data", 0, 2**32 - 1),
}


def read(axis: str, values: Iterable[object]) -> tuple[Value, ...]:
    """The values of an axis, checked; a text may hold several, separated by commas. Raises UserError."""
    parts = [part for value in values for part in _parts(axis, value)]
    found = [checked(axis, part) for part in parts]
    if not found:
        raise UserError(f"the axis {axis} needs at least one value")
    return tuple(dict.fromkeys(found))


def read_given(given: Mapping[str, object]) -> dict[str, tuple[Value, ...]]:
    """Each axis that has a value, or several in a list or a text; None leaves it out. Raises UserError."""
    return {axis: read(axis, _several(value)) for axis, value in given.items() if value is not None}


def _several(value: object) -> list[object]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _parts(axis: str, value: object) -> Sequence[object]:
    if not isinstance(value, str):
        return [value]
    return name_lists.read(value) if axis == "model" else [part.strip() for part in value.split(",")]


def read_one(axis: str, value: object) -> Value:
    """The one value of an axis, checked. Raises UserError, also for several."""
    values = read(axis, [value])
    if len(values) > 1:
        raise UserError(f"{axis} takes one value here, not {_shown(value)}")
    return values[0]


def checked(axis: str, value: object) -> Value:
    """One value of an axis as it stands in a case, where a text is no list. Raises UserError."""
    kind = AXES[axis]
    if isinstance(kind, NumericAxis):
        return whole_number(axis, value, kind.low, kind.high)
    if isinstance(kind, ShapeAxis):
        return input_shapes.read(value)
    if not isinstance(value, str) or not value:
        raise UserError(f"{axis} takes a name, not {value!r}")
    if axis == "tuning":
        return tuning.read(value)
    if axis == "model":
        reason = why_no_text(value)
        if reason is not None:
            raise UserError(f"model {reason}")
        catalogue.parse(value)
    elif value not in kind.accepted():
        raise unknown(axis, value, kind.accepted())
    return value


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`, from a text or a number; UserError otherwise."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        number = int(value)
    if number is None or not low <= number <= high:
        raise UserError(f"{name} takes a whole number from {low} to {high}, not {_shown(value)}")
    return number


def positive_number(name: str, value: object, high: float, *, or_zero: bool = False) -> float:
    """A number above 0 (or 0 itself) and at most `high`, from a text or a number; `1%` is 0.01. UserError
    otherwise."""
    written = "" if isinstance(value, bool) else str(value)
    text, percent = (written[:-1], 100.0) if written.endswith("%") else (written, 1.0)
    # float() alone would also take `nan`, `1_0` and the digits of other scripts.
    plain = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", text, re.IGNORECASE)
    number = float(text) / percent if plain else -1.0
    if not (0 < number <= high or (or_zero and number == 0)):
        accepted = f"from 0 to {high:g}" if or_zero else f"above 0 and up to {high:g}"
        raise UserError(f"{name} takes a number {accepted}, not {_shown(value)}")
    return number


def _shown(value: object) -> str:
    """What was given, cut where it would drown the sentence."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print an integer of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
