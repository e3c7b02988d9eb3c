"""The scripts of examples/ that measure convbench itself."""

from __future__ import annotations

import importlib
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import fields

from bench.schema.case import Case
from bench.stats.published_prior import PUBLISHED
from tests.planted import planted_records
from tests.planted.commands import ROOT

ERROR = 1e-9


def _said(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_loop_and_convbench_are_timed_in_turn() -> None:
    said = _said(
        *("examples/loop_against_convbench.py", "--model", "lenet5", "--batch", 1, "--threads", 1),
        *("--turns", 1, "--warm-up", 1, "--steps", 3, "--target", 1e6, "--"),
        *("--replicates", 1, "--target-ci", "50%", "--no-ceilings"),
    )
    lines = said.splitlines()
    assert re.fullmatch(r"convbench: [\d.]+ s, CPU [\d.]+ s, others used \d+% of the machine", lines[0])
    assert re.fullmatch(r" +lenet5 b1: [\d.]+ ms ±[\d.]+%", lines[1])
    assert re.fullmatch(r"loop: [\d.]+ s, CPU [\d.]+ s, others used \d+% of the machine", lines[2])
    assert re.fullmatch(r" +lenet5 b1: [\d.]+ ms", lines[3])
    assert re.fullmatch(r"turn 1: convbench / loop: wall [\d.]+, CPU [\d.]+", lines[4])
    assert lines[-1] == "within ±100000000% in every turn: 1 of 1"


def _planted(folder: Path, medians: dict[str, list[float]]) -> Path:
    """A run whose processes have these medians of the step in s, by network."""
    records = [
        planted_records.record(Case(model=model, replicate=number), planted_records.time("forward", seconds))
        for model, several in medians.items()
        for number, seconds in enumerate(several, start=1)
    ]
    return planted_records.write(folder, records)


@pytest.mark.slow
def test_an_interval_either_holds_what_later_processes_find_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    later_processes = importlib.import_module("later_processes")
    first = _planted(
        tmp_path / "first", {"vgg11": [0.100, 0.102, 0.101], "vgg16": [0.20, 0.21], "lenet5": [1]}
    )
    later = _planted(tmp_path / "later", {"vgg11": [0.5] * 3, "vgg16": [0.205, 0.206], "alexnet": [1, 1]})
    found = later_processes.compared(later_processes.intervals(first), later_processes.intervals(later))
    assert {each.case: each.is_inside for each in found} == {
        "vgg11 inference fp32 eager b1": False,
        "vgg16 inference fp32 eager b1": True,
    }
    vgg11 = next(each for each in found if each.case.startswith("vgg11"))
    centre = math.exp(sum(map(math.log, (0.100, 0.102, 0.101))) / 3)
    assert vgg11.off == pytest.approx(math.log(0.5 / centre), rel=ERROR)


def test_the_later_error_is_added_in_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    script = importlib.import_module("later_processes")
    first, later = script.Interval(1.0, 0.03, 2), script.Interval(math.exp(0.045), 0.04, 10)
    found = script.Comparison("a case", first, later)
    assert not found.is_inside
    assert found.is_inside_with_its_error
    beyond = script.Interval(math.exp(0.0501), 0.04, 10)
    assert not script.Comparison("a case", first, beyond).is_inside_with_its_error


@pytest.mark.slow
def test_the_prior_of_run_folders_is_printed(tmp_path: Path) -> None:
    """Two runs of one machine, whose 24 cases scatter by 1% and their samples by 2.2%."""
    folders = [
        _planted(tmp_path / run, {f"vgg{11 + number}": [0.1, 0.1 * spread] for number in range(12)})
        for run, spread in (("first", 1.014), ("second", 1.0142))
    ]
    lines = _said("examples/refit_prior.py", *folders).splitlines()
    assert lines[0] == "# lab, Test CPU, cpu: 24 cases, 48 processes"
    constants = dict(line.removesuffix(",").split("=") for line in lines[1:])
    assert set(constants) == {field.name for field in fields(PUBLISHED)}
    assert float(constants["level"]) == pytest.approx(math.log(0.01**2), abs=0.3)


def test_a_prior_takes_more_than_a_few_cases(tmp_path: Path) -> None:
    folder = _planted(tmp_path / "run", {"vgg11": [0.1, 0.11]})
    words = [sys.executable, "examples/refit_prior.py", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "a prior needs 20 cases with two processes or more; these runs have 1\n"


def test_a_gate_on_the_same_code_is_judged_pair_by_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    script = importlib.import_module("gate_same_code")
    steady = [0.100, 0.101, 0.099, 0.1005, 0.0995]
    one = _planted(tmp_path / "01", {"vgg11": steady})
    wide = _planted(tmp_path / "02", {"vgg11": [0.10, 0.14, 0.09, 0.13, 0.11]})
    slow = _planted(tmp_path / "03", {"vgg11": [1.5 * each for each in steady]})
    found = [script.judged(one, other) for other in (wide, slow)]
    assert [(bool(pair.alarms), pair.naive) for pair in found] == [(False, True), (True, True)]
    assert str(found[1]).startswith("01 03: ALARM: VGG-11 inference")
    back = script.judged(slow, one)  # faster, by chance of the order
    assert (bool(back.alarms), back.is_decided, found[0].is_decided) == (False, True, False)


def test_turns_of_pytest_and_of_run_have_one_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    script = importlib.import_module("pytest_against_run")
    assert script.summary("lenet5", [(1.1, 1.0)]) == "lenet5: pytest / run 1.100, 1 turn"
    said = script.summary("lenet5", [(1.1, 1.0), (1.0, 1.1), (1.02, 1.0), (1.0, 1.02)])
    assert re.fullmatch(r"lenet5: pytest / run 1\.000 \(0\.\d+ to 1\.\d+\), 4 turns", said)
