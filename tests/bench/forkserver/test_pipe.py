"""News from a child: whole lines, in their order, dropped rather than waited for; the parent sleeps."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.forkserver.client import Outcome, Server
from bench.forkserver.pipe import PipeReader, open_writer
from bench.forkserver.wire import readable


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[PipeReader]:
    with PipeReader(tmp_path / "news") as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


def test_what_is_told_is_heard_in_its_order(listener: PipeReader) -> None:
    assert listener.lines() == []
    write = open_writer(str(listener.path))
    sent = [b"first", b"", "später".encode(), b"x" * 4000]
    for line in sent:
        write(line)
    assert listener.lines() == sent
    assert listener.lines() == []


def test_a_line_counts_once_it_is_whole(listener: PipeReader) -> None:
    raw = os.open(listener.path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(raw, b"one\ntw")
    assert listener.lines() == [b"one"]
    os.write(raw, b"o\nthree")
    assert listener.lines() == [b"two"]
    os.write(raw, b"\n")
    assert listener.lines() == [b"three"]
    os.close(raw)


def test_what_does_not_fit_is_dropped_and_never_waited_for_and_the_rest_is_whole(
    listener: PipeReader,
) -> None:
    write = open_writer(str(listener.path))
    lines = [f"{number:05d}".encode() * 25 for number in range(2000)]
    began = time.monotonic()
    for line in lines:
        write(line)
    assert time.monotonic() - began < 1.0
    received = listener.lines()
    assert 100 < len(received) < 2000
    assert received == lines[: len(received)]
    write(b"again")
    assert listener.lines() == [b"again"]


@pytest.mark.parametrize("length", [select.PIPE_BUF, 1 << 20])
def test_a_line_that_could_be_torn_is_dropped_whole(listener: PipeReader, length: int) -> None:
    write = open_writer(str(listener.path))
    write(b"before")
    write(b"x" * length)
    write(b"after")
    assert listener.lines() == [b"before", b"after"]


def test_where_nobody_listens_telling_does_nothing(tmp_path: Path) -> None:
    open_writer(None)(b"line")
    open_writer(str(tmp_path / "none"))(b"line")
    os.mkfifo(tmp_path / "deaf")
    open_writer(str(tmp_path / "deaf"))(b"line")
    with PipeReader(tmp_path / "news") as listener:
        write = open_writer(str(listener.path))
    write(b"too late")
    assert not (tmp_path / "none").exists()


def test_the_pipe_is_there_while_it_is_listened_to(tmp_path: Path) -> None:
    path = tmp_path / "news"
    path.write_text("what a killed run left")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a descriptor of its own either way
    with PipeReader(path) as listener:
        assert path.is_fifo()
        open_writer(str(path))(b"line")
        assert listener.lines() == [b"line"]
        during = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert not path.exists()
    # The teller's end belongs to the child, and stays open here.
    assert len(os.listdir("/proc/self/fd")) == before + 1 < during  # noqa: PTH208


def test_a_teller_that_ends_does_not_wake_the_listener(listener: PipeReader) -> None:
    """A pipe whose last writer has gone is readable for ever: the parent would spin."""
    os.close(os.open(listener.path, os.O_WRONLY | os.O_NONBLOCK))
    assert readable([listener.descriptor], 0.0) == set()
    open_writer(str(listener.path))(b"line")
    assert readable([listener.descriptor], 0.0) == {listener.descriptor}


def run(
    server: Server, listener: PipeReader, job: str, received: list[bytes], limit_seconds: float = 60.0
) -> Outcome:
    folder = listener.path.parent
    return server.run(
        f"tests.planted.pipe_jobs:{job}",
        str(listener.path).encode(),
        folder=folder,
        log=folder / "log",
        time_limit_seconds=limit_seconds,
        reader=listener,
        on_message=received.append,
    )


NUMBERS = [str(number).encode() for number in range(10)]


@pytest.mark.slow
def test_all_that_a_child_told_is_heard_before_its_end(server: Server, listener: PipeReader) -> None:
    received: list[bytes] = []
    assert run(server, listener, "count", received).result == b"counted"
    assert received == NUMBERS


@pytest.mark.slow
def test_it_is_heard_though_the_child_ends_meanwhile(server: Server, listener: PipeReader) -> None:
    """The parent is busy with the first line; then the rest and the end are there at once."""

    class Slow(list[bytes]):
        def append(self, line: bytes) -> None:
            time.sleep(0 if self else 0.3)
            super().append(line)

    received = Slow()
    assert run(server, listener, "count", received).result == b"counted"
    assert received == NUMBERS


@pytest.mark.slow
def test_all_that_a_child_told_is_heard_though_it_is_late(server: Server, listener: PipeReader) -> None:
    received: list[bytes] = []
    assert run(server, listener, "count_and_hang", received, 1.0).kind == "timeout"
    assert received == NUMBERS


@pytest.mark.slow
def test_the_parent_sleeps_until_there_is_news(server: Server, listener: PipeReader) -> None:
    received: list[bytes] = []
    before = time.process_time()
    assert run(server, listener, "say_nothing", received).seconds > 1.4
    assert time.process_time() - before < 0.05
    assert received == [b"word"]


@pytest.mark.slow
def test_a_hearer_that_fails_leaves_no_job(server: Server, listener: PipeReader) -> None:
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
            reader=listener,
            on_message=shout,
        )
    assert server.pid is None
    listener.lines()
    received: list[bytes] = []
    assert run(server, listener, "count", received).result == b"counted", "the next job has a new server"
    assert received == NUMBERS
