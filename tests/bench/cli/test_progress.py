"""What a person sees while networks train: on a terminal lines and a bar, elsewhere a line for each run."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec import structs

from bench.cli import progress
from bench.cli.progress import TrainingBar
from bench.plan.training_runs import TrainingRequest, cases
from bench.runner.events import Progress
from bench.runner.rounds import Round
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.epochs import Epoch, EpochDone, StepsDone, TrainingEvent
from bench.schema.record import Record, Status

PLANNED = cases(
    TrainingRequest(
        axes={"model": ("lenet5",), "device": ("cpu",)}, overrides={"epochs": "2"}, seeds=3, seed=40
    ),
    1,
)
NOISE = cases(TrainingRequest(axes={"model": ("lenet5",), "device": ("cpu",)}, dataset="synthetic"), 1)
Run = Callable[[TrainingBar], None]


def finished(number: int) -> TrainingEvent:
    return EpochDone(
        Epoch(
            number=number,
            images=1437,
            loop_seconds=0.5,
            step_seconds=0.4,
            train_loss=2.0 / number,
            train_accuracy=0.25 * number,
            test_loss=1.5,
            test_accuracy=0.4321,
        )
    )


def ended(case: Case, done: int, status: Status = "ok", reason: str | None = None) -> Progress:
    record = Record(case=case, protocol=MeasurementProtocol(), status=status, reason=reason, started_at="now")
    return Progress(case=case, done=done, total=len(PLANNED), record=record)


def starts(case: Case, done: int) -> Progress:
    return Progress(case=case, done=done, total=len(PLANNED))


def one_run(bar: TrainingBar) -> None:
    bar.on_progress(starts(PLANNED[0], 0))
    bar.on_event(StepsDone(epoch=1, step=3, steps=45))
    bar.on_event(finished(1))
    bar.on_event(finished(2))
    bar.on_progress(ended(PLANNED[0], 1))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Case], Run], str]:
    """What stands on a terminal of 200 columns, without colours and cursor movements."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def watch(planned: list[Case], run: Run) -> str:
        reads, writes = pty.openpty()
        with os.fdopen(writes, "w") as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            with progress.training(planned) as bar:
                run(bar)
            monkeypatch.undo()
            os.set_blocking(reads, False)
            text = b""
            while True:
                try:
                    text += os.read(reads, 1 << 16)
                except BlockingIOError:
                    break
        os.close(reads)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode()).replace("\r", "\n")

    return watch


def test_each_epoch_is_a_line_with_losses_accuracies_and_speed(
    seen: Callable[[list[Case], Run], str],
) -> None:
    text = seen(PLANNED, one_run)
    assert f"{PLANNED[0].id} seed 40\n" in text
    for number, loss, accuracy in ((1, "2.0000", "25.0%"), (2, "1.0000", "50.0%")):
        line = f"  epoch {number}/2  train loss {loss} accuracy {accuracy}  test loss 1.5000 accuracy 43.2%"
        assert f"{line}  2,874 images/s" in text


def counts(text: str) -> list[str]:
    """What the bar says is done, each time it was drawn, without repetitions."""
    found = re.findall(r"(\d+/6)", text)
    return [count for i, count in enumerate(found) if i == 0 or count != found[i - 1]]


def test_the_bar_counts_the_epochs_of_all_runs_and_says_how_long_they_take(
    seen: Callable[[list[Case], Run], str],
) -> None:
    def both(bar: TrainingBar) -> None:
        one_run(bar)
        bar.on_progress(starts(PLANNED[1], 1))
        bar.on_event(finished(1))

    text = seen(PLANNED, both)
    assert counts(text) == ["0/6", "1/6", "2/6", "3/6"]
    assert re.search(r"\d:\d\d:\d\d", text)


def test_a_run_that_ends_before_its_epochs_is_over_nevertheless(
    seen: Callable[[list[Case], Run], str],
) -> None:
    def crash(bar: TrainingBar) -> None:
        bar.on_progress(starts(PLANNED[0], 0))
        bar.on_event(finished(1))
        bar.on_progress(ended(PLANNED[0], 1, "crashed", "ValueError: [/red] no such weights"))

    text = seen(PLANNED, crash)
    assert counts(text)[-1] == "2/6"
    told = " ".join(text.split())
    assert f"crashed: {PLANNED[0].id}: ValueError: [/red] no such weights" in told


def test_a_resumed_command_goes_on_where_the_bar_was(seen: Callable[[list[Case], Run], str]) -> None:
    text = seen(PLANNED, lambda bar: bar.on_progress(starts(PLANNED[2], 2)))
    assert counts(text)[-1] == "4/6"


def test_of_noise_no_loss_and_no_accuracy_is_told(seen: Callable[[list[Case], Run], str]) -> None:
    def noise(bar: TrainingBar) -> None:
        bar.on_progress(starts(NOISE[0], 0))
        bar.on_event(finished(1))

    text = seen(NOISE, noise)
    assert "epoch 1/60  2,874 images/s" in text
    assert "accuracy" not in text.replace("/accuracy/", "/")
    assert "loss" not in text


@contextmanager
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    yield stream
    monkeypatch.undo()


def test_a_run_with_a_target_says_how_far_it_is() -> None:
    case = Case(model="vgg11", replicate=3)
    round_ = Round(number=3, cases=[case], is_planned=False, unfinished=5, of=16, widest=0.0712)
    event = Progress(case=case, done=32, total=40, round=round_)
    assert progress.described(event) == f"round 3, 5 of 16 cases left, widest 7.1%: {case.id} #3"
    wide = structs.replace(event, round=structs.replace(round_, widest=3.94))
    assert "left, widest 394%: " in progress.described(wide)
    early = structs.replace(event, round=structs.replace(round_, number=1, unfinished=16, widest=None))
    assert progress.described(early) == f"round 1, 16 of 16 cases left: {case.id} #3"
    for without in (None, Round(number=1, cases=[case], is_planned=True)):
        assert progress.described(structs.replace(event, round=without)) == f"{case.id} #3"


def test_where_there_is_no_terminal_a_line_is_shown_for_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with plain(monkeypatch) as stream, progress.training(PLANNED) as bar:
        one_run(bar)
        bar.on_progress(ended(PLANNED[1], 2, "crashed", "why"))
    first, second = stream.getvalue().splitlines()
    assert first.startswith(f"convbench: 1/3 {PLANNED[0].id} #{PLANNED[0].replicate}: took ")
    assert second.startswith(f"convbench: 2/3 crashed: {PLANNED[1].id}: why (took ")


def test_a_case_that_does_not_train_is_left_to_others(seen: Callable[[list[Case], Run], str]) -> None:
    timed = structs.replace(PLANNED[0], task=None, workload="training")
    assert timed.model not in seen([timed], lambda bar: bar.on_progress(starts(timed, 0)))
