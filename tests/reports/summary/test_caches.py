"""Times with warm caches and times with a cold L2 are never pooled, compared or ranked together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case, MeasurementProtocol
from bench.schema.ceiling_product import Copy
from bench.schema.record import Measurement, Record
from bench.studies.ab import interleaved
from reports.compare import compare_report
from reports.pages import run_report
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.commands import Command, is_one_sentence

CASE = Case(model="alexnet", threads=2)


def warm(medians: tuple[float, ...] = (0.1, 0.1, 0.1)) -> list[Record]:
    return planted_records.replicates(CASE, medians)


def cold(medians: tuple[float, ...] = (0.13, 0.13, 0.13)) -> list[Record]:
    return [as_cold(record) for record in planted_records.replicates(CASE, medians)]


def as_cold(record: Record) -> Record:
    return structs.replace(record, protocol=structs.replace(record.protocol, flush_l2=True))


@pytest.fixture
def runs(tmp_path: Path) -> Callable[[str], str]:
    """Folders with a run of either kind, by its name."""
    planted_records.write(tmp_path / "warm", warm())
    planted_records.write(tmp_path / "again", warm((0.11, 0.11, 0.11)))
    planted_records.write(tmp_path / "cold", cold())
    return lambda name: str(tmp_path / name)


@pytest.mark.parametrize(
    "command",
    [("report", "warm", "cold"), ("compare", "warm", "cold"), ("compare", "cold", "warm")],
    ids=" ".join,
)
def test_a_command_over_both_kinds_is_refused_in_a_sentence(
    command_line: Command, runs: Callable[[str], str], command: tuple[str, ...]
) -> None:
    done = command_line(command[0], *map(runs, command[1:]))
    assert done.code == 2
    assert is_one_sentence(done.err)
    assert "warm caches" in done.err
    assert "--flush-l2" in done.err


def test_several_runs_on_each_side_are_refused_alike(
    command_line: Command, runs: Callable[[str], str]
) -> None:
    sides = ("--base", runs("warm"), "--base", runs("cold"), "--new", runs("again"))
    done = command_line("compare", *sides)
    assert (done.code, is_one_sentence(done.err)) == (2, True)


@pytest.mark.parametrize("command", ["claims", "history"])
def test_what_is_published_is_not_held_against_a_cold_l2(
    command_line: Command, runs: Callable[[str], str], command: str
) -> None:
    """The published figures are of steps in a row."""
    done = command_line(command, "--from", runs("cold"))
    assert done.code == 2
    assert is_one_sentence(done.err)
    assert "--flush-l2" in done.err


def test_a_folder_that_holds_both_kinds_is_refused(
    command_line: Command, runs: Callable[[str], str], tmp_path: Path
) -> None:
    planted_records.write(tmp_path / "both", [*warm(), *cold()])
    done = command_line("report", runs("both"))
    assert (done.code, is_one_sentence(done.err)) == (2, True)


def test_one_kind_is_pooled_and_compared(runs: Callable[[str], str], tmp_path: Path) -> None:
    planted_records.write(tmp_path / "slower", cold((0.2, 0.2, 0.2)))
    assert summarise([Path(runs("warm")), Path(runs("again"))]).figures[0].samples == 42
    [row] = compare_report.build([Path(runs("cold"))], [Path(runs("slower"))]).rows
    assert (row.verdict, row.as_row()["caches"]) == ("slower", "cold L2")


def test_what_is_no_step_has_no_such_kind(tmp_path: Path) -> None:
    """A ceiling is measured by a protocol of its own, whatever the run's."""
    ceiling = Measurement(
        phase="product", metric="wall_time", unit="s", samples=[0.1], product=Copy(size=2**30)
    )
    copied = planted_records.record(structs.replace(CASE, model="ceilings", workload="ceiling"), ceiling)
    summary = summarise([planted_records.write(tmp_path / "run", [copied, *cold()])])
    assert summary.caches == "cold L2"


@pytest.mark.parametrize(("kind", "word"), [("warm", "warm"), ("cold", "cold L2")])
def test_a_report_says_of_every_latency_which_kind_it_is(
    runs: Callable[[str], str], kind: str, word: str
) -> None:
    document = run_report.build([Path(runs(kind))])
    assert [row["caches"] for row in document.rows if row["metric"] == "wall_time"] == [word]
    assert sum(f"Caches: {word}" in paragraph for paragraph in document.text) == 1
    compared = compare_report.build(
        [Path(runs(kind))], [planted_records.write(Path(runs("more")), {"warm": warm, "cold": cold}[kind]())]
    )
    assert sum(f"Caches: {word}" in paragraph for paragraph in compared.document.text) == 1


def test_both_sides_of_ab_are_of_the_kind_that_was_asked_for(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[MeasurementProtocol] = []

    def run_pairs(trial: interleaved.Trial, directory: Path, **ignored: object) -> list[interleaved.Pairs]:
        seen.append(trial.protocol)
        for side in ("a", "b"):
            planted_records.write(directory / side, [structs.replace(each, pair=1) for each in cold()[:1]])
        return []

    monkeypatch.setattr(interleaved, "run_pairs", run_pairs)
    monkeypatch.setattr("bench.devices.cpu.last_cache_bytes", lambda: 2**20)
    asked = ("ab", "--same", "--model", "alexnet", "--threads", 2, "--flush-l2", "--out", tmp_path / "ab")
    done = command_line(*asked, "--format", "json")
    assert done.code == 0, done.err
    assert [protocol.caches for protocol in seen] == ["cold L2"]
    assert [row["caches"] for row in done.rows()] == ["cold L2"]
    assert "Caches: cold L2" in (tmp_path / "ab" / "report.md").read_text()


def test_what_is_no_time_has_no_caches(tmp_path: Path) -> None:
    record = planted_records.record(CASE, planted_records.fact("model", "weights", 10.0))
    [row] = run_report.build([planted_records.write(tmp_path / "run", [record])]).rows
    assert row["caches"] is None
