"""Records of schemas 1 to 3 as records of today: one function a step, on decoded JSON.

This is the only place that knows the old spellings: warnings as text, a layer or a product in the name of a
phase, `spoiled_` before a metric, and what was read back in one dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct

from bench.schema.case_warnings import Label
from bench.schema.ceiling_product import GIB
from bench.schema.record import SCHEMA, Record

Plain = dict[str, Any]
"""A record as JSON has it."""

_CURRENT = b'{"schema":%d,' % SCHEMA
"""A record of today begins so: the others, and they alone, are looked into before they are decoded."""

_decoder = msgspec.json.Decoder(Record)


class NewerSchemaError(ValueError):
    """The record is of a convbench that knows more than this one; `schema` is its number."""

    def __init__(self, schema: int) -> None:
        super().__init__(f"schema {schema}; this one reads up to {SCHEMA}")
        self.schema = schema


def is_current(encoded: bytes) -> bool:
    """Whether a line begins as those of today do; one that does not may still be of this schema."""
    return encoded.startswith(_CURRENT)


def decode_record(encoded: bytes) -> Record:
    """A record of this schema or an older one, as one of this schema.

    Raises NewerSchemaError, and msgspec.DecodeError or UnicodeDecodeError for what is no record.
    """
    if is_current(encoded):
        return _decoder.decode(encoded)
    schema = msgspec.json.decode(encoded, type=_Numbered).schema
    if schema > SCHEMA:
        raise NewerSchemaError(schema)
    if schema == SCHEMA:
        return _decoder.decode(encoded)
    msgspec.json.decode(encoded, type=_OldRecord)
    record: Plain = msgspec.json.decode(encoded)
    for step in _STEPS[schema - 1 :]:
        record = step(record)
    return msgspec.convert(record | {"schema": SCHEMA}, Record)


class _Numbered(Struct):
    schema: Annotated[int, Meta(ge=1)]


class _OldMeasurement(Struct):
    phase: str
    metric: str


class _OldCase(Struct):
    workload: str = "inference"


class _OldRecord(Struct):
    """What the steps take for granted."""

    case: _OldCase
    measurements: list[_OldMeasurement] = []
    warnings: list[str] = []
    effective: dict[str, str] = {}


def _to_2(record: Plain) -> Plain:
    """Training runs came: a case of before has no task."""
    return record | {"case": {"task": None} | record["case"]}


def _to_3(record: Plain) -> Plain:
    """Tunings and absent metrics came: a case of before has none."""
    return {"absent": {}} | record | {"case": {"tuning": ""} | record["case"]}


def _to_4(record: Plain) -> Plain:
    """What stood in text has fields."""
    to_measurement = _of_product if record["case"].get("workload") == "ceiling" else _of_network
    return record | {
        "measurements": [_undisturbed(to_measurement(each)) for each in record.get("measurements", [])],
        "warnings": [_warning(text) for text in record.get("warnings", [])],
        "effective": _effective(record.get("effective", {})),
    }


_STEPS: tuple[Callable[[Plain], Plain], ...] = (_to_2, _to_3, _to_4)

_SPOILED = "spoiled_"
_MACHINE = ("threads", "cpu_capability")
_LABEL = re.compile(r"(?P<label>[a-z0-9-]+)(: (?P<detail>.*))?", re.DOTALL)
_LAYER = re.compile(
    r"(?P<part>forward|backward|optimizer|step):"
    # The name of a kernel has parentheses of its own: `void (anonymous namespace)::sum(int)`.
    r"(?P<name>.+(?= \(kernel\)$)|.+?)(?: \((?P<kind>.*)\))?"
)
# No more digits than a size has: Python refuses to read thousands of them, and 1e999 is no number of bytes.
_MATMUL = re.compile(r"matmul:(?P<m>[0-9]{1,12})x(?P<n>[0-9]{1,12})x(?P<k>[0-9]{1,12})")
_CONV = re.compile(
    r"conv:(?P<channels>[0-9]{1,12})x(?P<side>[0-9]{1,12}):b(?P<batch>[0-9]{1,12}):(?P<layout>[a-z-]+)"
)
_COPY = re.compile(r"copy:(?P<gibibytes>[0-9]{1,12}(\.[0-9]{1,12})?(e[+-][0-9]{2})?)GiB")


def _undisturbed(measurement: Plain) -> Plain:
    """A window that was taken again was marked by its metric."""
    metric: str = measurement["metric"]
    if not metric.startswith(_SPOILED):
        return measurement
    return measurement | {"metric": metric.removeprefix(_SPOILED), "disturbed": True}


def _of_network(measurement: Plain) -> Plain:
    """`forward:conv1 (Conv2d 3->64, 11x11/4)` was the phase of a layer."""
    return measurement | _layer(measurement["phase"])


@cache
def _layer(phase: str) -> Plain:
    read = _LAYER.fullmatch(phase)
    return (
        {"phase": read["part"], "layer": {"name": read["name"], "kind": read["kind"] or ""}} if read else {}
    )


def _of_product(measurement: Plain) -> Plain:
    """`matmul:8x4096x4096` was the phase of a product."""
    return measurement | _product(measurement["phase"])


@cache
def _product(phase: str) -> Plain:
    if read := _MATMUL.fullmatch(phase):
        return _as_product("matmul", {name: int(size) for name, size in read.groupdict().items()})
    if read := _CONV.fullmatch(phase):
        sizes = {name: int(read[name]) for name in ("channels", "side", "batch")}
        return _as_product("conv", sizes | {"layout": read["layout"]})
    if read := _COPY.fullmatch(phase):
        return _as_product("copy", {"size": round(float(read["gibibytes"]) * GIB)})
    return {}


def _as_product(kind: str, sizes: Plain) -> Plain:
    return {"phase": "product", "product": {"type": kind} | sizes}


def _warning(text: str) -> Plain:
    """`not-stationary: windows differ by 3%` or a bare label."""
    read = _LABEL.fullmatch(text)
    if read is None or read["label"] not in get_args(Label):
        return {"label": "other", "detail": text}
    return {"label": read["label"], "detail": read["detail"] or ""}


def _effective(read_back: dict[str, str]) -> Plain:
    """Facts of the machine stood among the flags and dtypes."""
    machine = {key: value for key, value in read_back.items() if key in _MACHINE}
    return {"precision": {k: v for k, v in read_back.items() if k not in _MACHINE}, "machine": machine}
