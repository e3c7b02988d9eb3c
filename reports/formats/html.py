"""One page that needs nothing else: sortable tables and pictures, no file beside it and no network.

All text is escaped by the template engine; markup that is not escaped comes from this project alone. A
Content-Security-Policy in the page forbids what the page does not have: a script that found its way in would
not run, and nothing could be fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from reports.cells import Cell, readable
from reports.document import Document, Plot, Table
from reports.drawing import plots
from reports.tables.unique_names import UniqueNames

if TYPE_CHECKING:
    from markupsafe import Markup

NAME = "html"

LONG_LETTERS = 48
"""Shorter texts stay on one line: a name that is broken in two is hard to find."""
ELSEWHERE = "Plots"
"""The heading of the plots that belong to no table."""


class Picture(Struct, frozen=True):
    """A plot that was drawn."""

    plot: Plot
    svg: Markup


class Section(Struct, frozen=True):
    """A heading with what stands under it; `anchor` is what a link within the page points to."""

    anchor: str
    title: str
    table: Table | None
    pictures: Sequence[Picture]


def render(document: Document) -> str:
    """The page; drawing its plots takes most of the time."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("reports", "formats"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = _asset("page.js")
    return environment.get_template("page.html.j2").render(
        document=document,
        sections=_sections(document),
        kind_of=_kind_of,
        colours=plots.COLOURS,
        style=Markup(_asset("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _asset(name: str) -> str:
    return files("reports.formats").joinpath(name).read_text(encoding="utf-8")


def _printable(cell: Cell) -> str:
    """What stands in the page: a cell as people read it; a character that nobody sees becomes a space."""
    text = readable(cell)
    if text.isprintable() or hasattr(text, "__html__"):
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def _kind_of(cell: Cell, numeric: bool) -> str:
    """The class of a cell: how it is aligned and where it may break."""
    if numeric:
        return "number"
    return "long" if len(readable(cell)) > LONG_LETTERS else ""


def _sections(document: Document) -> list[Section]:
    names = UniqueNames()
    found = [
        Section(
            names.unused(table.title),
            table.title,
            table,
            _pictures(document.plots_under(table)),
        )
        for table in document.tables
    ]
    if document.plots_apart:
        found.append(Section(names.unused(ELSEWHERE), ELSEWHERE, None, _pictures(document.plots_apart)))
    return found


def _pictures(found: Sequence[Plot]) -> list[Picture]:
    """Without title and note, which are text of the page."""
    from markupsafe import Markup

    from reports.drawing.inline_svg import inline

    drawn = []
    for plot in found:
        svg = plots.draw(structs.replace(plot, title="", note=""), "svg", words_as_text=True)
        drawn.append(Picture(plot, Markup(inline(svg, plot.name, plot.title))))
    return drawn
