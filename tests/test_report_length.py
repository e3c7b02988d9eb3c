"""How long the default report of the quick suite is, and how wide its tables are in a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from reports import formats
from reports.cells import Quantity, readable
from reports.compare.compare_report import build as compare
from reports.document import Document
from reports.pages.run_report import build
from tests.planted import planted_records
from tests.planted.planted_learning import VGG, seeds
from tests.planted.planted_suite import quick

MOST_LINES = 120
BEST = (0.981, 0.98, 0.979)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_records.write(tmp_path_factory.mktemp("quick") / "run", quick())


@pytest.fixture(scope="module")
def report(folder: Path) -> Document:
    return build([folder])


def test_the_quick_suite_has_at_most_120_lines_before_the_appendix(report: Document) -> None:
    """With its pictures, and with an alarm: whoever opens report.md reads results, not documentation."""
    text = formats.render("md", structs.replace(report, pictures="plots"))
    before, _, after = text.partition("\n## Appendix\n")
    assert len(before.splitlines()) <= MOST_LINES
    assert after
    for wanted in (
        "shared the machine",
        "All configurations",
        "Training by phase",
        "Speed-ups",
        "memory (MiB)",
    ):
        assert wanted in before, wanted
    assert "Share of peak" in after
    assert "Memory, training" in after


def test_every_configuration_has_its_time_its_limit_and_its_memory_in_one_row(report: Document) -> None:
    tables = {table.title: table for table in report.tables}
    for title in ("Inference on cpu", "Training on cpu"):
        table = tables[title]
        rows = [dict(zip(table.columns, map(readable, row), strict=True)) for row in table.rows]
        assert all(row["memory (MiB)"] == "700" for row in rows)
        assert all(row["% of peak"].endswith("% compute-bound") for row in rows)
        assert all("±" in row["time (ms)"] for row in rows)


def shown_at(width: int, document: Document, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    text = formats.render("terminal", structs.replace(document, whole=True))
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def figures_of(document: Document) -> Sequence[str]:
    """The first figure of each row, as it is written."""
    firsts = (
        next((cell for cell in row if isinstance(cell, Quantity)), None)
        for table in document.tables
        for row in table.rows
    )
    return [readable(first) for first in firsts if first is not None]


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("what", ["run", "comparison", "training"])
def test_tables_fit_the_terminal_and_keep_their_figures(
    folder: Path, report: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, what: str
) -> None:
    """Columns that one can do without go first; a figure is neither dropped nor broken."""
    document = report
    if what == "comparison":
        other = planted_records.write(tmp_path / "other", quick(contended=False))
        document = compare([folder], [other], show_all=True).document
    if what == "training":
        learned = [record for at in range(12) for record in seeds(structs.replace(VGG, batch=2**at), BEST)]
        document = build([planted_records.write(tmp_path / "trained", learned)])
    lines = shown_at(width, document, monkeypatch)
    assert max(len(line) for line in lines if not line.startswith("Next: ")) <= width
    text = "\n".join(lines)
    found = figures_of(document)
    assert len(found) > 20
    assert [figure for figure in found if figure not in text] == []
