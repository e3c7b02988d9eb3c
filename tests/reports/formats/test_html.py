"""The page as text: nothing from elsewhere, nothing unescaped; a browser looks at it in test_page.py."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from reports import formats
from reports.cells import Cell, Quantity, readable
from reports.document import Answer, Document, Plot, Series, Table, TableKey
from reports.drawing import plots
from reports.drawing.inline_svg import PAGE_COLORS, inline
from reports.pages.run_report import build
from reports.tables.label_meanings import MEANINGS
from tests.planted import planted_answer, planted_records
from tests.planted.commands import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:Glyph 7")
"""No font draws the control character of a planted label."""
SCRIPT = "<script>alert(1)</script>"
VOID = {"meta", "link", "br", "hr", "img", "input"}
LINES = Plot(
    name="lines",
    title=f"Lines {SCRIPT}",
    note=f"A note {SCRIPT}",
    x_label=SCRIPT,
    y_label="y",
    series=(
        Series(label=f"one {SCRIPT}", x=(1.0, 2.0), y=(1.0, 3.0), low=(0.5, 2.0), high=(2.0, 4.0)),
        Series(label='two "&\x07', x=(1.0, 2.0), y=(2.0, 1.0), dashed=True),
    ),
)
POINTS = structs.replace(LINES, name="points", kind="points", under=TableKey("first"))
STRIPS = Plot(
    name="strips",
    title="Strips",
    x_label="time",
    y_label="",
    kind="strips",
    series=(
        Series(label=SCRIPT, x=(0.9, 1.0, 1.1, 1.0), y=(1.0, 1.0, 1.0, 2.0)),
        Series(label="b", x=(1.0,), y=(1.0,)),
    ),
)


class Page(HTMLParser):
    """The elements of a page in their order, and the text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def attributes(self, name: str) -> list[str]:
        return [found for _, attributes in self.tags if (found := attributes.get(name)) is not None]

    def of(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]


def document(*rows: tuple[Cell, ...], found: tuple[Plot, ...] = ()) -> Document:
    columns = tuple(f"column {index}" for index in range(len(rows[0])))
    tables = (
        Table(title="First", key=TableKey("first"), columns=columns, rows=rows, notes=("A note.",)),
        Table(title="Second", columns=columns, rows=rows),
    )
    return Document(title="Title", text=("A paragraph.",), tables=tables, plots=found)


def page(shown: Document) -> Page:
    return Page(formats.render("html", shown))


PLANTED = Document(
    title=SCRIPT,
    text=(SCRIPT, "</p><img src=x onerror=alert(1)>"),
    tables=(
        Table(
            title=f"First {SCRIPT}",
            key=TableKey("first"),
            columns=("a", f"b {SCRIPT}"),
            rows=((SCRIPT, '" onmouseover="alert(1)'), ("</td></table>" + SCRIPT, "javascript:alert(1)")),
            notes=(f"note {SCRIPT}", "https://example.org/x.js"),
        ),
    ),
    plots=(LINES, POINTS, STRIPS),
)


def test_markup_in_any_text_is_shown_as_text() -> None:
    shown = page(PLANTED)
    assert [tag for tag, _ in shown.tags].count("script") == 1
    assert {tag for tag, _ in shown.tags}.isdisjoint({"img", "iframe", "object", "form", "base"})
    assert not [key for _, attributes in shown.tags for key in attributes if key.startswith("on")]
    assert shown.of("h1", "title") == [SCRIPT, SCRIPT]
    assert shown.of("th", "td")[:4] == ["a", f"b {SCRIPT}", SCRIPT, '" onmouseover="alert(1)']
    assert f"note {SCRIPT}" in shown.of("p")
    assert sum(SCRIPT in text for text in shown.of("text")) == 5, "two axes, two legends and a row's name"
    assert sum(SCRIPT in text for text in shown.of("h3")) == 2


@pytest.mark.slow
def test_nothing_comes_from_elsewhere() -> None:
    shown = page(PLANTED)
    links = shown.attributes("href") + shown.attributes("src") + shown.attributes("xlink:href")
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert not re.search(r"url\((?!#)|@import", formats.render("html", PLANTED))
    anchors = set(shown.attributes("id"))
    assert {link[1:] for link in links if link.startswith("#")} <= anchors


