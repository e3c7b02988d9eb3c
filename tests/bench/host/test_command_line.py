"""The command line that records keep."""

from __future__ import annotations

import pytest

from bench.host.command_line import typed


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["/usr/bin/convbench", "run", "--out", "my runs/1"], "convbench run --out 'my runs/1'"),
        (["/src/convbench/__main__.py", "time", "vgg16"], "convbench time vgg16"),
        (["/src/bench/__main__.py", "doctor"], "convbench doctor"),
        (["/usr/bin/pytest", "-q"], None),
        ([""], None),
    ],
)
def test_a_command_is_kept_as_one_types_it(words: list[str], command: str | None) -> None:
    """Quoted for a shell; of a program that calls convbench nothing is kept."""
    assert typed(words) == command
