"""Writes docs/commands.md, the reference of all commands, from the command line itself.

    python .ci/commands_page.py > docs/commands.md

`pytest tests/test_commands_page.py --update-golden` does the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bench.cli import COMMANDS, late_commands

INTRODUCTION = """\
# Commands

Every command with its arguments and options, generated from the command line:
`convbench COMMAND --help` shows the same. The [cookbook](index.md#cookbook) shows which command answers which
question.

| in every command | |
|:--|:--|
| several values | `--batch 1,8`, or the option twice |
| durations | `90`, `90s`, `5m` or `2h` |
| shares | `5%` or `0.05` |
| the answer first | a report on the terminal is one screen; `--section NAME` prints one part, `--full` all |
| formats | `--format`, `--json`, or the extension of `-o FILE` |
| data and messages | the report goes to standard output, progress and errors to standard error |
"""


def page() -> str:
    """The whole page, as markdown."""
    return "\n".join([INTRODUCTION, *(line for name in names() for line in _command(name))])


def names() -> list[str]:
    """Every command; those of a group behind it: `fleet`, `fleet run`."""
    inner = {name: getattr(late_commands.load(name), "commands", {}) for name in COMMANDS}
    return [each for name in COMMANDS for each in (name, *(f"{name} {below}" for below in inner[name]))]


def _command(name: str) -> Iterator[str]:
    command = late_commands.load(name)
    context = command.context_class(
        command, info_name=f"convbench {name}", help_option_names=["--help", "-h"]
    )
    yield f"## {name}\n"
    yield f"{_paragraphs(command.help)}\n"
    yield f"```text\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```\n"
    panels: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            title = getattr(parameter, "rich_help_panel", None)
            default = "Arguments" if parameter.param_type_name == "argument" else "Options"
            panels.setdefault(title or default, []).append(_row(*record))
    for title, rows in panels.items():
        yield f"| {title} | |\n|:--|:--|"
        yield from rows
        yield ""
    inner = getattr(command, "commands", {})
    if inner:
        yield "| Commands | |\n|:--|:--|"
        yield from (_row(f"{name} {below}", each.help) for below, each in inner.items())
        yield ""
    if command.epilog:
        yield f"{_paragraphs(command.epilog)}\n"


def _row(names: str, said: str) -> str:
    return f"| `{_line(names)}` | {_line(said).replace('<', '&lt;')} |"


def _line(text: str) -> str:
    """Without line breaks, and without what ends a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def _paragraphs(text: Any) -> str:
    """The paragraphs of a help text; commands in it as code."""
    paragraphs = re.split(r"\n\s*\n", str(text or "").replace("\b", "").strip())
    return "\n\n".join(_paragraph(each) for each in paragraphs)


def _paragraph(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    if any(line.startswith("convbench ") for line in lines):
        return "\n".join(["```text", *lines, "```"])
    return " ".join(lines).replace("<", "&lt;")


if __name__ == "__main__":
    print(page(), end="")
