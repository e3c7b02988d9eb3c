"""Jobs that tell their parent something: run in a child of the fork server by the tests of it."""

from __future__ import annotations

import time

from bench.forkserver.pipe import open_writer


def count(argument: bytes) -> bytes:
    """Tell ten numbers through the pipe, the first a little earlier, and end at once."""
    write = open_writer(argument.decode())
    for number in range(10):
        write(str(number).encode())
        if number == 0:
            time.sleep(0.05)
    return b"counted"


def count_and_hang(argument: bytes) -> bytes:
    count(argument)
    time.sleep(600)
    return b"never"


def say_nothing(argument: bytes) -> bytes:
    """For a second and a half; one word in the middle."""
    write = open_writer(argument.decode())
    time.sleep(0.75)
    write(b"word")
    time.sleep(0.75)
    return b"done"
