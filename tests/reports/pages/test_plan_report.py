"""The plans of `--dry-run`: how long they take, and for `ab` what its servers cost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.host import cpu_cores
from bench.plan import estimate
from bench.schema.case import Case, MeasurementProtocol
from reports.pages import plan_report
from tests.planted.commands import Command


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (20, "about a minute or less"),
        (600, "about 10 minutes"),
        (4 * 3600, "about 4 hours"),
        (30 * 86_400, "about 30 days"),
    ],
)
def test_a_plan_says_its_time_in_words_of_its_size(
    monkeypatch: pytest.MonkeyPatch, seconds: float, words: str
) -> None:
    monkeypatch.setattr(estimate, "estimate_seconds", lambda *_: seconds)
    assert words in plan_report.dry_run([Case(model="lenet5")], MeasurementProtocol(), "md")


def test_what_the_processor_probably_cannot_run_is_not_counted_as_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only torch says for sure, and a dry run does not ask it."""
    planned = [Case(model="lenet5"), Case(model="lenet5", precision="amp-bf16")]
    for instructions, words in (
        ({"avx2"}, "1 case, 1 process: about a minute or less, about "),
        ({"avx512f"}, "2 cases, 2 processes: about a minute or less, about "),
    ):
        found = frozenset(instructions)
        monkeypatch.setattr(cpu_cores, "instructions", lambda *_, found=found: found)
        shown = plan_report.dry_run(planned, MeasurementProtocol(), "md")
        assert words in shown
        assert (" 1 case cannot run on this machine." in shown) == (found == {"avx2"})
        assert ("the kernel lists no instructions for bf16" in shown) == (found == {"avx2"})


@pytest.mark.parametrize("cores", [1, 2])
def test_the_plan_of_pairs_says_what_servers_cost(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    """Each process of a pair has a server of its own, and that of the compiled side imports Inductor; both
    start at once where there are two cores."""
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: cores)
    options = ("--model", "lenet5", "--b", "engine=compile", "--dry-run", "--out", tmp_path / "run")
    answer = command_line("ab", *options, "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    (row,) = answer.rows()
    slower = estimate.SERVER_SECONDS + estimate.INDUCTOR_SECONDS
    assert row["server_seconds"] == (slower if cores > 1 else slower + estimate.SERVER_SECONDS)
    assert row["pair_seconds"] > row["server_seconds"]
    assert "8 to 64 pairs of processes per case" in command_line("ab", *options).out.replace("\n", " ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--model", "lenet5"),
        ("run", "--model", "lenet5", "--replicates", "2"),
        ("ab", "--model", "lenet5", "--b", "precision=bf16"),
        ("train", "lenet5"),
        ("ablate", "kernels"),
        ("best", "lenet5"),
        ("max-batch", "lenet5"),
        ("ceilings",),
        ("layers", "lenet5"),
        ("claims", "--run"),
        ("history", "--run"),
    ],
    ids=" ".join,
)
def test_every_dry_run_says_how_much_disk_it_needs(command_line: Command, words: tuple[str, ...]) -> None:
    answer = command_line(*words, "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    assert re.search(r"[\d.,]+ [KMG]iB of disk", " ".join(answer.out.split()))


def test_a_dry_run_of_training_says_how_long_it_takes(command_line: Command) -> None:
    answer = command_line("train", "vgg11", "--seeds", "5", "--dry-run", "--device", "cpu")
    said = " ".join(answer.out.split())
    assert re.search(r"5 training runs: about [\d.,]+ (minutes|hours|days), about .* of disk", said)
    assert "more while it runs" in said
