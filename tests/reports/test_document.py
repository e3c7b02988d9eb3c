"""Tables of quantities: what is known of a cell is never read back from its text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from reports import formats
from reports.cells import BORROWED, FOLLOWS_FROM_UNRESOLVED, ONE, UNRESOLVED, Quantity, readable
from reports.document import Document, Plot, Series, Table, TableKey
from reports.tables.wording import BORROWED_NOTE, UNRESOLVED_NOTE, WITHIN_NOTE, interval_notes

numbers = st.floats(1e-6, 1e9)
shares = st.floats(0, 20)


@st.composite
def quantities(draw: st.DrawFn) -> Quantity:
    value = draw(numbers)
    known = draw(st.booleans())
    return Quantity(
        value=value,
        low=value / (1 + draw(shares)) if known else None,
        high=value * (1 + draw(shares)) if known else None,
        unit=draw(st.sampled_from(["", "x", "%"])),
        of_one=(borrowed := draw(st.sampled_from([None, False, True]))) is False,
        borrowed=borrowed is True,
        more=draw(st.none() | st.integers(0, 60)),
        unresolved=draw(st.sampled_from([False, False, True])),
        interval=draw(st.sampled_from(["relative", "around", "ends"])),
        digits=draw(st.sampled_from(["measured", "given", "whole", 0, 1, 2, 3])),
        sign=draw(st.sampled_from(["minus", "always", "unless zero"])),
        more_than=draw(st.booleans()),
    )


number_cells = st.none() | st.integers() | numbers | quantities()
texts_like_numbers = quantities().map(readable) | st.sampled_from(["2015", "2.9.1", "90%", "1", "12.3 ±1% †"])


@given(st.lists(number_cells, min_size=1), texts_like_numbers)
def test_a_column_is_numeric_by_what_its_cells_are_and_not_by_how_they_look(
    cells: list[int | float | Quantity | None], text: str
) -> None:
    only_numbers = Table(title="", columns=("a",), rows=tuple((cell,) for cell in cells))
    assert only_numbers.numeric == (True,)
    with_text = structs.replace(only_numbers, rows=(*only_numbers.rows, (text,)))
    assert with_text.numeric == (False,)


def test_a_quantity_without_end_is_a_word() -> None:
    never = Quantity(value=math.inf, low=900, high=math.inf, interval="ends", digits="whole", endless="never")
    assert readable(never) == "never (900 to never)"
    assert Table(title="", columns=("steps",), rows=((never,),)).numeric == (False,)


@given(st.lists(number_cells | texts_like_numbers | st.sampled_from([ONE, BORROWED, UNRESOLVED])))
def test_notes_follow_from_the_quantities_alone(cells: list[str | int | float | Quantity | None]) -> None:
    found = [cell for cell in cells if isinstance(cell, Quantity)]
    notes = interval_notes(cells)
    assert (WITHIN_NOTE in notes) == any(cell.of_one and not cell.unresolved for cell in found)
    assert (BORROWED_NOTE in notes) == any(cell.borrowed and not cell.unresolved for cell in found)
    assert (UNRESOLVED_NOTE in notes) == any(cell.unresolved or not cell.is_resolved for cell in found)
    assert interval_notes(cells, "one seed")[: len(notes)] == tuple(
        "one seed" if note == WITHIN_NOTE else note for note in notes
    )


@given(quantities())
def test_every_mark_that_is_written_has_its_note_and_every_note_its_mark(cell: Quantity) -> None:
    text = readable(cell)
    assert (ONE in text) == (WITHIN_NOTE in interval_notes([cell]))
    assert (BORROWED in text) == (BORROWED_NOTE in interval_notes([cell]))
    is_marked = UNRESOLVED in text or text == FOLLOWS_FROM_UNRESOLVED
    assert is_marked == (UNRESOLVED_NOTE in interval_notes([cell]))


@given(quantities())
def test_a_figure_whose_interval_reaches_beyond_a_quarter_is_called_not_resolved_and_has_no_number(
    cell: Quantity,
) -> None:
    if cell.shares is None or max(cell.shares) <= 0.25:
        assert UNRESOLVED not in readable(cell)
    elif not cell.unresolved:
        assert readable(cell).startswith(UNRESOLVED)
        assert "±" not in readable(cell)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Quantity(value=12.34), "12.34"),
        (Quantity(value=12.341, low=12.2, high=12.488), "12.34 ±1.2%"),
        (Quantity(value=1.0, low=0.82, high=1.22, unit="x", of_one=True), "1.000x †"),
        (Quantity(value=1.0, low=1.0, high=1.0), "1.000 ±0%"),
        (Quantity(value=1.0, low=0.9999, high=1.0001), "1.000 ±<0.1%"),
        (Quantity(value=150.4, low=136.0, high=165.0), "150 ±10%"),
        (Quantity(value=1234.4, low=1190.0, high=1280.0), "1,230 ±4%"),
        (Quantity(value=0.01234, low=0.0119, high=0.0128), "0.0123 ±4%"),
        (Quantity(value=102.3, low=80.2, high=126.7, unit="x"), "about 102x (80x to 127x)"),
        (Quantity(value=1.0, low=0.75, high=1.25), "about 1.00 (0.75 to 1.25)"),
        (Quantity(value=1.0, low=0.8, high=1.26, unit="x"), "not resolved (0.8x to 1.3x)"),
        (Quantity(value=1.0, low=0.5, high=2.0, more=4), "not resolved (0.5 to 2; +4)"),
        (
            Quantity(value=1.0, low=0.5, high=2.0, more=51, of_one=True),
            "not resolved (0.5 to 2; +>50) †",
        ),
        (Quantity(value=1.0, low=1e-70, high=1e70), "not resolved"),
        (Quantity(value=1.0, low=0.01, high=100.0, more=12), "not resolved (+12)"),
        (Quantity(value=1.0, unresolved=True), "?"),
        (Quantity(value=60.03, low=55.0, high=65.0, borrowed=True), "60 ±8% §"),
        (Quantity(value=7.42, low=7.0, high=7.92, unit="x", interval="ends"), "7.4x (7.0x to 7.9x)"),
        (Quantity(value=98.12, low=97.69, high=98.55, interval="around", digits=2), "98.12 ±0.43"),
        (Quantity(value=98.12, of_one=True, interval="around", digits=2), "98.12 †"),
        (
            Quantity(value=-0.31, low=-0.8, high=0.18, interval="ends", digits=2, sign="always"),
            "-0.31 (-0.80 to +0.18)",
        ),
        (Quantity(value=0.0, digits=2, sign="unless zero"), "0.00"),
        (Quantity(value=0.0, digits=1, sign="always", unit="%"), "+0.0%"),
        (Quantity(value=1000, unit="%", digits="given", more_than=True), ">1000%"),
        (Quantity(value=2015, digits="given"), "2015"),
        (
            Quantity(value=1234.4, low=900, high=math.inf, interval="ends", digits="whole"),
            "1,234 (900 to inf)",
        ),
    ],
)
def test_a_quantity_is_written_as_what_it_is(cell: Quantity, text: str) -> None:
    assert readable(cell) == text


titles = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1)
KEY = TableKey("latency", ("training", "cuda"))
PLOT = Plot(
    name="drawn", title="A picture", x_label="x", y_label="y", series=(Series(x=(1.0, 2.0), y=(1.0, 2.0)),)
)


def _document(first: str, second: str, under: TableKey | None) -> Document:
    return Document(
        title="Title",
        tables=(
            Table(title=first, key=KEY, columns=("a",), rows=((1,),)),
            Table(title=second, columns=("a",), rows=((1,),)),
        ),
        plots=(structs.replace(PLOT, under=under),),
        pictures="plots",
    )


@given(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1), st.sampled_from(["same", "other"])
)
def test_a_plot_finds_its_table_by_key_whatever_the_titles_say(title: str, second: str) -> None:
    """Two tables of one title are no matter, nor is a title that the plot never heard of."""
    document = _document(title, title if second == "same" else "Other", KEY)
    first, last = document.tables
    assert document.plots_under(first) == document.plots
    assert document.plots_under(last) == ()
    assert document.plots_apart == ()
    text = formats.render("md", document)
    assert text.index(f"## {title}") < text.index("plots/drawn.png") < text.rindex("## ")


@pytest.mark.parametrize(
    "under", [None, TableKey("latency", ("inference", "cuda")), TableKey("Training on cuda")]
)
def test_a_plot_without_a_table_stands_at_the_end(under: TableKey | None) -> None:
    document = _document("Training on cuda", "Last", under)
    assert [document.plots_under(table) for table in document.tables] == [(), ()]
    assert document.plots_apart == document.plots
    text = formats.render("md", document)
    assert text.index("## Last") < text.index("plots/drawn.png")
    page = formats.render("html", document)
    assert page.index('id="last"') < page.index('id="plots"')


def test_what_all_rows_share_stands_first_under_the_table() -> None:
    table = Table(title="", columns=("a",), rows=((1,),), shared=("fp32", "batch 8"), notes=("A note.",))
    assert table.footnotes == ("All rows: fp32, batch 8.", "A note.")
