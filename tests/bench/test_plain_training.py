"""The benchmark of the training loops: both do the same arithmetic, and its figures are the laps'."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from msgspec import structs
from torchvision import transforms

from bench import devices, plain_training
from bench.contracts.dataset import Images, Split
from bench.plain_training import Lap, PlainLoop
from bench.schema.case import Case
from bench.schema.training_task import Recipe, TrainingTask
from bench.training_race import SMALL, Course, Ours, Result, case_of, chosen, race, times_as_fast
from tests.planted.commands import ROOT

pytestmark = pytest.mark.slow

LAPS, BATCH = 4, 12


def noise(images: int) -> Images:
    generator = torch.Generator().manual_seed(1)
    shape = (images, 1, 28, 28)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.randint(10, (images,), generator=generator))


def eventful() -> Case:
    """A recipe in which every lap has another rate, and the next step needs the last one's momentum."""
    recipe = Recipe(
        name="eventful",
        epochs=LAPS,
        lr=0.5,
        momentum=0.9,
        weight_decay=0.01,
        warmup_epochs=2,
        schedule="cosine",
        label_smoothing=0.1,
        normalise=True,
    )
    task = TrainingTask(dataset="fashion-mnist", recipe=recipe)
    return structs.replace(case_of("plain", "cpu", SMALL), batch=BATCH, seed=3, threads=1, task=task)


def test_both_loops_take_the_same_steps() -> None:
    """The batch is the lap, so that both see it whole, whatever order they draw."""
    case, split = eventful(), Split(noise(2 * BATCH), noise(50))
    with torch.random.fork_rng():
        plain = PlainLoop(case, "cpu", split, workers=0)
        ours = Ours(case, devices.get("cpu"), split)
    before = {name: weights.clone() for name, weights in plain.model.state_dict().items()}
    for number in range(1, LAPS + 1):
        indices = list(range(BATCH)) if number % 2 else list(range(BATCH, 2 * BATCH))
        for loop in (plain, ours):
            assert loop.lap(number, indices).images == BATCH
    after = ours.module.state_dict()
    for name, weights in plain.model.state_dict().items():
        torch.testing.assert_close(weights, after[name], rtol=0, atol=1e-5)
        assert (weights - before[name]).abs().max() > 1e-3
    assert plain.accuracy() == ours.accuracy()


def test_waiting_for_pictures_is_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    original = plain_training._transform

    def slow(case: Case) -> transforms.Compose:
        def wait(picture: object) -> object:
            time.sleep(0.02)
            return picture

        return transforms.Compose([wait, original(case)])

    monkeypatch.setattr(plain_training, "_transform", slow)
    with torch.random.fork_rng():
        loop = PlainLoop(eventful(), "cpu", Split(noise(2 * BATCH), noise(1)), workers=0)
    lap = loop.lap(1, range(2 * BATCH))
    assert 0.02 * 2 * BATCH <= lap.loading_seconds < lap.seconds


def test_every_image_comes_once_before_any_comes_again() -> None:
    laps = chosen(Course("lenet5", 28, laps=3, steps=2, batch=4, test_images=1), images=10)
    assert [len(lap) for lap in laps] == [8, 8, 8]
    order = [index for lap in laps for index in lap]
    assert sorted(order[:10]) == sorted(order[10:20]) == list(range(10))


def test_loops_take_turns() -> None:
    run: list[tuple[int, str]] = []

    class Planted:
        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def lap(self, number: int, indices: Sequence[int]) -> Lap:
            run.append((number, self.name))
            return Lap(len(indices), self.seconds * number, 0.0)

        def accuracy(self) -> float:
            return 0.0

    names = [f"loop {n}" for n in range(5)]
    taken = race({name: Planted(name, n + 1) for n, name in enumerate(names)}, [[0]] * 4)
    assert sorted(run) == [(number, name) for number in range(1, 5) for name in names]
    assert [number for number, _ in run] == sorted(number for number, _ in run)
    assert len({tuple(name for n, name in run if n == number) for number in range(1, 5)}) > 1
    assert [lap.seconds for lap in taken["loop 2"]] == [3, 6, 9, 12]


def result(*laps: Lap) -> Result:
    return Result(eventful(), laps, 0.5)


def test_figures_are_those_of_the_laps() -> None:
    plain = result(Lap(60, 2.0, 0.5), Lap(60, 4.0, 0.1))
    assert plain.images_per_second == pytest.approx(120 / 6)
    assert plain.loading_share == pytest.approx(0.6 / 6)
    # 4 and 16 times as fast: the geometric mean is 8; t at 97.5% with one degree of freedom is 12.706.
    ratio = times_as_fast(result(Lap(60, 0.5, 0.0), Lap(60, 0.25, 0.0)), plain)
    assert ratio.value == pytest.approx(8)
    assert ratio.interval is not None
    assert ratio.interval.high == pytest.approx(8 * math.exp(12.706 * math.log(2)), rel=1e-3)
    assert ratio.interval.kind == "within-process"


def test_pytest_benchmark_shows_the_laps(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    script = f"""
import sys, pytest
from bench import training_race
training_race.COURSES["small"] = training_race.Course("lenet5", 28, laps=4, steps=2, batch=8, test_images=20)
sys.exit(pytest.main(["bench/test_training.py", "-q", "-p", "no:cacheprovider", "--benchmark-only",
    "-k", "cpu and (plain or fp32-nchw)", "--benchmark-json", {str(saved)!r}, "--benchmark-save-data"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "training lenet5 28x28 b8 cpu" in done.stdout
    assert "times plain" in done.stdout
    plain, ours = json.loads(saved.read_text())["benchmarks"]
    for shown in (plain, ours):
        info, laps = shown["extra_info"], shown["stats"]["data"]
        assert len(laps) == 3
        assert info["images"] == 16
        assert info["images_per_second"] == pytest.approx(3 * 16 / sum(laps))
        assert 0 < info["loading_share"] < 1
        assert 0 <= info["test_accuracy"] <= 1
    ratios = [a / b for a, b in zip(plain["stats"]["data"], ours["stats"]["data"], strict=True)]
    assert ours["extra_info"]["times_as_fast"]["value"] == pytest.approx(math.prod(ratios) ** (1 / 3))
    assert "times_as_fast" not in plain["extra_info"]
