"""Draws the first screen of a run's report as a picture, for light and for dark pages.

    python .ci/report_picture.py RUN docs/img/report

writes docs/img/report.svg and docs/img/report-dark.svg: text as the terminal shows it, in files that load
nothing from elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

LINE, CHARACTER, MARGIN = 19, 8.0, 16
"""Pixels: the height of a line, the width of a character, and the empty border."""


NO_BREAK = "\N{NO-BREAK SPACE}"
"""Stands for a blank, of which browsers draw one where there are several."""


class Colors(NamedTuple):
    paper: str
    ink: str
    frame: str


LIGHT = Colors("#ffffff", "#1f2328", "#d1d9e0")
DARK = Colors("#0d1117", "#e6edf3", "#3d444d")


def first_screen(folder: Path) -> list[str]:
    """The lines of the report as far as the next command, without the line that names the other parts."""
    from reports.formats import terminal
    from reports.pages import run_report

    lines = terminal.render(run_report.build([folder])).splitlines()
    return [line for line in lines if not line.startswith("More: ")]


def picture(lines: Sequence[str], colors: Colors) -> str:
    """An SVG of lines of text. Each line is stretched to the width of its characters, whatever the font."""
    width = MARGIN * 2 + CHARACTER * max(map(len, lines))
    height = MARGIN * 2 + LINE * len(lines)
    drawn = [
        f'<text x="{MARGIN}" y="{MARGIN + LINE * (number + 1) - 5}" textLength="{CHARACTER * len(line):g}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(line).replace(" ", NO_BREAK)}</text>'
        for number, line in enumerate(lines)
        if line
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" '
            f'height="{height}" role="img" font-family="ui-monospace, Menlo, Consolas, '
            f'DejaVu Sans Mono, monospace" font-size="13" fill="{colors.ink}">',
            f"<title>The first screen of a report</title>\n<desc>{escape(chr(10).join(lines))}</desc>",
            f'<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1}" rx="8" fill="{colors.paper}" '
            f'stroke="{colors.frame}"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def main() -> None:
    lines = first_screen(Path(sys.argv[1]))
    for ending, colors in (("", LIGHT), ("-dark", DARK)):
        Path(f"{sys.argv[2]}{ending}.svg").write_text(picture(lines, colors), encoding="utf-8")


if __name__ == "__main__":
    main()
