"""Commands that are imported when they are called: `convbench --help` needs one line of each and no more."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_Context = Any
"""Newer releases of typer carry a click of their own, older ones use the package: this is either's."""


def load(name: str) -> Any:
    """The command of the module `bench.cli.NAME`, with its options: its function has the module's name."""
    module = name.replace("-", "_")
    found = vars(importlib.import_module(f"bench.cli.{module}"))
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=_Command)(found.get(module) or found[f"{module}_"])
    return typer.main.get_command(alone)


class LateCommand(TyperCommand):
    """Knows of a command its name and its line among the others, until it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """That of the command itself, which parses its arguments."""
        return load(self.name or "").make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """All commands, with the options that stand before them."""

    def get_params(self, ctx: _Context) -> list[Any]:
        """Typer's own flags are None where they are not given, and it imports pydantic, in 0.1 s, to see that
        this is no text: False is taken as it is."""
        options = super().get_params(ctx)
        for option in options:
            if getattr(option, "is_flag", False) and option.default is None:
                option.default = False
        return options


class _Command(TyperCommand):
    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """As ever; without arguments the defaults are taken as they are, for the same price."""
        if args or ctx.resilient_parsing or any(option.required for option in self.params):
            return super().parse_args(ctx, args)
        shown = [option for option in self.params if option.expose_value and option.name]
        ctx.params.update({option.name: option.get_default(ctx) for option in shown})
        ctx.args = []
        return []
