"""What crosses between a parent and a fork server, which may be of another installation: messages and files.

JSON lines go to the server's standard input (`Request`, `Cancel`) and come from its standard output
(`Ready` first, then `Ended`). What the function of a request returns stands in the file RESULT of its
folder, and an exception in ERROR. KEPT holds what the function had found so far; a side that writes none,
or does not read it, works as before. A line of its log that begins with `stage: ` says what goes on.

The two sides understand each other where their WIRE is equal. A field that is added with a default needs no
new wire, as both sides pass over fields that they do not know; a field that is taken away, a meaning that
changes or a new kind of message does. `Ready` keeps its fields in every wire, so that each side can say why
it does not understand the other.

History of the wire:
1  the first.
"""

from __future__ import annotations

import math
import os
import select
from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

WIRE = 1

RESULT = "result"
ERROR = "error.json"
KEPT = "kept"
MESSAGE_LIMIT = 4000
"""Characters of an exception's message that are kept: torch.compile attaches whole programs."""


class Request(Struct, frozen=True, tag="request"):
    """Call the function of a question with `argument` in a fresh child; what it returns goes to `folder`.

    question  a word of `bench.entry.QUESTIONS`; to one's own installation also "package.module:name"
    argument  base64 on the wire
    folder    absolute, as is `log`, which gets what the child prints
    """

    question: str
    argument: bytes
    folder: str
    log: str


class Cancel(Struct, frozen=True, tag="cancel"):
    """End the running job and everything it started."""


class Ready(Struct, frozen=True, tag="ready"):
    """The modules are imported; requests may come.

    convbench  the version of the server's convbench; empty where nobody knows it
    schema     of the records that it writes
    questions  the words that it knows
    fields     of messages, those that came after the first version of the wire and that it knows, as
               `MeasurementProtocol.flush_l2`; empty where it is older than this list
    """

    wire: int
    convbench: str
    schema: int
    questions: tuple[str, ...]
    fields: tuple[str, ...] = ()


class Ended(Struct, frozen=True, tag="ended"):
    """The job's child was reaped and nothing it started is left.

    code            as subprocess has it: the exit code, or minus the signal's number
    peak_rss_bytes  the child's `ru_maxrss`; it begins at what the server held when it forked
    """

    code: int
    peak_rss_bytes: int


class ChildError(Struct, frozen=True):
    """A child's exception: the names of its class and of the classes above it, then those of its cause, and
    its message.

    free_bytes  what the child could still take of its device's memory then; None where that is not known
    """

    types: list[str]
    message: str
    free_bytes: int | None = None


Message = TypeVar("Message")


class Channel(Generic[Message]):
    """JSON lines over two file descriptors; `decoder` knows what comes in."""

    def __init__(self, reads: int, writes: int, decoder: msgspec.json.Decoder[Message]) -> None:
        self.reads, self.writes = reads, writes
        self._decoder = decoder
        self._unread = b""

    def send(self, message: Struct) -> None:
        """Raise BrokenPipeError when the other side is gone."""
        data = msgspec.json.encode(message) + b"\n"
        while data:
            data = data[os.write(self.writes, data) :]

    def receive(self) -> list[Message]:
        """Block for some input and return the messages it completes; raise EOFError at its end."""
        data = os.read(self.reads, 1 << 16)
        if not data:
            raise EOFError("the other side closed its end")
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [self._decoder.decode(line) for line in lines]

    def ready(self, seconds: float) -> bool:
        """Whether there is input (or its end) within that time; may return False early after 24 days."""
        return bool(readable([self.reads], seconds))


def readable(descriptors: Sequence[int], seconds: float) -> set[int]:
    """Those with input (or its end) within that time, asleep until then; may return early after 24 days."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {found for found, _ in poll.poll(math.ceil(min(max(seconds, 0) * 1000, 2**31 - 1)))}
