"""The JSON Schema of a record is shipped, and is that of the types."""

from __future__ import annotations

import json

from bench.schema.json_schema import FILE, record_schema
from tests.planted.golden import Golden


def test_the_shipped_schema_is_that_of_the_types(golden: Golden) -> None:
    golden.check(FILE, record_schema())


def test_the_schema_names_every_field_of_a_record() -> None:
    made = json.loads(record_schema())
    fields = made["$defs"]["Record"]["properties"]
    assert {"schema", "case", "measurements", "effective", "warnings"} <= fields.keys()
