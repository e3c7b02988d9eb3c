"""The options of the axes, declared once.

A command says which axes it has, and where they stand among its options, in the annotation of a parameter:

    @axis_options
    def run(*, suite: SuiteName = "quick", given: Annotated[Given, Axes(*AXES)], dry_run: ...) -> int:

Typer reads the options of a command from its signature. The decorator writes one in which the options
`--model`, `--workload`, ... stand in the place of `given`, and calls the command with the values that were
named, checked, as one mapping. The parameters of such a command are keywords, as typer passes them, so that
one without a default may follow one that has one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, get_args

import typer

from bench.cli import completion
from bench.plan import axes
from bench.plan.axes import AXES, Value

Given = Mapping[str, tuple[Value, ...]]
"""The axes that were named, with their values; another axis is left to the plan."""

Texts = list[str] | None


class Axes:
    """In the annotation of a parameter: the axes whose options stand there, in their order.

    `help_of` says of an axis what the command means by it, where that is not what `convbench list axes` says.
    """

    def __init__(self, *names: str, **help_of: str) -> None:
        self.names = names
        self._help_of = help_of

    def parameters(self) -> Iterator[inspect.Parameter]:
        """One for each option: repeatable, and None where it is not given."""
        for name in self.names:
            option = typer.Option(
                f"--{name}",
                help=self._help_of.get(name, AXES[name].summary),
                autocompletion=completion.of_axis(name),
            )
            yield inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Texts, option]
            )


def axis_options(command: Callable[..., int]) -> Callable[..., int]:
    """The command as typer shall see it: see the head of this module.

    Calling it raises UserError for a value that an axis does not take.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {name: group for name, each in signature.parameters.items() if (group := _axes_of(each))}

    @functools.wraps(command)
    def with_options(**options: object) -> int:
        for name, group in groups.items():
            options[name] = given_axes({axis: options.pop(axis) for axis in group.names})
        return command(**options)

    shown = [
        option
        for name, parameter in signature.parameters.items()
        for option in (groups[name].parameters() if name in groups else [parameter])
    ]
    with_options.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in shown}  # typer reads both
    return with_options


def _axes_of(parameter: inspect.Parameter) -> Axes | None:
    """What its annotation says of axes."""
    return next((note for note in get_args(parameter.annotation) if isinstance(note, Axes)), None)


def given_axes(texts: Mapping[str, object]) -> Given:
    """The axes that were named, with their values. Raises UserError for a bad one."""
    named = {axis: values for axis, values in texts.items() if isinstance(values, list) and values}
    return {axis: axes.read(axis, values) for axis, values in named.items()}
