"""What the tabulator key offers, asked as the shells' own scripts ask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted import archived_nights
from tests.planted.commands import ROOT
from tests.planted.planted_nights import PlantedNights

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "bench"]
"""As the command `convbench` does, it must answer for `convbench`: a shell completes no other."""


def answer(variables: dict[str, str]) -> list[str]:
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


def offered(line: str, **variables: str) -> list[str]:
    """By bash, for the line's last word."""
    words = line.split(" ")
    asked = variables | {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_CONVBENCH_COMPLETE": "complete_bash",
    }
    return answer(asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("convbench max", ["max-batch"]),
        ("convbench run --lay", ["--layout"]),
        ("convbench run --model vgg19", ["vgg19", "vgg19-bn"]),
        ("convbench run --model lenet5,alexnet-g", ["lenet5,alexnet-grouped"]),
        ("convbench run --suite s", ["smoke", "standard"]),
        ("convbench ab --device cp", ["cpu"]),
        ("convbench train lenet5 le", ["lenet5"]),
        ("convbench train lenet5 --dataset fash", ["fashion-mnist"]),
        ("convbench train lenet5 --recipe text", ["textbook"]),
        ("convbench doctor --format ht", ["html"]),
        ("convbench report runs --format j", ["json"]),
        ("convbench list suit", ["suites"]),
        ("convbench ablate drop", ["dropout"]),
        ("convbench trend un", ["unack"]),
        ("convbench trend ack --wh", ["--why"]),
        ("convbench run --batch 1", []),
    ],
)
def test_commands_options_and_names_are_completed(line: str, expected: list[str]) -> None:
    assert offered(line) == expected


@pytest.mark.slow
def test_every_claim_is_offered_and_those_alone() -> None:
    from reports import claims

    assert offered("convbench claims ") == list(claims.claims())


@pytest.mark.slow
def test_cases_and_steps_of_the_archive_are_offered(tmp_path: Path) -> None:
    nights = PlantedNights(nights=30, cases=2, processes=2, samples=3, steps={(1, 20): 0.1})
    archive = str(archived_nights.archive(nights, tmp_path))
    for typed, begins in (("al", "alexnet"), ("alexnet/", "alexnet/inference/"), ("ack ", "alexnet-")):
        found = offered(f"convbench trend {typed}", CONVBENCH_ARCHIVE=archive)
        assert found
        assert all(name.startswith(begins) for name in found)


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "separator"), [("zsh", '"vgg19"'), ("fish", "vgg19")])
def test_other_shells_are_answered_in_their_own_way(shell: str, separator: str) -> None:
    asked = {
        "_TYPER_COMPLETE_ARGS": "convbench run --model vgg19",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_CONVBENCH_COMPLETE": f"complete_{shell}",
    }
    assert separator in " ".join(answer(asked)).replace("((", " ").split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_can_be_had(shell: str) -> None:
    script = " ".join(answer({"_CONVBENCH_COMPLETE": f"source_{shell}"}))
    assert "_CONVBENCH_COMPLETE" in script
