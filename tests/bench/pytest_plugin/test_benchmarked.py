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