def test_only_the_pages_own_script_may_run() -> None:
    shown = page(PLANTED)
    (policy,) = [a["content"] for tag, a in shown.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    script = "".join(shown.of("script"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    assert "querySelectorAll" in script


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text(
    "<>&\"'/=! ab{}%#", max_size=20
)
cells = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts


@pytest.mark.slow
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_cells_show_their_text_and_nothing_else(rows: list[tuple[Cell, ...]]) -> None:
    shown = page(document(*rows))
    wanted = ["".join(c if c.isprintable() else " " for c in readable(cell)) for row in rows for cell in row]
    found = shown.of("td", "th")
    columns = ["column 0", "column 1"]
    assert found == 2 * [*columns, *filter(None, wanted)]


def test_tables_say_what_their_cells_are() -> None:
    shown = page(document(("alexnet", Quantity(value=12.3, low=12.2, high=12.4)), ("vgg11", None)))
    heads = [attributes for tag, attributes in shown.tags if tag == "th"]
    assert [head["scope"] for head in heads[:4]] == ["col", "col", "row", "row"]
    assert [head["class"] for head in heads[:2]] == ["", "number"]
    assert [attributes.get("aria-label") for tag, attributes in shown.tags if tag == "table"] == [
        "First",
        "Second",
    ]
    assert shown.of("a") == ["First", "Second"]
    assert shown.attributes("href")[1:3] == ["#first", "#second"]


def test_titles_that_are_alike_have_anchors_of_their_own() -> None:
    table = Table(title="表", columns=("a",), rows=((1,),))
    ids = page(Document(title="T", tables=(table, table))).attributes("id")
    assert len(set(ids)) == len(ids)
    assert all(ids)


def test_a_plot_stands_under_its_table_and_others_at_the_end() -> None:
    text = formats.render("html", document(("a", 1), found=(LINES, POINTS)))
    places = [text.index(mark) for mark in ('id="first"', "<figure>", 'id="second"', 'id="plots"')]
    assert places == sorted(places)
    assert text.count("<figure>") == 2
    assert text.rindex("<figure>") > places[-1]


@pytest.mark.slow
def test_pictures_share_no_ids_and_refer_to_their_own() -> None:
    """matplotlib gives two plots of the same points the same ids."""
    twin = structs.replace(LINES, name="twin")
    shown = page(document(("a", 1), found=(LINES, twin, POINTS, STRIPS)))
    ids = shown.attributes("id")
    assert len(ids) == len(set(ids))
    used = {found for style in shown.attributes("clip-path") for found in re.findall(r"url\(#(.+)\)", style)}
    assert used
    assert used <= set(ids)


@pytest.mark.parametrize("plot", [LINES, POINTS, STRIPS], ids=lambda plot: plot.kind)
def test_a_picture_takes_the_pages_colors_and_fonts(plot: Plot) -> None:
    svg = inline(plots.draw(plot, "svg", words_as_text=True), plot.name, plot.title)
    drawn = re.sub(r">[^<]*<", "><", svg)
    assert not re.search(r"#[0-9a-fA-F]{6}\b", drawn)
    assert "font-family" not in drawn
    assert "var(--series-0)" in drawn
    assert "var(--paper)" in drawn
    root = Page(svg).tags[0]
    assert root[0] == "svg"
    assert set(root[1]) == {"viewbox", "role", "aria-label"}
    assert root[1]["aria-label"] == plot.title
    css = "".join(page(document(("a", 1))).of("style"))
    dark = css[css.index("prefers-color-scheme: dark") :]
    own = {found for color in PAGE_COLORS.values() for found in re.findall(r"--[\w-]+", color)}
    assert all(f"{name}:" in dark for name in own), "each has another value in the dark"


def test_the_answer_stands_ahead_of_the_contents_and_all_parts() -> None:
    text = formats.render("html", planted_answer.document())
    marks = (
        "<h1>VGG-16 and AlexNet on Intel Xeon</h1>",
        "Intel Xeon, 2 cores",
        "other programs took 30% of CPU time",
        "VGG-16 inference, batch 1: 8.00 ms",
        "<figcaption>Milliseconds per image</figcaption>",
        "<h2>Best measured configuration</h2>",
        "1 row ! (drifting 1, steal 1)",
        "Next: resolves 1 figure, about 9 minutes",
        "<code>convbench run --resume --out runs/1</code>",
        "<nav",
        "<h2>All configurations</h2>",
        "<h2>Peak memory</h2>",
        "<h2>Appendix</h2>",
        "<h3>How these figures were made</h3>",
        "Times are medians.",
        "<h3>System</h3>",
    )
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "<title>VGG-16 and AlexNet on Intel Xeon · convbench</title>" in text


def test_the_contents_name_the_parts_and_one_appendix() -> None:
    shown = page(planted_answer.document())
    assert shown.of("a") == ["Results", "All configurations", "Peak memory", "Appendix"]
    assert [tag for tag, _ in shown.tags].count("details") == 5 + 2, "of two tables what their labels mean"


def test_a_report_without_an_answer_has_its_tables_in_view() -> None:
    shown = page(document(("a", 1)))
    assert [tag for tag, _ in shown.tags].count("details") == 1, "the contents alone"
    assert page(planted_answer.document().only("memory")).of("h2") == ["Peak memory"]


def test_every_row_has_a_link_that_names_it() -> None:
    shown = page(planted_answer.document())
    links = {a["href"]: a["aria-label"] for tag, a in shown.tags if tag == "a" and a.get("class") == "mark"}
    rows = [attributes["id"] for tag, attributes in shown.tags if tag == "tr" and "id" in attributes]
    assert len(rows) == len(set(rows)) == 2 + 12 + 2 + 1
    assert {f"#{row}" for row in rows} <= set(links)
    assert links["#inference-on-cpu-vgg-16-3"] == "Link to VGG-16 3"


def test_only_rows_of_times_have_their_samples_and_in_words_too() -> None:
    shown = page(planted_answer.document())
    rows = [a for tag, a in shown.tags if tag == "tr" and "data-samples" in a]
    assert len(rows) == 2 + 12, "those of the answer and of the table that the plot is under"
    panels = {a["id"] for tag, a in shown.tags if tag == "div" and a.get("class") == "samples"}
    assert {row["data-samples"] for row in rows} == panels
    assert sum("3 processes: medians -2.0% to +3.0%" in text for text in shown.of("p")) == 14


def test_labels_are_explained_where_they_stand() -> None:
    shown = page(planted_answer.document())
    titles = {a["title"] for tag, a in shown.tags if tag == "abbr"}
    assert "other virtual machines took CPU time" in titles
    assert shown.of("abbr")[:2] == ["drifting", "steal"]


def test_the_first_screen_has_fewer_digits_than_the_parts() -> None:
    rows = ((Quantity(value=8.12345),),)
    table = Table(title="Times", columns=("time, ms",), rows=rows)
    answer = Answer(about="", headlines=(), table=structs.replace(table, title="Best"))
    assert page(Document(title="T", answer=answer, tables=(table,))).of("th") == [
        "time, ms",
        "8.12",
        "time, ms",
        "8.123",
    ]


def test_a_real_report_is_whole_and_small(tmp_path: Path) -> None:
    shown = build([planted_records.write(tmp_path, planted_records.example())])
    text = formats.render("html", shown)
    found = Page(text)
    assert text.endswith("</html>\n")
    tags = [tag for tag, attributes in found.tags if attributes.get("class") != "chart"]
    assert tags.count("figure") == len(shown.plots) > 0
    assert tags.count("table") >= len(shown.tables)
    assert shown.answer is not None
    assert shown.answer.table is not None
    assert len(shown.answer.table.row_names) == len(shown.answer.table.rows), "so they find their samples"
    assert "tried <64 GiB> | free 1 GiB" in " ".join(found.of("td"))
    assert len(text) < 500_000


@pytest.mark.slow
def test_the_command_writes_the_page_and_nothing_beside(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.example())
    file = tmp_path / "out" / "page.html"
    file.parent.mkdir()
    command = [sys.executable, "-m", "bench", "report", str(run), "--format", "html", "-o", str(file)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert [found.name for found in file.parent.iterdir()] == ["page.html"]
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_meaning_of_each_label_is_text_under_its_table() -> None:
    """A title needs a pointer that hovers: neither a phone nor a keyboard has one."""
    text = formats.render("html", planted_answer.document())
    legend = text[text.index('<details class="legend">') :]
    legend = legend[: legend.index("</details>")]
    for label in ("drifting", "steal"):
        assert legend.count(f"<dt>{label}</dt>") == 1
        assert f"<dd>{MEANINGS[label]}</dd>" in legend
