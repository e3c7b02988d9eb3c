"""Runs that earlier versions wrote are read as ever (tests/fixtures/README.md says where they come from)."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bench.store import RECORDS
from reports import formats
from reports.pages.run_report import build
from tests.planted.commands import ROOT
from tests.planted.golden import Golden

FIXTURES = ROOT / "tests" / "fixtures"
RUNS = {
    "schema_1": 1,
    "schema_1_planted": 1,
    "schema_2": 2,
    "schema_2_planted": 2,
    "schema_3": 3,
    "schema_3_layers": 3,
    "schema_3_planted": 3,
    "schema_4": 4,
    "schema_4_planted": 4,
}
"""Folder -> the schema of all its records."""


@pytest.mark.parametrize("format_", ["md", "json"])
@pytest.mark.parametrize("run", RUNS)
def test_the_report_of_a_kept_run_is_the_golden_one(
    run: str, format_: str, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, but for the last digits of a float and the version that made it."""
    monkeypatch.chdir(FIXTURES)  # the next command names the folder as it was given
    report = formats.render(format_, build([Path(run)]))
    report = re.sub(r'"convbench": "[^"]*"', '"convbench": "0.0.0"', report)
    golden.check(FIXTURES / run / f"report.{format_}", report, essence=_rounded)


def _rounded(text: str) -> str:
    """Nine digits: logarithms and quantiles of another libm, numpy or scipy differ in the last of 16, and
    what is fitted from them in the last of 12."""
    return re.sub(r"\d+\.\d{3,}(e[+-]?\d+)?|\d+\.\d+e[+-]?\d+", lambda found: f"{float(found[0]):.9g}", text)


@pytest.mark.parametrize("run", RUNS)
def test_kept_records_have_the_schema_of_their_folder(run: str) -> None:
    """They were never written anew by a later version."""
    lines = (FIXTURES / run / RECORDS).read_bytes().splitlines()
    assert {msgspec.json.decode(line)["schema"] for line in lines} == {RUNS[run]}


def test_every_kept_run_is_tested() -> None:
    assert {folder.name for folder in FIXTURES.glob("schema_*")} == RUNS.keys()
