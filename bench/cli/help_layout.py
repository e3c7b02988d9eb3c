"""Where an option stands in the help of its command, and what stands for its value."""

from __future__ import annotations

from typing import Any

WHAT, WHERE, HOW, OUTPUT = "What", "Where", "How carefully", "Output"

_WHERE = (
    *("executor", "nodes", "partition", "setup", "setup_file", "container", "convbench", "sbatch"),
    *("jobs_at_once", "exclusive", "job_time"),
)

_CAREFULLY = (
    *("replicates", "seeds", "until", "target_ci", "time_limit", "budget", "flush_l2", "lock_clocks"),
    *("ceilings", "margin", "threshold", "fail_on", "plain_intervals", "deterministic"),
)
_OUT = (
    *("out", "file", "format_", "json", "section", "full", "all_", "quiet", "verbose", "color"),
    *("dry_run", "resume", "report_only", "run", "trace", "tensorboard", "layers"),
)

_NAMES = "executor partition workload device precision engine layout tuning dataset recipe level model"
_NUMBERS = "jobs_at_once batch image channels classes threads seed first_seed replicates seeds epochs"
_METAVARS = {
    **dict.fromkeys(_NAMES.split(), "NAME"),
    **dict.fromkeys(_NUMBERS.split(), "N"),
    **dict.fromkeys(("out", "base", "new", "from_", "data_dir", "tensorboard", "repo"), "FOLDER"),
    **dict.fromkeys(("file", "trace", "setup_file"), "FILE"),
    **dict.fromkeys(("until", "target_ci", "margin", "target", "threshold"), "PERCENT"),
    **dict.fromkeys(("time_limit", "budget", "job_time"), "TIME"),
    **dict.fromkeys(("a", "b"), "AXIS=VALUE"),
    **dict.fromkeys(("a_python", "b_python", "python"), "PYTHON"),
    **dict.fromkeys(("container", "convbench"), "COMMAND"),
    "nodes": "LIST|N",
    "setup": "LINE",
    "sbatch": "OPTION",
    "input": "SHAPE",
    "input_": "SHAPE",
    "lr": "NUMBER",
    "set_": "FIELD=VALUE",
    "suite": "SUITE",
    "gpu": "GPU",
    "memory": "SIZE",
    "format_": "FORMAT",
    "section": "NAME",
    "library": "NAME",
    "color": "WHEN",
    "fail_on": "VERDICT",
}
_WHOLE = ("from_", "setup", "sbatch")
"""Options that may be repeated, and whose value is no list."""
_ARGUMENTS = {"folder": "FOLDER", "name": "ABLATION", "what": "[WHAT]"}


def lay_out(parameters: list[Any]) -> None:
    """Give each option of a command its panel and the word for its value, and sort the options by panel."""
    for each in parameters:
        each.help = each.help and each.help.replace("[default: ", r"\[default: ")  # it is no markup
        if each.param_type_name != "option":
            each.metavar = each.metavar or _ARGUMENTS.get(each.name, each.name.upper())
            each.display_type_rich = lambda ctx: None  # its name says enough, and its type is Python's
            continue
        if getattr(each, "rich_help_panel", None) is None:
            each.rich_help_panel = _panel(each.name)
        if each.is_flag:
            each.metavar = ""  # it has no value, and no type of Python
        elif each.metavar is None and each.name in _METAVARS:
            each.metavar = _METAVARS[each.name] + (
                ",..." if each.multiple and each.name not in _WHOLE else ""
            )
    order = (None, WHAT, WHERE, HOW, OUTPUT)
    parameters.sort(key=lambda each: order.index(getattr(each, "rich_help_panel", None)))


def unwrapped(text: str) -> str:
    """A docstring whose paragraphs have a line each, so that the terminal's width alone breaks them."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _panel(name: str) -> str:
    if name in _WHERE:
        return WHERE
    return OUTPUT if name in _OUT else HOW if name in _CAREFULLY else WHAT
