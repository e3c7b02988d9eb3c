"""Every format shows what it was given, whatever the cells hold."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import structs

from models.errors import UserError
from reports import formats
from reports.cells import Scalar, readable
from reports.document import Answer, Document, NextStep, Origin, Part, Table

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text(
    "|\\`*_[]<>&~#;ab \n", max_size=30
)
cells = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts


def _document(*rows: tuple[Scalar, ...]) -> Document:
    columns = tuple(f"column {index}" for index in range(len(rows[0])))
    return Document(
        title="Title",
        text=("A paragraph.",),
        tables=(Table(title="Table", columns=columns, rows=rows, notes=("A note.",)),),
        rows=tuple(dict(zip(columns, row, strict=True)) for row in rows),
    )


def _shown(tokens: list[Token]) -> list[str]:
    """The text of each cell, as another library's parser shows it."""
    inline = [token for before, token in itertools.pairwise(tokens) if before.type == "td_open"]
    assert all(child.type in ("text", "text_special") for token in inline for child in token.children or ())
    return ["".join(child.content for child in token.children or ()) for token in inline]


@given(st.tuples(texts, texts))
@example(("__0__", "_a__b_"))
def test_markdown_cells_show_their_text_and_nothing_else(row: tuple[str, str]) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(formats.render("md", _document(row)))
    printable = ["".join(c if c.isprintable() else " " for c in text) for text in row]
    assert [" ".join(text.split()) for text in _shown(tokens)] == [
        " ".join(text.split()) for text in printable
    ]


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=4))
def test_csv_is_read_back_by_another_reader(rows: list[tuple[Scalar, ...]]) -> None:
    text = formats.render("csv", _document(*rows))
    header, *read = csv.reader(io.StringIO(text, newline=""))
    assert header == ["column 0", "column 1", "column 2"]
    assert read == [["" if cell is None else _in_csv(cell) for cell in row] for row in rows]


def _in_csv(cell: str | int | float) -> str:
    is_formula = isinstance(cell, str) and cell[:1] in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    return f"'{cell}" if is_formula else str(cell)


@pytest.mark.parametrize("name", ["=1+1", "+kernel", "-1+1|x", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_no_spreadsheet_computes_a_name(name: str) -> None:
    """Numbers stay numbers, also those below zero."""
    text = formats.render("csv", _document((name, -0.5)))
    (row,) = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert row == [f"'{name}", "-0.5"]


def test_csv_keeps_a_carriage_return() -> None:
    assert formats.render("csv", _document(("a\rb", 1))) == 'column 0,column 1\n"a\rb",1\n'


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=4))
def test_json_keeps_every_cell(rows: list[tuple[Scalar, ...]]) -> None:
    document = _document(*rows)
    assert json.loads(formats.render("json", document))["rows"] == list(document.rows)


def test_json_says_how_its_figures_came_about() -> None:
    """A program needs no other file to know the command, the time, the machine and the result."""
    answered = structs.replace(
        _document((1,)),
        answer=Answer(about="", headlines=("VGG-16: 1 s.",), alarms=("Busy.",), warnings="1 case failed."),
        origin=Origin(
            commands=("convbench run",),
            started_at="2026-01-01T00:00:00+00:00",
            finished_at="2026-01-01T00:01:00+00:00",
            machines=("Test CPU",),
        ),
    )
    found = json.loads(formats.render("json", answered))
    assert found.pop("convbench")
    assert found == {
        "schema": 1,
        "command": ["convbench run"],
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:01:00+00:00",
        "machines": ["Test CPU"],
        "headline": ["VGG-16: 1 s."],
        "warnings": ["Busy.", "1 case failed."],
        "rows": [{"column 0": 1}],
    }


def test_csv_has_figures_only() -> None:
    """A figure without a value, a count of warm-up steps and a field that nothing fills are no figures."""
    rows: tuple[dict[str, Scalar], ...] = (
        {"metric": "wall_time", "median": 0.1, "tuning": "", "target": None},
        {"metric": "energy", "median": None, "tuning": "", "reason": "no counter"},
        {"metric": "warmup_steps", "median": 3.0, "tuning": ""},
    )
    document = structs.replace(_document((1,)), rows=rows)
    assert formats.render("csv", document) == "metric,median\nwall_time,0.1\n"


