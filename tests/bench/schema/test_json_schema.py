"""The JSON Schema of a record is shipped, and is that of the types."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("jsonschema")

from jsonschema import Draft202012Validator

from bench.schema.json_schema import FILE, record_schema
from bench.schema.migrations import decode_record
from bench.schema.record import SCHEMA
from tests.planted.commands import ROOT, Command
from tests.planted.golden import Golden


def test_the_shipped_schema_is_that_of_the_types(golden: Golden) -> None:
    golden.check(FILE, record_schema())


def test_the_schema_names_every_field_of_a_record() -> None:
    made = json.loads(record_schema())
    fields = made["$defs"]["Record"]["properties"]
    assert {"schema", "case", "measurements", "effective", "warnings"} <= fields.keys()


def _kept_records() -> list[bytes]:
    """Every record of the folders that are kept, whatever schema wrote it."""
    files = sorted((ROOT / "tests" / "fixtures").glob("schema_*/**/records.jsonl"))
    return [line for file in files for line in file.read_bytes().splitlines()]


def test_records_of_every_schema_keep_to_it_once_they_are_migrated() -> None:
    validator = Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8")))
    records = _kept_records()
    assert {json.loads(line)["schema"] for line in records} == set(range(1, SCHEMA + 1))
    for line in records:
        validator.validate(json.loads(msgspec.json.encode(decode_record(line))))


@pytest.mark.slow
def test_a_record_that_was_just_measured_keeps_to_it(command_line: Command, tmp_path: Path) -> None:
    answer = command_line(
        *("run", "--model", "lenet5", "--workload", "inference,training", "--threads", 1),
        *("--replicates", 1, "--target-ci", "50%", "--out", tmp_path / "run"),
    )
    assert answer.code == 0
    validator = Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8")))
    lines = (tmp_path / "run" / "records.jsonl").read_bytes().splitlines()
    assert len(lines) == 2
    for line in lines:
        validator.validate(json.loads(line))


@pytest.mark.parametrize(("field", "value"), [("status", "fine"), ("warnings", ["drifting"]), ("case", None)])
def test_what_is_no_record_breaks_it(field: str, value: object) -> None:
    validator = Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8")))
    record = json.loads(msgspec.json.encode(decode_record(_kept_records()[-1])))
    assert validator.is_valid(record)
    assert not validator.is_valid(record | {field: value})
