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
    """An axis of names; both are asked late, so that listing plug-ins costs nothing unless needed.

    aliases  other names that users know, and the accepted name that each means
    """

    summary: str
    accepted: Callable[[], Iterable[str]]
    aliases: Callable[[], Mapping[str, str]] = dict


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


_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
"""float() alone would also take `nan`, `1_0` and the digits of other scripts."""
_SECONDS_IN = {"s": 1.0, "m": 60.0, "h": 3600.0}

MOST_MHZ = 10_000
"""Of `--lock-clocks`: more than any GPU has, and what this one has, it says itself."""

_BY_DTYPE = {"float32": "fp32", "float": "fp32", "bfloat16": "bf16", "float16": "fp16", "half": "fp16"}

AXES: dict[str, NamedAxis | NumericAxis | ShapeAxis] = {
    "model": NamedAxis(
        "Network: a name or wildcard of `convbench list models`, torchvision:NAME, timm:NAME or "
        "FILE.py:FUNCTION.",
        lambda: catalogue.MODELS,
    ),
    "workload": NamedAxis(
        "inference (forward only) or training (forward, backward, optimizer).", lambda: workloads.workloads()
    ),
    "device": NamedAxis(
        "cpu, cuda or auto (a CUDA GPU if present).",
        lambda: [*devices.devices(), "auto"],
        lambda: devices.aliases(),
    ),
    "precision": NamedAxis(
        "fp32, tf32, amp-bf16, amp-fp16, bf16 or fp16.", lambda: PRECISIONS, lambda: _BY_DTYPE
    ),
    "engine": NamedAxis(
        "eager, compile, compile-reduce-overhead, compile-max-autotune or cudagraph.",
        lambda: engines.engines(),
    ),
    "layout": NamedAxis(
        "Memory format: nchw or channels-last (alias: nhwc).",
        lambda: LAYOUTS,
        lambda: {"nhwc": "channels-last", "channels_last": "channels-last"},
    ),
    "tuning": NamedAxis(
        f"Optimizations, joined by +: {', '.join(tuning.NAMES)}; or none.",
        lambda: (tuning.NONE, *tuning.NAMES),
    ),
    "batch": NumericAxis("Batch size.", 1, 65_536),
    "image": NumericAxis("Image size in pixels, square (default: the network's own).", 1, 8_192),
    "input": ShapeAxis(
        "Shape of one input without the batch, such as 3x224x320; replaces image and channels."
    ),
    "channels": NumericAxis("Image channels (default: the network's own).", 1, 1_024),
    "classes": NumericAxis("Outputs of the classifier (default: the network's own).", 1, 1_000_000),
    "threads": NumericAxis("CPU threads (default: usable physical cores).", 1, 1_024),
    "seed": NumericAxis("Seed of weights and data.", 0, 2**32 - 1),
}


def read(axis: str, values: Iterable[object]) -> tuple[Value, ...]:
    """The values of an axis, checked; a text may hold several, separated by commas. Raises UserError."""
    parts = [part for value in values for part in _parts(axis, value)]
    found = [checked(axis, part) for part in parts]
    if not found:
        raise UserError(f"{axis} needs at least one value")
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
        raise UserError(f"{axis} must be a single value here, got {_shown(value)}")
    return values[0]


def checked(axis: str, value: object) -> Value:
    """One value of an axis as it stands in a case, where a text is no list. Raises UserError."""
    kind = AXES[axis]
    if isinstance(kind, NumericAxis):
        return whole_number(axis, value, kind.low, kind.high)
    if isinstance(kind, ShapeAxis):
        return input_shapes.read(value)
    if not isinstance(value, str) or not value:
        raise UserError(f"{axis} must be a name, got {value!r}")
    value = kind.aliases().get(value.lower(), value)
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
        raise UserError(f"{name} must be a whole number from {low} to {high}, got {_shown(value)}")
    return number


def positive_number(name: str, value: object, high: float, *, or_zero: bool = False) -> float:
    """A number above 0 (or 0 itself) and at most `high`, from a text or a number; `1%` is 0.01. UserError
    otherwise."""
    written = "" if isinstance(value, bool) else str(value)
    text, percent = (written[:-1], 100.0) if written.endswith("%") else (written, 1.0)
    number = float(text) / percent if _NUMBER.fullmatch(text) else -1.0
    if not (0 < number <= high or (or_zero and number == 0)):
        accepted = f"from 0 to {high:g}" if or_zero else f"above 0 and up to {high:g}"
        hint = f". Did you mean {written}%?" if percent == 1 and high <= 1 < number <= 100 * high else ""
        raise UserError(f"{name} must be a number {accepted}, got {_shown(value)}{hint}")
    return number


def seconds(name: str, value: object, high: float) -> float:
    """A time above 0 and at most `high` seconds, from a number of seconds or a text: `90`, `90s`, `5m`, `2h`.
    UserError otherwise."""
    written = "" if isinstance(value, bool) else str(value)
    number, unit = (written[:-1], written[-1]) if written[-1:] in _SECONDS_IN else (written, "s")
    found = float(number) * _SECONDS_IN[unit] if _NUMBER.fullmatch(number) else -1.0
    if not 0 < found <= high:
        raise UserError(
            f"{name} must be a number of seconds above 0 and up to {high:g}, or a time such as 5m or 2h, "
            f"got {_shown(value)}"
        )
    return found


def _shown(value: object) -> str:
    """What was given, cut where it would drown the sentence."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print an integer of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
