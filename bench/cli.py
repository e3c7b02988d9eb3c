"""The command line: the only place that prints or exits.

Exit codes: 0 all went well; 1 the work ran and something failed; 2 the input was bad; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bench import axes, listing, plan, suites
from bench.case import Case, Protocol
from bench.errors import UserError, unknown
from bench.record import FAILED

app = typer.Typer(
    help="Benchmark of the networks that began deep learning: LeNet-5, AlexNet and every VGG.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

if TYPE_CHECKING:
    from click import ClickException as _ClickError
else:
    # Newer releases of typer carry a click of their own, older ones use the package: this is either's.
    _ClickError = typer.BadParameter.__mro__[2]

Axis = list[str] | None
INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main() -> NoReturn:
    """The command `convbench`: every error a user can cause becomes one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0
        sys.stdout.flush()
    except UserError as error:
        code = _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _ClickError as error:
        code = _complain(error.format_message())
    except OSError as error:
        _forget_output()
        code = _complain(f"cannot use {error.filename or 'the output'}: {error.strerror or error}")
    if code == INTERRUPTED:  # newer releases of typer turn the exception into its code
        _complain("interrupted; what was finished is kept")
    sys.exit(code)


def _show(text: str) -> None:
    """Print to the terminal, to a file or to another program."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        # The reader went away (| head): nothing is wrong, and nobody listens.
        _forget_output()


def _forget_output() -> None:
    """What is still buffered would fail again when Python ends, and then with a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(sentence: str, code: int = 2) -> int:
    print(f"convbench: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


@app.command()
def run(
    out: Annotated[Path, typer.Option(help="Folder for the records and the report.")],
    suite: Annotated[str, typer.Option(help="quick, standard, full or FILE.toml.")] = "quick",
    model: Annotated[Axis, typer.Option(help=axes.AXES["model"].summary)] = None,
    workload: Annotated[Axis, typer.Option(help=axes.AXES["workload"].summary)] = None,
    device: Annotated[Axis, typer.Option(help=axes.AXES["device"].summary)] = None,
    precision: Annotated[Axis, typer.Option(help=axes.AXES["precision"].summary)] = None,
    engine: Annotated[Axis, typer.Option(help=axes.AXES["engine"].summary)] = None,
    layout: Annotated[Axis, typer.Option(help=axes.AXES["layout"].summary)] = None,
    batch: Annotated[Axis, typer.Option(help=axes.AXES["batch"].summary)] = None,
    image: Annotated[Axis, typer.Option(help=axes.AXES["image"].summary)] = None,
    channels: Annotated[Axis, typer.Option(help=axes.AXES["channels"].summary)] = None,
    classes: Annotated[Axis, typer.Option(help=axes.AXES["classes"].summary)] = None,
    threads: Annotated[Axis, typer.Option(help=axes.AXES["threads"].summary)] = None,
    seed: Annotated[Axis, typer.Option(help=axes.AXES["seed"].summary)] = None,
    replicates: Annotated[str | None, typer.Option(help="Processes for each case.")] = None,
    target_ci: Annotated[str | None, typer.Option(help="Stop sampling at this half width, e.g. 1%.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Seconds for each case.")] = None,
    budget: Annotated[str | None, typer.Option(help="Seconds after which no further case begins.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run what is missing, crashed or timed out.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    output: Annotated[str, typer.Option("--format", help="md, csv, json or terminal.")] = "terminal",
) -> int:
    """Measure a suite. Every axis takes several values, repeated or separated by commas.

    The options device, image, channels, classes, threads and seed change the whole suite; naming any other
    axis makes the plan the product of the given values and the suite's main axes.
    """
    _check_format(output)
    given = {"model": model, "workload": workload, "device": device, "precision": precision}
    given |= {"engine": engine, "layout": layout, "batch": batch, "image": image, "channels": channels}
    given |= {"classes": classes, "threads": threads, "seed": seed}
    chosen = suites.find(suite, gpu=plan.gpu_present())
    cases = plan.cases(
        chosen, {axis: axes.read(axis, values) for axis, values in given.items() if values}, _threads()
    )
    count = chosen.replicates
    if replicates is not None:
        count = axes.whole_number("--replicates", replicates, 1, 1000)
    protocol = _protocol(chosen.protocol, target_ci, time_limit)
    seconds = None if budget is None else axes.positive_number("--budget", budget, 1e8)
    _refuse_impossible(cases)
    planned = plan.replicated(cases, count)
    if dry_run:
        _show(listing.dry_run(planned, protocol, output))
        return 0
    return _run(planned, protocol, out, resume, seconds, output)


def _threads() -> int:
    from bench import environment

    return environment.usable_cores()


def _check_format(name: str) -> None:
    from reports import formats

    if name not in formats.names():
        raise unknown("format", name, formats.names())


def _protocol(protocol: Protocol, target_ci: str | None, time_limit: str | None) -> Protocol:
    from msgspec import structs

    if target_ci is not None:
        protocol = structs.replace(protocol, target_ci=axes.positive_number("--target-ci", target_ci, 1.0))
    if time_limit is not None:
        limit = axes.positive_number("--time-limit", time_limit, 1e7)
        protocol = structs.replace(protocol, time_limit_seconds=limit)
    return protocol


def _refuse_impossible(cases: list[Case]) -> None:
    reasons = [listing.why_not(case) for case in cases]
    if all(reasons):
        raise UserError(f"nothing of this plan can run here: {reasons[0]}")


def _run(
    planned: list[Case], protocol: Protocol, out: Path, resume: bool, budget: float | None, output: str
) -> int:
    from bench import run as runner
    from bench import terminal
    from reports import formats, report

    with terminal.progress(len(planned)) as tell:
        result = runner.execute(planned, protocol, out, resume=resume, budget_seconds=budget, tell=tell)
    if result.warning:
        print(f"convbench: {result.warning}", file=sys.stderr)
    if result.statuses:
        document = report.build([out])
        _write(out / "report.md", formats.render("md", document))
        _show(formats.render(output, document))
    if result.left:
        left = f"{result.left} of {len(planned)} cases are left: the same command with --resume runs them"
        print(f"convbench: the budget is spent; {left}", file=sys.stderr)
    return 1 if any(result.statuses.get(status) for status in FAILED) else 0


def _write(path: Path, text: str) -> None:
    """Write beside and rename, so that an older file is replaced whole or not at all. UserError."""
    target = path.resolve()  # what a link points to, not the link
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # /dev/stdout is written to, never replaced
            return
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that runs have written.")],
    output: Annotated[str, typer.Option("--format", help="md, csv, json or terminal.")] = "md",
    file: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write here and not to the terminal.")
    ] = None,
) -> int:
    """Say what the records of one or several runs show."""
    from reports import formats
    from reports import report as reporting

    _check_format(output)
    text = formats.render(output, reporting.build(folders))
    if file is None:
        _show(text)
    else:
        _write(file, text)
    return 0


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="models, suites or axes; all three without it.")] = "all",
    output: Annotated[str, typer.Option("--format", help="md, csv, json or terminal.")] = "terminal",
) -> int:
    """Say which models, suites and axes there are."""
    _check_format(output)
    _show(listing.catalogue_text(what, output))
    return 0


