"""Cases are asked for by network, by id, or by a wildcard of either; runs since a date or for some days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bench.archive.asked_series import chosen, date_of
from models.errors import UserError
from tests.planted.planted_case_series import series

CASES = (
    "vgg16/training/cuda/b8",
    "vgg16/inference/cuda/b8",
    "vgg19/training/cuda/b8",
    "net.py:a[1]/training/b1",
)
ALL = [series(case=case) for case in CASES]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), (0, 1, 2, 3)),
        (("vgg16",), (0, 1)),
        (("vgg*",), (0, 1, 2)),
        (("*/training/*",), (0, 2, 3)),
        (("vgg16/inference/cuda/b8", "vgg19"), (1, 2)),
        (("vgg1[69]",), (0, 1, 2)),
        (("net.py:a[1]",), (3,)),
    ],
)
def test_words_choose(words: tuple[str, ...], expected: tuple[int, ...]) -> None:
    assert [at for at, is_chosen in enumerate(chosen(ALL, words)) if is_chosen] == list(expected)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("vgg61", "unknown archived case 'vgg61'. Did you mean 'vgg16'?"),
        ("vgg16/training/cuda/b9", "Did you mean 'vgg16/training/cuda/b8'?"),
        ("vvg16*", "no network or case of the archive matches 'vvg16*'. Did you mean"),
    ],
)
def test_an_unknown_word_names_the_nearest(word: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        chosen(ALL, [word])
    assert said in str(raised.value)


def test_days_are_those_before_today_and_a_date_is_itself() -> None:
    assert date_of(None) is None
    assert date_of("2026-03-01") == "2026-03-01"
    today = datetime.now(UTC).date()
    assert date_of("90d") in [str(today - timedelta(days=days)) for days in (89, 90, 91)]


@pytest.mark.parametrize(
    "given", ["", "90", "d", "-1d", "2026-13-01", "yesterday", "2026-03-01T00:00", "999999d"]
)
def test_anything_else_is_no_date(given: str) -> None:
    with pytest.raises(UserError, match="--since takes days, as 90d, or a date, as 2026-03-01"):
        date_of(given)
