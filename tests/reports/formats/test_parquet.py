"""pyarrow reads back what JSON has, with types; without pyarrow one sentence says what to install."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from models.errors import UserError
from reports import formats
from reports.cells import Scalar
from reports.document import Document, Origin
from reports.formats import parquet
from reports.pages import run_report
from tests.planted import planted_records
from tests.planted.commands import ROOT, Command, is_one_sentence

pa = pytest.importorskip("pyarrow")


def read(content: bytes) -> Any:
    """The table. Not at the top of this file: that imports pyarrow only where it is installed."""
    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(content))


def of(*rows: dict[str, Scalar]) -> Any:
    return read(parquet.render_bytes(Document(title="T", tables=(), rows=rows)))


def test_a_report_has_the_rows_of_its_json(tmp_path: Path) -> None:
    document = run_report.build([planted_records.write(tmp_path / "run", planted_records.example())])
    table = read(parquet.render_bytes(document))
    rows = json.loads(formats.render("json", document))["rows"]
    filled = list(dict.fromkeys(name for row in rows for name in row))
    filled = [name for name in filled if any(row.get(name) is not None for row in rows)]
    assert table.column_names == filled
    assert table.to_pylist() == [{name: row.get(name) for name in filled} for row in rows]
    types = {name: str(table.schema.field(name).type) for name in ("model", "batch", "median", "flops")}
    assert types == {"model": "string", "batch": "int64", "median": "double", "flops": "double"}
    assert table.schema.field("images_per_second").metadata == {b"unit": b"1/s"}


def test_the_file_says_how_it_came_about(tmp_path: Path) -> None:
    origin = Origin(commands=("convbench run",), machines=("Test CPU",), commits=("abc1234",))
    document = Document(title="T", tables=(), rows=({"a": 1},), origin=origin)
    told = json.loads(read(parquet.render_bytes(document)).schema.metadata[b"convbench"])
    assert told["convbench"]
    assert (told["command"], told["machines"], told["commits"]) == (
        ["convbench run"],
        ["Test CPU"],
        ["abc1234"],
    )


@pytest.mark.parametrize(
    ("cells", "type_", "read_back"),
    [
        ((True, None), "bool", [True, None]),
        ((2**63 - 1, None), "int64", [2**63 - 1, None]),
        ((2**63, 1), "double", [2.0**63, 1.0]),
        ((1, 0.5), "double", [1.0, 0.5]),
        ((float("nan"), 0.5), "double", [None, 0.5]),
        (("=1+1", "ü\n"), "string", ["=1+1", "ü\n"]),
        ((1, "one"), "string", ["1", "one"]),
    ],
)
def test_a_column_has_the_type_of_its_cells(
    cells: tuple[Scalar, ...], type_: str, read_back: list[Scalar]
) -> None:
    table = of(*({"x": cell} for cell in cells))
    assert str(table.schema.field("x").type) == type_
    assert table.column("x").to_pylist() == read_back


def test_times_are_in_utc() -> None:
    table = of({"started_at": "2026-01-01T02:00:00+02:00"}, {"started_at": "2026-01-01T00:00:01"}, {})
    assert str(table.schema.field("started_at").type) == "timestamp[us, tz=UTC]"
    first, second, third = table.column("started_at").to_pylist()
    assert first == datetime(2026, 1, 1, tzinfo=UTC)
    assert second == datetime(2026, 1, 1, second=1, tzinfo=UTC)
    assert third is None
    odd = of({"at": "2026-01-01T00:00:00"}, {"at": "never"})
    assert odd.column("at").to_pylist() == ["2026-01-01T00:00:00", "never"]


def test_a_document_without_rows_is_refused() -> None:
    with pytest.raises(UserError, match="there is no row to write"):
        parquet.render_bytes(Document(title="T", tables=()))


def test_commands_write_it(command_line: Command, tmp_path: Path) -> None:
    """By the file's ending, whole or not at all; a terminal is told what to do."""
    run = planted_records.write(tmp_path / "run", planted_records.example())
    rows = command_line("report", run, "--json").rows()
    file = tmp_path / "run.parquet"
    assert command_line("report", run, "-o", file) == (0, "", "")
    assert [row["median"] for row in read(file.read_bytes()).to_pylist()] == [r["median"] for r in rows]
    assert {each.name for each in tmp_path.iterdir()} == {"run", "run.parquet"}
    other = tmp_path / "suites.parquet"
    assert command_line("list", "suites", "-o", other).code == 0
    assert read(other.read_bytes()).num_rows == len(command_line("list", "suites", "--json").rows())


def test_standard_output_gets_the_bytes(
    command_line: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "suites.parquet"
    command_line("list", "suites", "-o", file)
    written = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", written)
    command_line("list", "suites", "--format", "parquet")
    assert written.buffer.getvalue() == file.read_bytes()


def test_a_terminal_gets_a_sentence(command_line: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    answer = command_line("list", "suites", "--format", "parquet")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "convbench: parquet is no text that a terminal shows. Give -o FILE.parquet\n"


def test_without_pyarrow_one_sentence_says_what_to_install(
    command_line: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = command_line("list", "suites", "-o", tmp_path / "x.parquet")
    assert (answer.code, answer.out, list(tmp_path.iterdir())) == (2, "", [])
    assert is_one_sentence(answer.err)
    assert "pip install 'convbench[parquet]'" in answer.err


def test_no_command_forgets_that_a_format_may_be_no_text() -> None:
    """`formats.content` gives bytes of such a format; `formats.render` refuses it."""
    asked = re.compile(r"formats\.render\((?!\")")
    sources = [path for package in ("bench", "reports") for path in (ROOT / package).rglob("*.py")]
    assert [path.name for path in sources if asked.search(path.read_text(encoding="utf-8"))] == []
    assert asked.search("output.show(formats.render(format_, document))")


def test_python_is_told_that_it_is_no_text() -> None:
    document = structs.replace(Document(title="T", tables=()), rows=({"a": 1},))
    with pytest.raises(UserError, match="parquet is no text"):
        formats.render("parquet", document)
