"""What the log of a child says last."""

from __future__ import annotations

import pytest

from bench.forkserver.stages import last_line

WARNING = "/a b/ddp.py:42: FutureWarning: `x` is deprecated. Use `y`\n  wrapped = Parallel(module, x=False)\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one\nRuntimeError: two\nstage: timing\n", "RuntimeError: two"),
        ("one\n" + WARNING, "one"),
        (WARNING + "stage: timing\n", ""),
        (WARNING + "  indented output\n", ""),  # cannot be told from code
        (WARNING + "two\n  three\n", "three"),
        ("UserWarning: raised as an error\n", "UserWarning: raised as an error"),
        ("", ""),
    ],
)
def test_the_last_line_is_neither_a_stage_nor_a_warning(text: str, said: str) -> None:
    assert last_line(text) == said
