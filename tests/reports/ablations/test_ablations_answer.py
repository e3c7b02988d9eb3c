"""The first screen of ablations: a row for each choice, and only what its figures support."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.plan import ablations
from bench.schema.case import Case
from bench.schema.record import Record
from bench.schema.training_task import TrainingTask
from reports.ablations.ablations_report import build
from reports.cells import brief
from reports.document import Answer
from reports.sections.asked import Asked
from tests.planted import planted_records
from tests.planted.planted_learning import DIGITS, VGG, seeds

SMALL = Case(model="vgg-small", workload="training", batch=32, image=32, channels=1, classes=10, threads=2)
PLAIN = structs.replace(
    VGG, task=TrainingTask(dataset="digits", recipe=structs.replace(DIGITS.recipe, init="he"))
)
STEADY, WILD = (0.999, 1.0, 1.001), (0.5, 1.0, 2.0)
BASE = (0.95, 0.951, 0.949)


def steps(case: Case, seconds: float, wobble: Sequence[float] = STEADY) -> list[Record]:
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            planted_records.time("forward", 0.3 * seconds * factor),
            planted_records.time("step", seconds * factor),
            planted_records.fact("step", "peak_resident", 3 * 2**20 * seconds),
        )
        for number, factor in enumerate(wobble, start=1)
    ]


def form(case: Case, change: str) -> Case:
    return structs.replace(case, model=f"{case.model}+{change}")


def told(folder: Path, name: str, *records: list[Record]) -> Answer:
    planted_records.write(folder, [record for some in records for record in some])
    asked = Asked(out=Path("runs/a"), is_used=True)
    found = build(ablations.find(name, ablations.sizes("small")), [folder], asked).answer
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("seconds", "wobble", "words"),
    [
        (1.2, STEADY, "1.20x (1.1"),
        (1.0, STEADY, "step time equivalent (within 2%)"),
        (1.2, WILD, "step time not resolved ("),
        (1.05, (0.93, 1.0, 1.07), "step time undecided ("),
    ],
)
def test_the_time_is_told_as_its_verdict_says(
    tmp_path: Path, seconds: float, wobble: Sequence[float], words: str
) -> None:
    found = told(
        tmp_path, "norm", steps(SMALL, 1.0, wobble), steps(form(SMALL, "norm=lrn"), seconds, wobble[::-1])
    )
    [headline] = found.headlines
    assert headline.startswith("VGG-small, norm none → lrn: ")
    assert words in headline
    assert ("slower" in headline) == (words.startswith("1.20x"))


@pytest.mark.parametrize(
    ("finals", "words", "mark"),
    [
        ((0.96, 0.961, 0.959), "more accurate, +1.0 (", "✓ more accurate"),
        ((0.90, 0.901, 0.899), "less accurate, -5.0 (", "✗ less accurate"),
        ((0.9501, 0.951, 0.949), "accuracy equivalent (within 1 point)", "accuracy ="),
        ((0.90, 0.95, 0.99), "accuracy undecided; ", "accuracy ?"),
        ((0.10, 0.101, 0.099), "it no longer learns", "✗ learns nothing"),
    ],
)
def test_the_accuracy_is_told_as_its_verdict_says(
    tmp_path: Path, finals: tuple[float, ...], words: str, mark: str
) -> None:
    tanh = form(PLAIN, "activation=tanh")
    sigmoid = form(PLAIN, "activation=sigmoid")
    found = told(tmp_path, "activation", seeds(PLAIN, BASE), seeds(tanh, finals), seeds(sigmoid, BASE))
    assert any("activation relu → tanh" in each and words in each for each in found.headlines)
    assert found.table is not None
    marks = {row[0]: row[-1] for row in found.table.rows}
    assert marks["activation relu → tanh"] == mark


def test_a_row_has_time_memory_accuracy_and_verdict(tmp_path: Path) -> None:
    lrn, bn = "norm=lrn", "norm=bn"
    found = told(
        tmp_path,
        "norm",
        *(steps(SMALL, 1.0), steps(form(SMALL, lrn), 1.2), steps(form(SMALL, bn), 0.8)),
        *(seeds(PLAIN, BASE), seeds(form(PLAIN, lrn), BASE), seeds(form(PLAIN, bn), (0.97, 0.971, 0.969))),
    )
    assert found.table is not None
    one, other = found.table.rows
    assert brief(one[1]).startswith("1.20 (1.1")
    assert brief(one[2]) == "1.20"
    assert brief(one[3]).startswith("0.0 (") or brief(one[3]).startswith("0.00 (")
    assert (one[4], other[4]) == ("▲ slower, accuracy =", "▼ faster, ✓ more accurate")
    assert found.table.title == (
        "VGG-small, new / base: batch 32, 32 px, fp32, eager, cpu; accuracy on digits, 3 seeds"
    )


def test_one_process_has_a_mark_and_no_verdict(tmp_path: Path) -> None:
    found = told(tmp_path, "norm", steps(SMALL, 1.0, (1.0,)), steps(form(SMALL, "norm=lrn"), 1.5, (1.0,)))
    [headline] = found.headlines
    assert "slower" not in headline
    assert "†" in headline or "§" in headline


def test_blocks_are_counted_by_verdict(tmp_path: Path) -> None:
    def block(layers: str, batch: int) -> Case:
        return Case(
            model=f"block:64:{layers}",
            workload="training",
            batch=batch,
            image=56,
            channels=64,
            classes=64,
            threads=2,
        )

    found = told(
        tmp_path,
        "kernels",
        *(steps(block("5x5", batch), 1.0) for batch in (1, 8)),
        *(steps(block("3x3-3x3", batch), seconds) for batch, seconds in ((1, 0.7), (8, 1.3))),
    )
    assert found.headlines == (
        "3x3 stack instead of 5x5: 0.70x to 1.3x the step time, faster in 1 and slower in 1 of 2 blocks; "
        "predicted from FLOPs 0.72x.",
    )


@pytest.mark.parametrize(
    ("finals", "seconds", "command"),
    [
        ((0.90, 0.95, 0.99), 1.2, "convbench ablate norm --seeds 10 --resume --out runs/a"),
        (BASE, 1.2, "convbench layers vgg-small+norm=lrn --batch 32"),
    ],
)
def test_the_next_command_decides_what_is_open(
    tmp_path: Path, finals: tuple[float, ...], seconds: float, command: str
) -> None:
    lrn = "norm=lrn"
    found = told(
        tmp_path,
        "norm",
        *(steps(SMALL, 1.0), steps(form(SMALL, lrn), seconds)),
        *(seeds(PLAIN, BASE), seeds(form(PLAIN, lrn), finals)),
    )
    assert found.next_step is not None
    assert found.next_step.command == command


def test_what_was_not_measured_on_both_sides_is_no_choice(tmp_path: Path) -> None:
    found = told(tmp_path, "norm", steps(SMALL, 1.0))
    assert found.headlines == ("Nothing was measured of both sides of a choice.",)
    assert found.table is None
