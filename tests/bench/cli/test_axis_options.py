"""The options of the axes, spliced into a command's own."""

from __future__ import annotations

import inspect
from typing import Annotated

import pytest

from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan.axes import AXES
from models.errors import UserError


def test_the_options_stand_in_the_place_of_the_parameter_and_come_as_one_mapping() -> None:
    got: list[object] = []

    @axis_options
    def command(*, first: int, given: Annotated[Given, Axes("model", "batch")], last: str = "end") -> int:
        got.extend((first, given, last))
        return 7

    assert list(inspect.signature(command).parameters) == ["first", "model", "batch", "last"]
    assert command(first=1, model=["lenet5,vgg16"], batch=None, last="") == 7
    assert got == [1, {"model": ("lenet5", "vgg16")}, ""]
    with pytest.raises(UserError, match="batch must be a whole number"):
        command(first=1, model=None, batch=["none"])


def test_a_command_may_say_what_it_means_by_an_axis() -> None:
    @axis_options
    def command(*, given: Annotated[Given, Axes("image", "batch", image="Of the timed cases.")]) -> int:
        return 0

    texts = {
        name: each.annotation.__metadata__[0].help
        for name, each in inspect.signature(command).parameters.items()
    }
    assert texts == {"image": "Of the timed cases.", "batch": AXES["batch"].summary}
