"""convbench ceilings, and the ceilings of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.planted.commands import Command, is_one_sentence

RATES = ("flops_per_second", "bytes_per_second")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "tpu"], "unknown device"),
        (["--precision", "tf32", "--device", "cpu"], "run on this machine: tf32"),
        (["--replicates", "0"], "--replicates must be a whole number"),
        (["--resume"], "--resume needs --out FOLDER"),
        (["--format", "jsn"], "Did you mean 'json'"),
        (["--budget", "ten"], "--budget must be a number"),
    ],
)
def test_bad_options(command_line: Command, arguments: list[str], words: str) -> None:
    answer = command_line("ceilings", *arguments)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert words in answer.err


def test_the_plan_has_every_arithmetic_that_a_processor_has(command_line: Command) -> None:
    rows = command_line("ceilings", "--dry-run", "--threads", 3, "--replicates", 2, "--format", "json").rows()
    assert {row["workload"] for row in rows} == {"ceiling"}
    assert sorted((row["precision"], row["threads"], row["replicate"]) for row in rows) == [
        (precision, 3, replicate) for precision in ("bf16", "fp16", "fp32") for replicate in (1, 2)
    ]


@pytest.mark.parametrize(
    ("arguments", "ceilings"),
    [
        ([], ["fp32", "bf16"]),
        (["--threads", 2], ["fp32", "bf16"]),
        (["--no-ceilings"], []),
        (["--model", "lenet5"], []),
        (["--model", "lenet5", "--precision", "amp-bf16,bf16", "--ceilings"], ["bf16"]),
    ],
)
def test_a_run_of_a_whole_suite_begins_with_its_ceilings(
    command_line: Command, tmp_path: Path, arguments: list[object], ceilings: list[str]
) -> None:
    rows = command_line("run", "--dry-run", "--out", tmp_path / "x", "--format", "json", *arguments).rows()
    first = rows[: len(ceilings)]
    assert sorted(str(row["precision"]) for row in first) == sorted(ceilings)
    assert {row["workload"] for row in first} <= {"ceiling"}
    assert "ceiling" not in {row["workload"] for row in rows[len(ceilings) :]}


def test_a_ceiling_is_no_workload_to_ask_for(command_line: Command, tmp_path: Path) -> None:
    answer = command_line("run", "--out", tmp_path / "x", "--model", "vgg11", "--workload", "ceiling")
    assert answer.code == 2
    assert "unknown workload 'ceiling'" in answer.err


@pytest.mark.alone
@pytest.mark.slow
def test_ceilings_of_this_machine(command_line: Command, tmp_path: Path) -> None:
    folder = tmp_path / "ceilings"
    answer = command_line(
        "ceilings", "--device", "cpu", "--precision", "fp32", "--out", folder, "--format", "json"
    )
    assert answer.code == 0
    rates = {row["phase"]: row for row in answer.rows() if row["metric"] in RATES}
    # between a slow core and a thousand fast ones
    assert 1e9 < max(r["median"] for r in rates.values() if r["unit"] == "FLOP/s") < 1e15
    assert 1e8 < rates["copy:1GiB"]["median"] < 1e14
    assert {"matmul:1024x1024x1024", "conv:512x14:b2:channels-last"} <= set(rates)
    text = (folder / "report.md").read_text()
    assert text.startswith("# Measured peak\n")
    assert "### Peak by matrix and convolution size, cpu" in text
