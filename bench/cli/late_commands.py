"""Commands that are imported when they are called: `convbench --help` needs one line of each and no more."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from models.errors import unknown

_Context = Any
"""Newer releases of typer carry a click of their own, older ones use the package: this is either's."""


def load(name: str) -> Any:
    """The command of the module `bench.cli.NAME`, with its options: its function has the module's name. That
    of `fleet run` is `fleet_run`; `fleet` is a group, whose module has `SUBCOMMANDS`. `trend` has both: other
    commands behind its name, and a function for all other words."""
    from bench.cli import examples, help_layout
    from bench.cli.common_options import with_common_options

    module = name.replace("-", "_").replace(" ", "_")
    found = vars(importlib.import_module(f"bench.cli.{module}"))
    if "HELP" in found:
        return _group(name, found["SUBCOMMANDS"], found["HELP"])
    function = with_common_options(found.get(module) or found[f"{module}_"])
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=_Command, epilog=examples.epilog(name))(function)
    command = typer.main.get_command(alone)
    help_layout.lay_out(command.params)
    command.help = command.help and help_layout.unwrapped(command.help)
    if "SUBCOMMANDS" in found:
        command.commands = _group(name, found["SUBCOMMANDS"], "").commands  # type: ignore[attr-defined]
    return command


def _group(name: str, subcommands: Mapping[str, str], help_: str) -> Any:
    """The commands of a group, each imported when it is called."""
    from bench.cli import examples

    alone = typer.Typer(cls=Commands, add_completion=False, help=help_, epilog=examples.epilog(name))
    alone.callback()(lambda: None)
    for each, summary in subcommands.items():
        alone.command(each, help=summary, cls=LateCommand)(lambda: None)
    group = typer.main.get_command(alone)
    for each, command in group.commands.items():  # type: ignore[attr-defined]
        command.full_name = f"{name} {each}"
    return group


class LateCommand(TyperCommand):
    """Knows of a command its name and its line among the others, until it is called."""

    full_name: str | None = None
    """With the group before it; None outside of one."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """That of the command itself, which parses its arguments."""
        from bench.cli import old_spellings

        name = self.full_name or self.name or ""
        return load(name).make_context(info_name, old_spellings.current(name, args), parent=parent, **extra)


class Commands(TyperGroup):
    """All commands, with the options that stand before them."""

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Without arguments the help is shown."""
        found: list[str] = super().parse_args(ctx, args or ["--help"])
        return found

    def resolve_command(self, ctx: _Context, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """That of the first argument. UserError for one that there is not."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("command", args[0], self.commands)
        return super().resolve_command(ctx, args)

    def get_params(self, ctx: _Context) -> list[Any]:
        """Typer's own flags are None where they are not given, and it imports pydantic, in 0.1 s, to see that
        this is no text: False is taken as it is."""
        options = super().get_params(ctx)
        for option in options:
            if getattr(option, "is_flag", False):
                option.metavar = ""  # no type of Python
                option.default = option.default or False
        return options


class _Command(TyperCommand):
    commands: Mapping[str, Any] = {}
    """Others behind its name: the word `ack` after `trend` is one of them and no case."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """That of another command, where the first word names one."""
        other = self.commands.get(args[0]) if args else None
        if other is None:
            return super().make_context(info_name, args, parent=parent, **extra)
        return other.make_context(f"{info_name} {args[0]}", args[1:], parent=parent, **extra)

    def collect_usage_pieces(self, ctx: _Context) -> list[str]:
        """`[OPTIONS] MODEL...`: what stands for an argument says how many there are."""
        arguments = [
            each.metavar or ""
            for each in self.params
            if each.param_type_name == "argument" and not getattr(each, "hidden", False)
        ]
        return ["[OPTIONS]", *arguments]

    def get_help_option(self, ctx: _Context) -> Any:
        """That of all commands, among the options of the output and not in a panel of its own."""
        from bench.cli import help_layout

        option = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel, option.metavar = help_layout.OUTPUT, ""
        return option

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """As ever; without arguments the defaults are taken as they are, for the same price."""
        if args or ctx.resilient_parsing or any(option.required for option in self.params):
            return super().parse_args(ctx, args)
        shown = [option for option in self.params if option.expose_value and option.name]
        ctx.params.update({option.name: option.get_default(ctx) for option in shown})
        ctx.args = []
        return []
