"""What follows from the epochs of a training run: measurements and verdicts, with planted epochs."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from bench.child.training.divergence import DIVERGED_FACTOR, why_diverged, why_diverged_after
from bench.schema.epochs import Epoch, History, measurements, why_no_energy
from bench.schema.record import Measurement

INF, NAN = float("inf"), float("nan")


def epoch(number: int, test_accuracy: float = 0.5, **fields: Any) -> Epoch:
    """The loop of epoch n takes n seconds, half of them in steps."""
    usual = {"images": 60, "loop_seconds": float(number), "step_seconds": number / 2, "train_loss": 2.0}
    usual |= {"train_accuracy": 0.25, "test_loss": 1.5, "energy_joules": 100.0 * number}
    return Epoch(number=number, test_accuracy=test_accuracy, **{**usual, **fields})


def figures(found: list[Measurement]) -> dict[str, tuple[str, list[float]]]:
    assert {m.phase for m in found} <= {"epoch"}
    assert len({m.metric for m in found}) == len(found)
    return {m.metric: (m.unit, m.samples) for m in found}


def history(*accuracies: float, **fields: Any) -> History:
    return History(epochs=tuple(epoch(n, a, **fields) for n, a in enumerate(accuracies, start=1)))


def test_an_epoch_gives_a_sample_of_each_curve_and_the_run_its_sums() -> None:
    planted = (epoch(1, 0.3, skipped_steps=2), epoch(2, 0.6, train_loss=1.0, skipped_steps=1))
    found = measurements(
        History(epochs=planted, peaks={"peak_allocated": 7}, final_train_accuracy=0.75), None, learns=True
    )
    assert figures(found) == {
        "train_loss": ("nat", [2.0, 1.0]),
        "train_accuracy": ("share", [0.25, 0.25]),
        "test_loss": ("nat", [1.5, 1.5]),
        "test_accuracy": ("share", [0.3, 0.6]),
        "step_rate": ("image/s", [120.0, 60.0]),
        "loop_rate": ("image/s", [60.0, 30.0]),
        "loop_time": ("s", [1.0, 2.0]),
        "training_time": ("s", [3.0]),
        "skipped_steps": ("count", [3.0]),
        "peak_allocated": ("bytes", [7.0]),
        "final_train_accuracy": ("share", [0.75]),
        "energy": ("J", [100.0, 200.0]),
    }


def test_of_no_epoch_there_is_nothing() -> None:
    assert measurements(History(), 0.9, learns=True) == []


def test_noise_has_no_loss_no_accuracy_and_no_target() -> None:
    run = History(epochs=(epoch(1, 1.0),), final_train_accuracy=1.0)
    found = figures(measurements(run, 0.1, learns=False))
    assert set(found) == {"step_rate", "loop_rate", "loop_time", "training_time", "skipped_steps", "energy"}


@pytest.mark.parametrize(
    ("accuracies", "seconds"),
    [
        ((0.9, 0.95), 1.0),
        ((0.5, 0.9, 0.2, 0.95), 3.0),  # the first that reaches it, whatever comes after
        ((0.5, 0.6, 0.95), 6.0),
        ((0.5, 0.8999999), None),
    ],
)
def test_time_and_energy_to_the_target_end_with_the_first_epoch_that_reached_it(
    accuracies: tuple[float, ...], seconds: float | None
) -> None:
    found = figures(measurements(history(*accuracies), 0.9, learns=True))
    if seconds is None:
        assert not {"time_to_target", "energy_to_target"} & set(found)
    else:
        assert found["time_to_target"] == ("s", [seconds])
        assert found["energy_to_target"] == ("J", [100 * seconds])


def test_without_a_target_there_is_no_time_to_it() -> None:
    assert "time_to_target" not in figures(measurements(history(1.0), None, learns=True))


def test_energy_that_one_epoch_lacks_is_no_energy_at_all() -> None:
    epochs = (epoch(1, 0.95), epoch(2, 0.95, energy_joules=None))
    found = figures(measurements(History(epochs=epochs), 0.9, learns=True))
    assert found["time_to_target"] == ("s", [1.0])
    assert not {"energy", "energy_to_target"} & set(found)


def test_no_energy_at_all_is_absent_and_zero_joules_are_zero() -> None:
    assert "energy" not in figures(measurements(history(0.5, energy_joules=None), None, learns=True))
    assert figures(measurements(history(0.5, energy_joules=0.0), None, learns=True))["energy"] == ("J", [0.0])


@pytest.mark.parametrize(("seconds", "told"), [(0.5, False), (1.0, True)])
def test_epochs_too_short_for_the_counter_have_no_energy(seconds: float, told: bool) -> None:
    epochs = (epoch(1), epoch(2, 0.95, loop_seconds=seconds), epoch(3))
    found = figures(measurements(History(epochs=epochs), 0.9, learns=True))
    assert {"energy", "energy_to_target"} & set(found) == ({"energy", "energy_to_target"} if told else set())
    assert found["time_to_target"] == ("s", [1 + seconds])
    assert (why_no_energy(epochs) is None) is told
    assert why_no_energy(()) is None


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_the_first_step_whose_loss_is_no_number_is_named(bad: float) -> None:
    assert why_diverged([1.0, 2.0, 1e30], 13, 3) is None
    assert why_diverged([], 13, 3) is None
    assert why_diverged([bad], 1, 1) == "the loss was not finite at step 1 (epoch 1)"
    assert why_diverged([1.0, bad, NAN], 13, 3) == "the loss was not finite at step 14 (epoch 3)"


@pytest.mark.parametrize("bad", [NAN, INF])
@pytest.mark.parametrize("last", [False, True])
def test_a_test_loss_that_is_no_number_is_useless_after_any_epoch(bad: float, last: bool) -> None:
    reason = why_diverged_after(epoch(2, test_loss=bad), last, 10, 24)
    assert reason == "the test loss was not finite after step 24 (epoch 2)"


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_loss_of_more_than_ten_times_guessing_is_useless_at_the_end_alone(classes: int) -> None:
    limit = DIVERGED_FACTOR * math.log(classes)
    just_above = epoch(4, train_loss=math.nextafter(limit, INF))
    assert why_diverged_after(epoch(4, train_loss=limit), True, classes, 48) is None
    assert why_diverged_after(just_above, False, classes, 48) is None
    reason = why_diverged_after(just_above, True, classes, 48)
    assert reason is not None
    assert f"the loss was {limit:.3g} at step 48 (epoch 4)" in reason
    assert f"10 times the {math.log(classes):.3g} of guessing" in reason


def test_a_network_that_only_guesses_or_is_sure_and_wrong_about_tests_is_not_useless() -> None:
    assert why_diverged_after(epoch(1, test_loss=1e6, train_loss=math.log(10)), True, 10, 1) is None


def test_a_history_comes_back_from_its_text() -> None:
    planted = History(epochs=(epoch(1), epoch(2, energy_joules=None)), peaks={"peak_resident": 2**40})
    assert msgspec.json.decode(msgspec.json.encode(planted), type=History) == planted