@app.command()
def cost(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help=axes.AXES["model"].summary)],
    image: Annotated[str | None, typer.Option(help=axes.AXES["image"].summary)] = None,
    channels: Annotated[str | None, typer.Option(help=axes.AXES["channels"].summary)] = None,
    classes: Annotated[str | None, typer.Option(help=axes.AXES["classes"].summary)] = None,
    batch: Annotated[str, typer.Option(help=axes.AXES["batch"].summary)] = "1",
    layers: Annotated[bool, typer.Option("--layers", help="Every layer of every model.")] = False,
    output: Annotated[str, typer.Option("--format", help="md, json, csv or terminal.")] = "md",
) -> int:
    """Parameters, FLOPs and activations in closed form, beside the counts of fvcore and torch.

    Needs no GPU and no run. Exit code 1 where the counts of one of our networks disagree.
    """
    import msgspec

    from bench import costing
    from reports import cost as costs
    from reports import formats

    _check_format(output)
    given = {"image": image, "channels": channels, "classes": classes, "batch": batch}
    sizes = {axis: int(axes.read(axis, [value])[0]) for axis, value in given.items() if value is not None}
    entries = costing.entries([str(name) for name in axes.read("model", models)], sizes)
    if output == "json":
        listed = [costs.as_json(entry, layers=layers) for entry in entries]
        _show(msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n")
    else:
        _show(formats.render(output, costs.document(entries, layers=layers)))
    return 1 if any(costs.miscounted(entry) for entry in entries) else 0


if __name__ == "__main__":
    main()
