"""Servers of rounds: two start at once, each round has its own, and none is left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self, cast

import pytest

from bench.forkserver.client import Server
from bench.host import cpu_cores
from bench.runner.round_servers import RoundServers
from models.errors import UserError


class Planted:
    """Starts when as many others start as `together` waits for."""

    def __init__(self, log: list[str], name: str, together: threading.Barrier | None = None) -> None:
        self.log, self.name, self.together = log, name, together

    def __enter__(self) -> Self:
        if self.together is not None:
            self.together.wait(timeout=20)
        self.log.append(f"start {self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append(f"end {self.name}")


class Refused(Planted):
    def __enter__(self) -> Self:
        raise UserError("cannot start")


def made(server: Planted) -> Callable[[], Server]:
    return lambda: cast(Server, server)


def name(server: Server) -> str:
    return cast(Planted, server).name


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda count: monkeypatch.setattr(cpu_cores, "usable_cores", lambda: count)


def test_two_start_at_once_and_the_second_waits_for_its_round(cores: Callable[[int], None]) -> None:
    """Neither would pass the barrier alone."""
    cores(2)
    log: list[str] = []
    together = threading.Barrier(2)
    with RoundServers(made(Planted(log, "a", together)), made(Planted(log, "b", together))) as servers:
        assert sorted(log) == ["start a", "start b"]
        assert name(servers.current) == "a"
        second = servers.next(made(Planted(log, "unused")), made(Planted(log, "unused")))
        assert name(second) == "b"
        assert log[2:] == ["end a"]
        assert name(servers.next(made(Planted(log, "c")))) == "c"
        assert log[3:] == ["end b", "start c"]
    assert log[5:] == ["end c"]


def test_one_that_no_round_took_is_ended_too(cores: Callable[[int], None]) -> None:
    cores(2)
    log: list[str] = []
    with RoundServers(made(Planted(log, "a")), made(Planted(log, "b"))):
        pass
    assert sorted(log[2:]) == ["end a", "end b"]


def test_a_single_core_starts_one_after_the_other(cores: Callable[[int], None]) -> None:
    cores(1)
    log: list[str] = []
    with RoundServers(made(Planted(log, "a")), made(Planted(log, "b"))):
        assert log == ["start a"]


def test_where_one_does_not_start_the_other_is_ended(cores: Callable[[int], None]) -> None:
    cores(2)
    log: list[str] = []
    with pytest.raises(UserError, match="cannot start"):
        RoundServers(made(Planted(log, "a")), made(Refused(log, "b")))
    assert log == ["start a", "end a"]
