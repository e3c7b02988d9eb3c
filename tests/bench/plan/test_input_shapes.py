"""The axis `input`: shapes that are no square image, and that a square one is what it always was."""

from __future__ import annotations

import msgspec
import pytest

from bench.plan import axes, expand
from bench.plan.axes import Value
from bench.plan.feasibility import why_impossible
from bench.plan.suite import Block, Suite
from bench.schema.case import Case
from bench.schema.job import encode
from models.errors import UserError

NETWORK = "torchvision:resnet18"


def planned(block: Block, **given: tuple[Value, ...]) -> list[Case]:
    suite = Suite(name="", summary="", blocks=({"model": (NETWORK,), **block},), replicates=1)
    return expand.cases(suite, given, 1)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("512", (512,)),
        ("64x1000", (64, 1000)),
        ("3x064x80", (3, 64, 80)),
        ("3x16x112x112", (3, 16, 112, 112)),
    ],
)
def test_a_shape_is_that_of_one_input(text: str, shape: tuple[int, ...]) -> None:
    (case,) = planned({}, input=axes.read("input", [text]))
    assert case.input_shape == shape
    assert case.channels == shape[0]
    assert f"/i{'x'.join(map(str, shape))}" in case.id


def test_a_square_image_is_the_same_case_as_by_image_and_channels() -> None:
    (case,) = planned({}, input=axes.read("input", ["1x96x96"]))
    assert case == planned({}, image=(96,), channels=(1,))[0]
    assert case.input_shape == (1, 96, 96)


def test_several_shapes_are_several_cases() -> None:
    found = planned({}, input=axes.read("input", ["3x64x80,3x80x64", "3x224x224"]))
    assert [case.input for case in found] == ["3x64x80", "3x80x64", ""]
    assert len({case.id for case in found}) == len({case.file_name for case in found}) == 3


@pytest.mark.parametrize("text", ["", "x", "3x", "3x64x", "3xax80", "3 x 64", "-3x64", "1x2x3x4x5"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="sizes joined by x, channels first, without the batch"):
        axes.read_one("input", text or "x")


@pytest.mark.parametrize("text", ["0x64", "3x0x80", "3x64x99999999"])
def test_sizes_have_their_limits(text: str) -> None:
    with pytest.raises(UserError, match="each size of input must be from 1 to"):
        axes.read_one("input", text)


def test_a_shape_and_the_sides_of_a_square_are_not_asked_for_together() -> None:
    with pytest.raises(
        UserError, match=r"the options: input already gives channels and image size. Omit image"
    ):
        planned({}, input=("3x64x80",), image=(64,))
    with pytest.raises(UserError, match=r"the suite: input already gives .* Omit image and channels"):
        planned({"input": ("3x64x80",), "image": (64,), "channels": (3,)})


def test_an_option_replaces_what_a_suite_says_in_another_way() -> None:
    assert [c.input_shape for c in planned({"image": (64,)}, input=("3x64x80",))] == [(3, 64, 80)]
    assert [c.input_shape for c in planned({"input": ("3x64x80",)}, image=(32,))] == [(3, 32, 32)]


def test_a_network_of_ours_takes_square_images_alone() -> None:
    case = Case(model="vgg11", input="3x64x80")
    assert why_impossible(case) == (
        "vgg11 takes square images, and no input of 3x64x80: say --image and --channels"
    )


def test_a_case_without_it_is_sent_and_named_as_before() -> None:
    """An older convbench knows no such field, and is refused for what is used alone."""
    assert b"input" not in encode(Case(model="vgg11", image=64))
    assert Case(model="vgg11", image=64).id == "vgg11/inference/cpu/fp32/eager/nchw/b1/t1/i64"
    assert msgspec.json.decode(encode(Case(model=NETWORK, input="3x64x80")), type=Case).input == "3x64x80"