def test_a_narrow_terminal_leaves_out_optional_columns_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure stays; what one can do without goes."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    table = Table(
        title="Measured",
        columns=("network", "time (ms)", "memory (MiB)", "images/s"),
        rows=(("VGG-16", "344 ±10%", "1,758", "2.9"),),
        optional=("memory (MiB)", "images/s"),
    )
    text = formats.render("terminal", Document(title="", tables=(table,)))
    assert "memory" not in text
    assert "images/s" in text
    assert "344 ±10%" in text


def test_a_note_stands_under_the_first_table_that_needs_it() -> None:
    """Once in a report, and in each part where it is shown alone."""
    first, second = (
        Table(title=t, columns=("a",), rows=((1,),), notes=("The same note.",), part=Part(t.lower(), t))
        for t in ("One", "Two")
    )
    document = Document(title="", tables=(first, second))
    for name in ("md", "terminal"):
        assert formats.render(name, document).count("The same note.") == 1
        assert formats.render(name, document.only("two")).count("The same note.") == 1


@given(st.tuples(cells, cells))
@settings(max_examples=30)
def test_plain_terminal_output_has_no_control_codes_and_no_markup(row: tuple[Scalar, ...]) -> None:
    assert "\x1b[" not in formats.render(
        "terminal", _document(tuple(c for c in row if not isinstance(c, str)) or (1,))
    )
    assert "[bold]kept[/bold]" in formats.render("terminal", _document(("[bold]kept[/bold]",)))


@pytest.mark.parametrize("code", ["\x1b[31m", "\x1b]0;title\a", "\x9b31m", "\u202e", "\r"])
def test_a_terminal_obeys_nothing_in_a_name(code: str) -> None:
    name = f"a{code}b"
    table = Table(title=name, columns=(name,), rows=((name,),), notes=(name,))
    first = Answer(about=name, alarms=(name,), headlines=(name,), table=table, warnings=name)
    for answer in (None, first):
        document = Document(title=name, answer=answer, text=(name,), tables=(table,), whole=True)
        shown = formats.render("terminal", document)
        assert shown.replace("\n", "").isprintable()
        assert shown.count("b") >= 5


def test_a_command_stays_in_its_block_of_code() -> None:
    step = NextStep(command="convbench report 'a\n```\n<b>\x1b[31m'", purpose="shows it")
    answer = Answer(about="", headlines=("A.",), next_step=step)
    shown = formats.render("md", Document(title="", answer=answer, tables=()))
    (block,) = (token for token in MarkdownIt("commonmark").parse(shown) if token.type == "fence")
    assert block.content == "convbench report 'a ``` <b> [31m'\n"


def test_a_narrow_terminal_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    text = formats.render("terminal", _document(("x" * 60, "y" * 60)))
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()) <= 40
    assert (text.count("x"), text.count("y")) == (60, 60)


def test_raw_markdown_is_aligned() -> None:
    lines = formats.render("md", _document(("a", 1), ("long name", 1_000_000))).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert len({len(line) for line in table}) == 1
    assert table[1].endswith(":|")
    assert table[3].split("|")[2].strip() == "1,000,000"


def test_every_module_is_a_format() -> None:
    of_others = {"asv", "asv-benchmarks", "asv-machine", "bencher", "github-action-benchmark", "prometheus"}
    of_others |= {"parquet", "pytest-benchmark"}
    assert set(formats.names()) == {"csv", "html", "json", "md", "terminal"} | of_others
    assert formats.for_any() == ("csv", "html", "json", "md", "terminal")
    assert formats.binary() == ("parquet",)


def test_an_unknown_format_offers_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'json'"):
        formats.render("jsn", _document((1,)))


def test_a_document_without_rows_is_still_rendered() -> None:
    empty = Document(title="Nothing", tables=())
    assert json.loads(formats.render("json", empty))["rows"] == []
    assert formats.render("csv", empty).strip() == ""
    assert formats.render("md", empty) == "# Nothing\n"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (0, "0"),
        (1234567, "1,234,567"),
        (0.0, "0"),
        (0.0123456, "0.01235"),
        (9.9996, "10.00"),
        (1234.56, "1,235"),
        (15470264320.4, "15,470,264,320"),
        (1.5e-7, "1.500e-07"),
        (-2.5, "-2.500"),
    ],
)
def test_numbers_have_four_digits_and_thousands(cell: Scalar, text: str) -> None:
    assert readable(cell) == text
