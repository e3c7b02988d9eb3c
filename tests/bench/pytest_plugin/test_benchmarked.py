"""What a test is given to assert on."""

from __future__ import annotations

import pytest

from bench.pytest_plugin.benchmarked import Benchmarked


@pytest.mark.parametrize(
    "figure", ["median", "samples", "interval", "flops", "peak_bytes", "images_per_second"]
)
def test_a_step_at_a_reduced_size_has_no_figures(figure: str) -> None:
    """FLOPs neither: those of 32 pixels are not what the test asked for."""
    reduced = Benchmarked(is_measured=False, work=1000, size=10, batch=1)
    with pytest.raises(pytest.skip.Exception, match="reduced size"):
        getattr(reduced, figure)
    assert Benchmarked(is_measured=True, seconds=(1.0,), work=1000).flops == 1000


def test_a_failed_assertion_shows_a_line_and_not_every_round() -> None:
    found = Benchmarked(is_measured=True, seconds=(1.0,) * 1000, ends=(0.9, 1.1), size=10, work=1000)
    assert repr(found) == ("Benchmarked(median=1 s, interval=(0.9, 1.1), peak_bytes=10, flops=1000)")
    assert repr(Benchmarked(is_measured=False)) == "Benchmarked(not measured)"
