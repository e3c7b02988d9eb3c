"""The command line: the only place that prints or exits.

Exit codes: 0 all went well; 1 the work ran and something failed or got slower; 2 the input was bad;
130 interrupted. A module for each command; this one turns what a user can cause into a sentence.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bench.cli import streams
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

COMMANDS = {
    "run": "Measure a suite: smoke is what to run first, quick what is run without the option.",
    "time": "Time one network: the figure, its interval, and what holds it back.",
    "train": (
        "Train networks briefly; report accuracy, speed and memory. The default dataset needs no download."
    ),
    "ablate": "Measure what a design choice costs in time and memory and does to accuracy.",
    "claims": ("Check 20 textbook claims about AlexNet and VGG against arithmetic and measurements."),
    "history": ("Compare this machine with latencies published in 2015-2017."),
    "report": "Say what the records of one or several runs show; with -o also the plots, in a folder beside.",
    "cost": "Parameters, MACs, FLOPs and activations of networks, beside the counts of fvcore and torch.",
    "list": "Say which models, variants, suites, axes, datasets and recipes there are.",
    "best": (
        "Search for the fastest precision, layout, engine, tuning and threads; confirm the winner in pairs."
    ),
    "max-batch": (
        "The largest batch whose step fits into the memory: predicted from small ones, then verified."
    ),
    "compare": "Compare two runs: is NEW faster or slower than BASE, and by how much?",
    "ab": "Measure two configurations or environments in alternation until the verdict is clear.",
    "ceilings": (
        "Measure how fast this machine multiplies and copies: the ceilings that networks stand under."
    ),
    "layers": (
        "Time every layer, forward and backward, beside its FLOPs, its bytes and what the machine can do."
    ),
    "selftest": "Recover answers that are known beforehand, on this machine. Exit code 1 when one is wrong.",
    "doctor": "What on this machine would spoil a measurement, and what to do about it.",
}
"""What the list of commands says of each: the first sentences of its own help. A module for each."""

app = typer.Typer(
    cls=Commands,
    help="Benchmark of the networks that began deep learning: LeNet-5, AlexNet and every VGG.",
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


for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary, cls=LateCommand)(lambda: None)


def main() -> NoReturn:
    """The command `convbench`: every error a user can cause becomes one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, _terminate)
    streams.prepare()
    try:
        # A shell completes `convbench`: its script must not be made for `python -m bench`.
        code = app(sys.argv[1:] or ["--help"], prog_name="convbench", standalone_mode=False) or 0
        sys.stdout.flush()
    except UserError as error:
        code = complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _ClickError as error:
        code = complain(error.format_message())
    except SystemExit as leaving:
        if not isinstance(leaving.__context__, BrokenPipeError):
            raise
        code = 0  # so rich leaves when nobody reads what it prints
    except OSError as error:
        code = _without_file(error)
    if code == INTERRUPTED:  # newer releases of typer turn the exception into its code
        complain("interrupted; a folder given as --out keeps what was finished")
    sys.exit(code)


def _without_file(error: OSError) -> int:
    """The exit code where a file or the output cannot be used."""
    if error.filename is None:
        forget(sys.stdout)
        if isinstance(error, BrokenPipeError):  # nobody listens: --help, for one, prints by itself
            return 0
    return complain(f"cannot use {error.filename or 'the output'}: {error.strerror or error}")


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)
