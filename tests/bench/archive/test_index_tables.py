"""The tables of the index hold what an entry says, and forget it whole."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest
from msgspec import structs

from bench.archive import entries, index_tables
from bench.schema.case import Case
from tests.planted import planted_records


def test_an_entry_goes_in_once_and_is_forgotten_whole(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.replicates(Case(model="vgg11"), [0.1, 0.2]))
    entry = entries.add(tmp_path / "archive", run).entry
    index = sqlite3.connect(":memory:")
    index_tables.create(index)

    def rows() -> list[int]:
        tables = ("entries", "conditions", "cases")
        return [index.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

    index_tables.insert(index, entry, packed=1, changed=1)
    index_tables.insert(index, entry, packed=1, changed=1)
    assert rows() == [1, 1, 1]
    index_tables.forget(index, [entry.digest])
    assert rows() == [0, 0, 0]
    index.close()


def test_what_two_tools_measured_of_one_case_are_two_cases(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.replicates(Case(model="vgg11"), [0.1]))
    entry = entries.add(tmp_path / "archive", run).entry
    (own,) = entry.facts.cases
    both = structs.replace(entry.facts, cases=(own, structs.replace(own, origin="timm", seconds=(0.3,))))
    index = sqlite3.connect(":memory:")
    index_tables.create(index)
    index_tables.insert(index, structs.replace(entry, facts=both), packed=1, changed=1)
    found = index.execute("SELECT origin, log_seconds FROM cases ORDER BY origin").fetchall()
    assert found == [("", pytest.approx(math.log(0.1))), ("timm", pytest.approx(math.log(0.3)))]
    index.close()
