"""What a sentence about an unknown name says: what is near, and what is accepted."""

from __future__ import annotations

import pytest

from models.errors import nearest, unknown

VGGS = ("vgg11", "vgg13", "vgg16", "vgg19")


@pytest.mark.parametrize(
    ("given", "accepted", "near"),
    [
        ("vgg61", VGGS, "vgg16"),  # two characters exchanged
        ("VGG91", VGGS, "vgg19"),
        ("comp", ("cudagraph", "compile", "compile-reduce-overhead"), "compile"),  # begins so
        ("lenet6", ("alexnet", "lenet5"), "lenet5"),  # alike
        ("tpu", ("cpu", "cuda"), None),  # short names are alike by chance
        ("fp8", ("fp16", "fp32"), None),
        ("resnet", VGGS, None),
    ],
)
def test_the_nearest_name_is_the_likeliest_slip(
    given: str, accepted: tuple[str, ...], near: str | None
) -> None:
    said = str(unknown("name", given, accepted))
    question = f" Did you mean {near!r}?" if near else ""
    assert said == f"unknown name {given!r}.{question} Accepted: {', '.join(accepted)}"
    assert nearest(given, accepted) == (f".{question}" if near else "")


def test_of_many_names_eight_are_listed_and_the_command_that_lists_all() -> None:
    names = [f"net{number}" for number in range(20)]
    assert str(unknown("model", "x", names)) == (
        f"unknown model 'x'. Accepted: {', '.join(names[:8])} and 12 more (see `convbench list models`)"
    )
    assert "net19" in str(unknown("key", "x", names)), "no command lists keys"
