"""convbench as a command whose processes answer at once: for scripts that call it by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench import cli
from bench.runner import case_server, execute
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Environment, Record
from tests.planted import planted_records
from tests.planted.commands import ROOT
from tests.planted.standing_server import StandingServer


def main() -> None:
    """The command line, without children."""

    def attempted(
        case: Case, protocol: MeasurementProtocol, environment: Environment, *_: Any, facts: bool
    ) -> Record:
        timed = planted_records.time("forward", 0.01 + case.replicate / 1e5)
        return planted_records.record(case, timed, environment=environment)

    vars(case_server)["Server"] = lambda **_: StandingServer(object())
    vars(execute)["unrunnable"] = lambda planned, server: {}
    vars(execute)["attempt"] = attempted
    cli.main()


def put_on_path(folder: Path) -> Path:
    """A program `convbench` in a folder, which it returns."""
    folder.mkdir(parents=True)
    program = folder / "convbench"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {__name__} import main; main()"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    program.chmod(0o755)
    return folder
