"""The step of more ranks, predicted from planted times."""

from __future__ import annotations

import pytest

from bench.stats.scaling_prediction import MeasuredSize, highest_of, predict


def _strong(ranks: int, *, wrong: float = 1.0) -> MeasuredSize:
    """0.1 s that does not shrink, 0.8 s that does; messages of 0.05 s of which a tenth of compute is
    hidden."""
    compute = 0.1 + 0.8 / ranks
    messages = 0.2 * (ranks - 1) / ranks
    skew = 0.01 * highest_of(ranks) * compute
    exposed = messages - 0.1 * compute if ranks > 1 else 0.0
    return MeasuredSize(
        ranks=ranks,
        step=(compute + skew + exposed) * wrong,
        compute=compute,
        skew=skew,
        exposed=exposed,
        messages=messages,
    )


def test_planted_strong_scaling_is_recovered() -> None:
    found = predict([_strong(n) for n in (1, 2, 4)], 8, 0.2 * 7 / 8, is_weak=False)
    assert found is not None
    truth = _strong(8)
    assert found.step.compute == pytest.approx(truth.compute)
    assert found.step.skew == pytest.approx(truth.skew)
    assert found.step.exposed == pytest.approx(truth.exposed)
    assert found.step.step == pytest.approx(truth.step)
    assert [ranks for ranks, _ in found.errors] == [1, 2, 4]
    assert max(abs(error) for _, error in found.errors) < 1e-9


def test_an_odd_size_shows_in_the_errors() -> None:
    """The step at 4 ranks took 10% longer than its parts say: the prediction is 9% below it."""
    measured = [_strong(1), _strong(2), _strong(4, wrong=1.1)]
    found = predict(measured, 8, 0.175, is_weak=False)
    assert found is not None
    assert dict(found.errors)[4] == pytest.approx(1 / 1.1 - 1)


def test_weak_scaling_keeps_compute() -> None:
    measured = [
        MeasuredSize(ranks=1, step=1.0, compute=1.0),
        MeasuredSize(ranks=2, step=1.05, compute=1.0, exposed=0.05, messages=0.25),
        MeasuredSize(ranks=4, step=1.10, compute=1.0, exposed=0.10, messages=0.30),
    ]
    found = predict(measured, 8, 0.35, is_weak=True)
    assert found is not None
    assert found.step.compute == pytest.approx(1.0)
    assert found.step.exposed == pytest.approx(0.35 - 0.2)  # 0.2 s of messages are hidden at 2 and at 4


def test_messages_that_are_hidden_cost_nothing() -> None:
    measured = [MeasuredSize(ranks=n, step=1.0, compute=1.0, messages=0.1 * (n > 1)) for n in (1, 2, 4)]
    found = predict(measured, 8, 0.05, is_weak=True)
    assert found is not None
    assert found.step.exposed == 0


def test_two_sizes_predict_nothing() -> None:
    assert predict([_strong(1), _strong(2)], 4, 0.15, is_weak=False) is None


@pytest.mark.parametrize(("n", "mean"), [(1, 0.0), (2, 0.5642), (4, 1.0294), (8, 1.4236), (100, 2.5076)])
def test_the_largest_of_normal_values(n: int, mean: float) -> None:
    """Tabulated expected values of normal order statistics (Harter 1961)."""
    assert highest_of(n) == pytest.approx(mean, abs=1e-4)
