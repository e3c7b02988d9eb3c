"""Bencher's own schema of its metric format, and its unit: latency is in ns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("jsonschema")

import jsonschema

from reports.formats import bencher
from reports.pages import run_report
from tests.planted import planted_records

METRIC = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
    "required": ["value"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "patternProperties": {".+": {"type": "object", "patternProperties": {".+": METRIC}}},
}
"""As https://bencher.dev/bmf.json has it, and no field that it does not name."""


def test_it_is_of_benchers_schema(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.example())
    written = json.loads(bencher.render(run_report.build([run])))
    jsonschema.validate(written, SCHEMA)
    step = written["vgg11/training/cpu/fp32/eager/nchw/b8/t2/step"]
    assert step["latency"]["value"] == pytest.approx(1e9, rel=0.01)
    assert step["latency"]["lower_value"] < step["latency"]["value"] < step["latency"]["upper_value"]
    assert step["images-per-second"]["value"] == pytest.approx(8, rel=0.01)
    assert step["peak-resident"]["value"] == 3 * 2**30
    assert max(map(len, written)) <= 1024  # of a name, by Bencher's reference
