"""Lists in a sentence."""

from __future__ import annotations

import pytest

from reports.tables.listing import and_more, within


@pytest.mark.parametrize(
    ("names", "told", "in_parts"),
    [
        ([], "", ""),
        (["a"], "a", "a"),
        (["a", "b"], "a, b", "a and b"),
        (["a", "b", "c"], "a, b, c", "a, b and c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more", "a, b and 2 more"),
        (["a"] * 1003, "a, a, a and 1,000 more", "a, a and 1,001 more"),
    ],
)
def test_the_first_are_named_and_the_rest_are_counted(names: list[str], told: str, in_parts: str) -> None:
    assert and_more(names, 3) == told
    assert within(names, 3) == in_parts
