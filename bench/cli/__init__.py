"""The command line: the only place that prints or exits.

Exit codes: 0 all went well; 1 the work ran and something failed or got slower; 2 the input was bad;
130 interrupted. A module for each command; this one turns what a user can cause into a sentence.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bench.cli import (
    ab,
    ablate,
    best,
    ceilings,
    claims,
    compare,
    cost,
    doctor,
    history,
    layers,
    max_batch,
    report,
    run,
    selftest,
    streams,
    train,
    version,
)
from bench.cli import list as list_command
from bench.cli.output import complain, forget
from models.errors import UserError

if TYPE_CHECKING:
    from click import ClickException as _ClickError
else:
    # Newer releases of typer carry a click of their own, older ones use the package: this is either's.
    _ClickError = typer.BadParameter.__mro__[2]

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

app = typer.Typer(
    help="Benchmark of the networks that began deep learning: LeNet-5, AlexNet and every VGG.",
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def everywhere(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=version.show, is_eager=True, help="Show versions and exit."),
    ] = False,
) -> None:
    """The options of `convbench` itself; typer calls the callback of --version."""


app.command("run")(run.run)
app.command("train")(train.train)
app.command("ablate")(ablate.ablate)
app.command("claims")(claims.claims)
app.command("history")(history.history)
app.command("report")(report.report)
app.command("cost")(cost.cost)
app.command("list")(list_command.list_)
app.command("best")(best.best)
app.command("max-batch")(max_batch.max_batch)
app.command("compare")(compare.compare)
app.command("ab")(ab.ab)
app.command("ceilings")(ceilings.ceilings)
app.command("layers")(layers.layers)
app.command("selftest")(selftest.selftest)
app.command("doctor")(doctor.doctor)


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
