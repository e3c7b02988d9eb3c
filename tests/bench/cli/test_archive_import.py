"""`convbench archive import`, and what other commands say of what was imported."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from pathlib import Path

import pytest

from bench.archive import importing
from bench.archive.importing import Import
from tests.planted import planted_sessions
from tests.planted.commands import ROOT, Command, is_one_sentence

HYPERFINE = ROOT / "tests" / "fixtures" / "imports" / "hyperfine.json"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of each tool."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVBENCH_ARCHIVE", raising=False)
    (tmp_path / "h.json").write_bytes(HYPERFINE.read_bytes())
    (tmp_path / "t.csv").write_text("model,infer_step_time,infer_batch_size\nvit,7.62,8\n")
    planted_sessions.write(tmp_path / "p.json", [planted_sessions.benchmark("test_a", 0.5)])
    return tmp_path


def test_files_of_three_tools_at_once(here: Path, command_line: Command) -> None:
    rows = command_line("archive", "import", "h.json", "t.csv", "p.json", "--json").rows()
    assert [(row["origin"], row["benchmarks"], row["kinds"]) for row in rows] == [
        ("hyperfine", 4, "unknown"),
        ("timm", 1, "unknown"),
        ("pytest-benchmark", 1, "Test CPU"),
    ]
    listed = command_line("archive", "list")
    assert "3 of them imported (hyperfine, pytest-benchmark, timm)" in listed.out
    assert "Next: convbench trend" in listed.out
    assert {row["origin"] for row in command_line("archive", "list", "--json").rows()} == {
        "hyperfine",
        "pytest-benchmark",
        "timm",
    }
    assert command_line("archive", "verify").code == 0
    assert [row["digest"] for row in command_line("archive", "list", "--model", "vit", "--json").rows()] == [
        rows[1]["digest"]
    ]


def test_a_guessed_date_is_told(here: Path, command_line: Command) -> None:
    answer = command_line("archive", "import", "h.json", "p.json")
    first, second = (line for line in " ".join(answer.out.split()).split("json is ")[1:])
    assert "when the file was last written; --at gives another date" in first
    assert "last written" not in second
    again = command_line("archive", "import", "h.json", "--at", "2026-01-01")
    assert "is there already" in again.out
    assert "Nothing was changed." in again.out


def test_show_says_what_it_is(here: Path, command_line: Command) -> None:
    (row,) = command_line("archive", "import", "t.csv", "--machine", "RTX 4090", "--json").rows()
    shown = command_line("archive", "show", row["digest"][:12])
    assert "File of timm" in shown.out
    assert "vit/infer/b8" in shown.out
    assert "RTX 4090" in shown.out
    assert "Next: convbench trend" in shown.out


@pytest.mark.parametrize(
    "command",
    [
        ("report", "@v1"),
        ("compare", "@v1", "@v1"),
        ("merge", "@v1", "--out", "merged"),
        ("fleet", "report", "@v1"),
        ("best", "vgg11", "--from", "@v1"),
        ("history", "--from", "@v1"),
    ],
)
def test_commands_of_runs_refuse_it(here: Path, command_line: Command, command: tuple[str, ...]) -> None:
    (row,) = command_line("archive", "import", "h.json", "--json").rows()
    assert command_line("archive", "pin", "v1", row["digest"][:12]).code == 0
    answer = command_line(*command)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert "is a file of hyperfine, which is never pooled or compared with runs" in answer.err


@pytest.mark.parametrize(
    "command", [("report", "h.json"), ("compare", "h.json", "p.json"), ("report", "t.csv")]
)
def test_reports_say_whose_a_file_is(here: Path, command_line: Command, command: tuple[str, ...]) -> None:
    answer = command_line(*command)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    tool = "timm" if "t.csv" in command else "hyperfine"
    assert f"is a file of {tool}, which no report takes. `convbench archive import" in answer.err


@pytest.mark.parametrize("name", ["empty.csv", "other.json"])
def test_a_bad_file_is_one_sentence(here: Path, command_line: Command, name: str) -> None:
    (here / "empty.csv").write_text("")
    (here / "other.json").write_text(json.dumps({"a": 1}))
    answer = command_line("archive", "import", name)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert command_line("archive", "add", "h.json").err.startswith("convbench: h.json is a file. `convbench")


def test_trend_shows_a_step_of_another_tool(here: Path, command_line: Command) -> None:
    """10% slower from the 26th night on: told of hyperfine, in a part of its own, in every format."""
    for night in range(1, 41):
        seconds = (1.0 if night < 26 else 1.1) * (1 + 0.005 * math.sin(7 * night))
        file = here / "night.json"
        file.write_text(json.dumps({"results": [{"command": "make", "mean": seconds, "median": seconds}]}))
        at = (date(2026, 1, 1) + timedelta(days=night - 1)).isoformat()
        importing.add(here / "convbench-archive", file, Import(at=at, machine="Lab"))
    answer = command_line("trend", "--fail-on", "new-step", "--json")
    assert answer.code == 1
    (step,) = json.loads(answer.out)["changes"]
    assert (step["what"], step["case"], step["origin"], step["at"]) == (
        "step",
        "make",
        "hyperfine",
        "2026-01-26T00:00:00+00:00",
    )
    assert step["ratio"] == pytest.approx(1.1, rel=0.01)
    assert "Measured by hyperfine" in command_line("trend", "--section", "imported").out
    parquet = pytest.importorskip("pyarrow.parquet")
    assert command_line("trend", "-o", "trend.parquet").code == 0
    table = parquet.read_table("trend.parquet")
    assert table.num_rows == 40
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert table.schema.field("seconds").metadata == {b"unit": b"s"}
