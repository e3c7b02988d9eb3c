"""The command line: the only place that prints or exits.

Exit codes: 0 all went well; 1 the work ran and something failed or got slower; 2 the input was bad;
3 incomplete: the budget left cases unmeasured; 130 interrupted. A module for each command; this one turns
what a user can cause into a sentence.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bench.cli import kept_run, streams
from bench.cli.late_commands import Commands, LateCommand
from bench.cli.output import complain, forget
from models.errors import UserError

if TYPE_CHECKING:
    from click import ClickException as _ClickError
else:
    # Newer releases of typer carry a click of their own, older ones use the package: this is either's.
    _ClickError = typer.BadParameter.__mro__[2]

INTERRUPTED = 130
"""The exit code after Ctrl-C."""
_STOPS_GIT = 128
"""At which `git bisect run` ends; it takes most lower codes for a bad commit."""

MEASURE, COMPARE, UNDERSTAND, CHECK = "Measure", "Compare", "Understand", "Check"

COMMANDS = {
    "run": (MEASURE, "Measure latency and memory. Options take several values: --batch 1,8."),
    "time": (MEASURE, "Time one network in about 30 seconds."),
    "train": (
        MEASURE,
        "Train networks briefly; report accuracy, speed and memory. The default dataset needs no download.",
    ),
    "ablate": (MEASURE, "Measure what a design choice costs in time and memory and does to accuracy."),
    "best": (
        MEASURE,
        "Find the fastest configuration of a network and confirm it against fp32 eager.",
    ),
    "max-batch": (MEASURE, "Find the largest batch size that fits in memory, and verify it."),
    "ceilings": (MEASURE, "Measure this machine's peak compute and memory bandwidth."),
    "scale": (
        MEASURE,
        "Measure a network's training on several devices: how much faster than one, and what is lost where.",
    ),
    "fleet": (MEASURE, "Measure the same plan on many machines, one job on each; show what is missing."),
    "compare": (COMPARE, "Compare two runs: is NEW faster or slower than BASE, and by how much?"),
    "ab": (
        COMPARE,
        "Measure two configurations or environments in alternation until the verdict is clear.",
    ),
    "bisect": (COMPARE, "Find the commit that made a network slower, between a fast and a slow one."),
    "history": (COMPARE, "Compare this machine with latencies published in 2015-2017."),
    "report": (
        UNDERSTAND,
        "Show the report of one or more runs. With -o FILE, plots are saved next to the file.",
    ),
    "merge": (
        UNDERSTAND,
        "Merge runs of several machines or shards into one folder, each record once.",
    ),
    "archive": (UNDERSTAND, "Keep runs for years, compressed and unchanged, and name some of them."),
    "trend": (
        UNDERSTAND,
        "Show what changed over the runs of an archive: steps, drifts, and what differs across each.",
    ),
    "layers": (
        UNDERSTAND,
        "Show where a network spends its time: every layer, forward and backward, vs the machine's peak.",
    ),
    "cost": (UNDERSTAND, "Count parameters, FLOPs and activations, cross-checked with fvcore and torch."),
    "claims": (
        UNDERSTAND,
        "Check 24 textbook claims about AlexNet and VGG against arithmetic and measurements.",
    ),
    "list": (UNDERSTAND, "List models, variants, suites, axes, datasets and recipes."),
    "doctor": (
        CHECK,
        "Find what makes measurements on this machine unreliable, and how to fix it.",
    ),
    "selftest": (CHECK, "Check the harness against known answers. Exits with 1 if one is missed."),
}
"""Of each command, which has a module of its own: its panel, and the first sentences of its own help."""

_EPILOG = """Examples:
  convbench run --suite smoke
  convbench time vgg16
  convbench best alexnet --batch 8

Exit codes: 0, 1 something failed or got slower, 2 bad input, 3 incomplete, 130 interrupted."""

app = typer.Typer(
    cls=Commands,
    help="Benchmark LeNet-5, AlexNet and VGG on GPU or CPU: cost, latency, memory, energy, accuracy.",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
)


def _show_version(is_asked: bool) -> None:
    from bench.cli import version

    version.show(is_asked)


@app.callback()
def everywhere(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_show_version, is_eager=True, help="Show versions and exit."
        ),
    ] = False,
) -> None:
    """The options of `convbench` itself; typer calls the callback of --version."""


for _name, (_panel, _summary) in COMMANDS.items():
    app.command(_name, help=_summary, cls=LateCommand, rich_help_panel=_panel)(lambda: None)


def main() -> NoReturn:
    """The command `convbench`: every error a user can cause becomes one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, _terminate)
    streams.prepare()
    kept_run.current.begin(None)
    try:
        # A shell completes `convbench`: its script must not be made for `python -m bench`.
        code = app(sys.argv[1:] or ["--help"], prog_name="convbench", standalone_mode=False) or 0
        sys.stdout.flush()
    except UserError as error:
        code = complain(str(error), _bad_input(sys.argv[1:]))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _ClickError as error:
        from bench.cli import click_errors

        code = complain(click_errors.sentence(error), _bad_input(sys.argv[1:]))
    except SystemExit as leaving:
        if not isinstance(leaving.__context__, BrokenPipeError):
            raise
        code = _unread(sys.argv[1:])  # so rich leaves when nobody reads what it prints
    except OSError as error:
        code = _without_file(error)
    except Exception:
        if not _is_for_git(sys.argv[1:]):
            raise
        traceback.print_exc()
        code = _STOPS_GIT  # Python's own code, 1, would be a bad commit
    if code == INTERRUPTED:  # newer releases of typer turn the exception into its code
        complain(kept_run.interrupted())
    sys.exit(code)


def _bad_input(words: Sequence[str]) -> int:
    """2; of a command for `git bisect run`, which takes 2 for a bad commit, a code at which git stops."""
    return _STOPS_GIT if _is_for_git(words) else 2


def _is_for_git(words: Sequence[str]) -> bool:
    """Whether `git bisect run` may have started this command, and judges a commit by its exit code."""
    judges = any(word.partition("=")[0] in ("--against", "--threshold") for word in words)
    return words[:1] == ["bisect"] and judges


def _without_file(error: OSError) -> int:
    """The exit code where a file or the output cannot be used."""
    words = sys.argv[1:]
    if error.filename is None:
        forget(sys.stdout)
        if isinstance(error, BrokenPipeError):  # nobody listens: --help, for one, prints by itself
            return _unread(words)
    sentence = f"cannot use {error.filename or 'the output'}: {error.strerror or error}"
    return complain(sentence, _bad_input(words))


def _unread(words: Sequence[str]) -> int:
    """The exit code where nobody reads the output, which is no error, but no good commit either."""
    return _STOPS_GIT if _is_for_git(words) else 0


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)
