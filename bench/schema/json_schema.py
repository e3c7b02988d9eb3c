"""The JSON Schema of a record, made from its types: what record.schema.json beside this module holds."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from bench.schema.record import SCHEMA, Record

FILE = Path(__file__).with_name("record.schema.json")
"""Shipped with the package; `pytest --update-golden tests/bench/schema/test_json_schema.py` writes it."""


def record_schema() -> str:
    """The schema of one line of records.jsonl, as indented JSON."""
    made = msgspec.json.schema(Record)
    for definition in made["$defs"].values():
        _unindent(definition)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A record of convbench, schema {SCHEMA}",
    }
    return json.dumps(head | made, indent=2) + "\n"


def _unindent(definition: dict[str, Any]) -> None:
    """Take a docstring's indentation away, which msgspec 0.23 and Python 3.13 do of their own."""
    if "description" in definition:
        definition["description"] = inspect.cleandoc(definition["description"])
