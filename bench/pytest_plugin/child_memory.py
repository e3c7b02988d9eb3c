"""Sizes and peaks of a step in a process of its own, as `convbench run` measures them.

What a host's kernel counts for pytest's process depends on what ran before: freed memory that is kept hides a
peak, and what a first network loads adds to it. A device's own allocator counts each case alone.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench import devices
from bench.forkserver.client import Server
from bench.host import environment
from bench.runner.attempt import attempt
from bench.runner.case_server import server_for
from bench.runner.preload import preload
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Measurement
from models.errors import UserError

_UNTIMED = MeasurementProtocol(
    warmup_steps=1, warmup_seconds=0.0, warmup_limit_seconds=0.1, max_samples=0, time_limit_seconds=120.0
)
_KINDS = ("bytes", "count")


class ChildMemory:
    """Each case once; servers start with the first that needs them and live as long as the session."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._servers: dict[object, Server] = {}
        self._found: dict[Case, list[Measurement] | None] = {}

    def of(self, case: Case) -> list[Measurement] | None:
        """None where the device's allocator counts by itself, and where the process gave nothing."""
        if not devices.traits(case.device).is_host:
            return None
        if case not in self._found:
            try:
                self._found[case] = self._measured(case)
            except (UserError, OSError):  # no server starts here: pytest's own process says it, labelled
                self._found[case] = None
        return self._found[case]

    def close(self) -> None:
        """End the servers."""
        self._opened.close()

    def _measured(self, case: Case) -> list[Measurement] | None:
        with tempfile.TemporaryDirectory(prefix="convbench-") as made:
            server = self._server(case)
            record = attempt(case, _UNTIMED, environment.describe(), Path(made), server, facts=False)
        found = [each for each in record.measurements if each.unit in _KINDS]
        return found if record.status == "ok" and found else None

    def _server(self, case: Case) -> Server:
        """One that has imported all that the case needs: what a child imports itself would count as its."""
        needed = preload([case], facts=False)
        if needed not in self._servers:
            self._servers[needed] = self._opened.enter_context(server_for([case], facts=False))
        return self._servers[needed]


_KEY = pytest.StashKey[ChildMemory]()


def kept_by(config: pytest.Config) -> ChildMemory:
    """The session's."""
    if _KEY not in config.stash:
        config.stash[_KEY] = ChildMemory()
        config.add_cleanup(config.stash[_KEY].close)
    return config.stash[_KEY]
