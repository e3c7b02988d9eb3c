"""News from a child: whole lines, in their order, dropped rather than waited for; the parent sleeps."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.forkserver.client import Outcome, Server
from bench.forkserver.pipe import Listener, teller
from bench.forkserver.wire import readable


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with Listener(tmp_path / "news") as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


def test_what_is_told_is_heard_in_its_order(listener: Listener) -> None:
    assert listener.news() == []
    tell = teller(str(listener.path))
    told = [b"first", b"", "später".encode(), b"x" * 4000]
    for line in told:
        tell(line)
    assert listener.news() == told
    assert listener.news() == []


def test_a_line_counts_once_it_is_whole(listener: Listener) -> None:
    raw = os.open(listener.path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(raw, b"one\ntw")
    assert listener.news() == [b"one"]
    os.write(raw, b"o\nthree")
    assert listener.news() == [b"two"]
    os.write(raw, b"\n")
    assert listener.news() == [b"three"]
    os.close(raw)


def test_what_does_not_fit_is_dropped_and_never_waited_for_and_the_rest_is_whole(listener: Listener) -> None:
    tell = teller(str(listener.path))
    lines = [f"{number:05d}".encode() * 25 for number in range(2000)]
    began = time.monotonic()
    for line in lines:
        tell(line)
    assert time.monotonic() - began < 1.0
    heard = listener.news()
    assert 100 < len(heard) < 2000
    assert heard == lines[: len(heard)]
    tell(b"again")
    assert listener.news() == [b"again"]


@pytest.mark.parametrize("length", [select.PIPE_BUF, 1 << 20])
def test_a_line_that_could_be_torn_is_dropped_whole(listener: Listener, length: int) -> None:
    tell = teller(str(listener.path))
    tell(b"before")
    tell(b"x" * length)
    tell(b"after")
    assert listener.news() == [b"before", b"after"]


def test_where_nobody_listens_telling_does_nothing(tmp_path: Path) -> None:
    teller(None)(b"line")
    teller(str(tmp_path / "none"))(b"line")
    os.mkfifo(tmp_path / "deaf")
    teller(str(tmp_path / "deaf"))(b"line")
    with Listener(tmp_path / "news") as listener:
        tell = teller(str(listener.path))
    tell(b"too late")
    assert not (tmp_path / "none").exists()


def test_the_pipe_is_there_while_it_is_listened_to(tmp_path: Path) -> None:
    path = tmp_path / "news"
    path.write_text("what a killed run left")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a descriptor of its own either way
    with Listener(path) as listener:
        assert path.is_fifo()
        teller(str(path))(b"line")
        assert listener.news() == [b"line"]
        during = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert not path.exists()
    # The teller's end belongs to the child, and stays open here.
    assert len(os.listdir("/proc/self/fd")) == before + 1 < during  # noqa: PTH208


def test_a_teller_that_ends_does_not_wake_the_listener(listener: Listener) -> None:
    """A pipe whose last writer has gone is readable for ever: the parent would spin."""
    os.close(os.open(listener.path, os.O_WRONLY | os.O_NONBLOCK))
    assert readable([listener.descriptor], 0.0) == set()
    teller(str(listener.path))(b"line")
    assert readable([listener.descriptor], 0.0) == {listener.descriptor}


def run(
    server: Server, listener: Listener, job: str, heard: list[bytes], limit_seconds: float = 60.0
) -> Outcome:
    folder = listener.path.parent
    return server.run(
        f"tests.planted.pipe_jobs:{job}",
        str(listener.path).encode(),
        folder=folder,
        log=folder / "log",
        time_limit_seconds=limit_seconds,
        listener=listener,
        heard=heard.append,
    )


NUMBERS = [str(number).encode() for number in range(10)]


def test_all_that_a_child_told_is_heard_before_its_end(server: Server, listener: Listener) -> None:
    heard: list[bytes] = []
    assert run(server, listener, "count", heard).result == b"counted"
    assert heard == NUMBERS


def test_it_is_heard_though_the_child_ends_meanwhile(server: Server, listener: Listener) -> None:
    """The parent is busy with the first line; then the rest and the end are there at once."""

    class Slow(list[bytes]):
        def append(self, line: bytes) -> None:
            time.sleep(0 if self else 0.3)
            super().append(line)

    heard = Slow()
    assert run(server, listener, "count", heard).result == b"counted"
    assert heard == NUMBERS


def test_all_that_a_child_told_is_heard_though_it_is_late(server: Server, listener: Listener) -> None:
    heard: list[bytes] = []
    assert run(server, listener, "count_and_hang", heard, 1.0).kind == "timeout"
    assert heard == NUMBERS


def test_the_parent_sleeps_until_there_is_news(server: Server, listener: Listener) -> None:
    heard: list[bytes] = []
    before = time.process_time()
    assert run(server, listener, "say_nothing", heard).seconds > 1.4
    assert time.process_time() - before < 0.05
    assert heard == [b"word"]


def test_a_hearer_that_fails_leaves_no_job(server: Server, listener: Listener) -> None:
    class Shouted(Exception):  # noqa: N818
        pass

    def shout(line: bytes) -> None:
        raise Shouted

    with pytest.raises(Shouted):
        server.run(
            "tests.planted.pipe_jobs:count_and_hang",
            str(listener.path).encode(),
            folder=listener.path.parent,
            log=listener.path.parent / "log",
            time_limit_seconds=60.0,
            listener=listener,
            heard=shout,
        )
    assert server.pid is None
    listener.news()
    heard: list[bytes] = []
    assert run(server, listener, "count", heard).result == b"counted", "the next job has a new server"
    assert heard == NUMBERS
