"""Servers of rounds: two start at once, each round has its own, and none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, cast

import pytest

from bench.forkserver.client import Server
from bench.forkserver.process_tree import marked
from bench.host import cpu_cores
from bench.runner.round_servers import RoundServers
from models.errors import UserError
from tests.planted.commands import ROOT


class Planted:
    """Logs when it is begun, entered and left."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def begin(self) -> None:
        self.log.append(f"begin {self.name}")

    def __enter__(self) -> Self:
        self.log.append(f"start {self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append(f"end {self.name}")


class Refused(Planted):
    def __enter__(self) -> Self:
        raise UserError("cannot start")


class Interrupted(Planted):
    def __enter__(self) -> Self:
        raise KeyboardInterrupt


def made(server: Planted) -> Callable[[], Server]:
    return lambda: cast(Server, server)


def name(server: Server) -> str:
    return cast(Planted, server).name


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda count: monkeypatch.setattr(cpu_cores, "usable_cores", lambda: count)


def test_two_start_at_once_and_the_second_waits_for_its_round(cores: Callable[[int], None]) -> None:
    """Both import before one is waited for."""
    cores(2)
    log: list[str] = []
    with RoundServers(made(Planted(log, "a")), made(Planted(log, "b"))) as servers:
        assert log == ["begin a", "begin b", "start a", "start b"]
        assert name(servers.current) == "a"
        second = servers.next(made(Planted(log, "unused")), made(Planted(log, "unused")))
        assert name(second) == "b"
        assert log[4:] == ["end a"]
        assert name(servers.next(made(Planted(log, "c")))) == "c"
        assert log[5:] == ["end b", "begin c", "start c"]
    assert log[8:] == ["end c"]


def test_one_that_no_round_took_is_ended_too(cores: Callable[[int], None]) -> None:
    cores(2)
    log: list[str] = []
    with RoundServers(made(Planted(log, "a")), made(Planted(log, "b"))):
        pass
    assert sorted(log[4:]) == ["end a", "end b"]


def test_a_single_core_starts_one_after_the_other(cores: Callable[[int], None]) -> None:
    cores(1)
    log: list[str] = []
    with RoundServers(made(Planted(log, "a")), made(Planted(log, "b"))):
        assert log == ["begin a", "start a"]


def test_where_one_does_not_start_the_other_is_ended(cores: Callable[[int], None]) -> None:
    cores(2)
    log: list[str] = []
    with pytest.raises(UserError, match="cannot start"):
        RoundServers(made(Planted(log, "a")), made(Refused(log, "b")))
    assert log == ["begin a", "begin b", "start a", "end b", "end a"]


def test_an_interrupt_ends_both_while_they_start(cores: Callable[[int], None]) -> None:
    cores(2)
    log: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        RoundServers(made(Interrupted(log, "a")), made(Planted(log, "b")))
    assert log == ["begin a", "begin b", "end b", "end a"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_interrupted_while_servers_start_ends_at_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Its servers are importing torch then, and see nothing of what happens to their parent."""
    mark = f"{os.getpid()}-{number}-{tmp_path.name}"
    boot = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bench.cli; bench.cli.main()"
    words = ["run", "--model", "lenet5", "--replicates", "2", "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", boot, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CONVBENCH_TEST_TRACE": mark},
        start_new_session=True,
    ) as started:
        deadline = time.monotonic() + 60
        wanted = min(3, 1 + cpu_cores.usable_cores())
        while len(marked("CONVBENCH_TEST_TRACE", mark)) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        started.send_signal(number)
        _, err = started.communicate(timeout=60)
        seconds = time.monotonic() - began
        while marked("CONVBENCH_TEST_TRACE", mark) and time.monotonic() < began + 2:
            time.sleep(0.01)  # what was killed may not be gone yet
    assert seconds < 2
    assert marked("CONVBENCH_TEST_TRACE", mark) == []
    assert "Traceback" not in err
    assert started.returncode == (130 if number == signal.SIGINT else 128 + number)
