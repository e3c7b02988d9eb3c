"""What github-action-benchmark wants of a custom tool: name, unit, value; range and extra are text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("jsonschema")

import jsonschema

from reports.formats import github_action_benchmark
from reports.pages import run_report
from tests.planted import planted_records

SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "value": {"type": "number"},
            "unit": {"type": "string"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "required": ["name", "value", "unit"],
        "additionalProperties": False,
    },
}
"""By the README of the action, "customSmallerIsBetter"."""


def test_it_is_of_the_schema(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.example())
    written = json.loads(github_action_benchmark.render(run_report.build([run])))
    jsonschema.validate(written, SCHEMA)
    by_name = {each["name"]: each for each in written}
    assert len(by_name) == len(written)  # the action keeps one series for each name
    step = by_name["vgg11/training/cpu/fp32/eager/nchw/b8/t2/step/wall_time"]
    assert step["value"] == pytest.approx(1000, rel=0.01)
    assert step["unit"] == "ms"
    assert " to " in step["range"]
    assert step["extra"].startswith("3 processes\n")
