"""Cases are asked for by network, by id, or by a wildcard of either."""

from __future__ import annotations

import pytest

from models.errors import UserError
from reports.over_time.case_choice import chosen
from tests.planted.planted_series import series

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
