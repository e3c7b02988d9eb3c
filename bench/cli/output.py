"""Where what a command gives goes: the terminal, a file, or one sentence on standard error."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from msgspec import structs

from bench.cli import kept_run
from bench.schema.plain_text import as_text, in_print
from models.errors import UserError

if TYPE_CHECKING:
    from reports.document import Document, Origin


@dataclass
class Settings:
    """What the options that every command has ask for.

    is_quiet    only the answer and errors
    is_verbose  also samples and paths of logs
    file        where the answer goes; None for standard output
    """

    is_quiet: bool = False
    is_verbose: bool = False
    file: Path | None = None


settings = Settings()
"""Of the command that runs."""


def note(sentence: str) -> None:
    """One line on standard error that is no error; nothing with --quiet."""
    if not settings.is_quiet:
        complain(sentence)


def complain(sentence: str, code: int = 2) -> int:
    """One line on standard error; returns the exit code."""
    try:
        print(f"convbench: {in_print(sentence)}", file=sys.stderr, flush=True)
    except OSError:  # nobody reads it, or the disk is full
        forget(sys.stderr)
    return code


def show(content: str | bytes) -> None:
    """Print to standard output, or write to the file that --output names."""
    if settings.file is not None:
        write(settings.file, content)
        return
    try:
        if isinstance(content, bytes):
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
        else:
            print(content, end="", flush=True)
    except BrokenPipeError:
        # The reader went away (| head): nothing is wrong, and nobody listens.
        forget(sys.stdout)


def forget(stream: TextIO) -> None:
    """What is still buffered would fail again when Python ends, and then with a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def check_format(name: str) -> None:
    """Raise UserError, before any work, for a format that does not exist, or whose package is missing."""
    from reports import formats

    formats.check(name)


def measured(document: Document, section: str | None, full: bool) -> Document:
    """As `chosen`, of a report for which something was measured: where it lacks the section, its answer, and
    a sentence that says so."""
    names = [part.name for part in document.parts]
    if section is None or section in names:
        return chosen(document, section, full)
    has = f"It has: {', '.join(names)}" if names else "It has no sections"
    complain(f"this report has no section {section!r}, because nothing was measured for it. {has}")
    return document


def chosen(document: Document, section: str | None, full: bool) -> Document:
    """What --section and --full leave of a report: one part, all parts, or by default its answer. One that
    rests on no records says that this command made it.

    Raises UserError for a section that the report lacks, and for both options at once.
    """
    document = with_origin(document)
    if section is None:
        return structs.replace(document, whole=True) if full else document
    if full:
        raise UserError("--section shows one part and --full all of them: give one of the two")
    return document.only(section)


def with_origin(document: Document) -> Document:
    """A report that rests on no records says that this command made it."""
    return document if document.origin else structs.replace(document, origin=_of_this_command())


def _of_this_command() -> Origin:
    from bench.host import command_line, environment
    from bench.host.installed import version_of
    from reports.document import Origin

    command, version, commit = command_line.typed(), version_of("convbench"), environment.commit()
    return Origin(
        commands=(command,) if command else (),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=(version,) if version else (),
        commits=(commit,) if commit else (),
    )


_RUNS = Path("runs")
_NEEDS_OUT = "--resume needs --out FOLDER (the run to continue)"


def kept_folder(out: Path | None, *, resume: bool) -> Path:
    """The user's folder for a run, or the first of runs/1, runs/2, ... that there is not. UserError: nothing
    to resume."""
    if out is None and resume:
        raise UserError(_NEEDS_OUT)
    numbered = (_RUNS / str(number) for number in itertools.count(1))
    folder = out or next(path for path in numbered if not path.exists())
    kept_run.current.begin(folder)
    return folder


@contextlib.contextmanager
def folder(out: Path | None, *, resume: bool) -> Iterator[Path]:
    """Where records go: the user's folder, or one that is gone afterwards. UserError: nothing to resume."""
    kept_run.current.begin(out)
    if out is not None:
        yield out
        return
    if resume:
        raise UserError(_NEEDS_OUT)
    with tempfile.TemporaryDirectory(prefix="convbench-") as made:
        yield Path(made) / "run"


def write(path: Path, content: str | bytes) -> None:
    """Write beside and rename, so that an older file is replaced whole or not at all. UserError."""
    data = content if isinstance(content, bytes) else as_text(content).encode()
    target = path.resolve()  # what a link points to, not the link
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # /dev/stdout is written to, never replaced
            return
        beside.write_bytes(data)
        beside.replace(target)
    except BrokenPipeError:
        return  # as in `show`: `-o /dev/stdout | head`
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
