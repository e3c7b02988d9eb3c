"""The tables of the index hold what an entry says, and forget it whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

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
