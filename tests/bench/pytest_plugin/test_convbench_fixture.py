"""What the fixture refuses of a module of the test's own, before anything is built."""

from __future__ import annotations

from typing import Any

import pytest

from bench.pytest_plugin.convbench_fixture import Convbench


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": -5}, "image must be a whole number from 1 to 8192, got -5"),
        ({"image": "x"}, "image must be a whole number from 1 to 8192, got 'x'"),
        ({"batch": 0}, "batch must be a whole number from 1 to 65536, got 0"),
        ({"batch": 2.5}, "batch must be a whole number from 1 to 65536, got 2.5"),
    ],
)
def test_sizes_of_a_module_are_whole_numbers(
    request: pytest.FixtureRequest, given: dict[str, Any], said: str
) -> None:
    """A batch of 0 must not become the default."""
    from torch import nn

    with pytest.raises(pytest.fail.Exception, match=said):
        Convbench(request)(nn.Conv2d(3, 3, 3), **given)
