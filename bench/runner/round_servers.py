"""A fork server for each round, two of them started at once: torch's import keeps one core busy for seconds,
and nothing is measured meanwhile. One that waits for its round sleeps.

No thread waits for them: an interrupt ends both at once, however far their imports are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from bench.forkserver.client import Server
from bench.host import cpu_cores
from bench.plan import estimate
from bench.schema.case import Case

Make = Callable[[], Server]
"""A server that has not started."""


class RoundServers:
    """Entered when the first server has started, and the second that may be given beside it, as in `next`;
    what has started is ended with it.

    current  the server of the round that goes on
    """

    def __init__(self, this: Make, then: Make | None = None) -> None:
        self._opened = ExitStack()
        self._waiting: list[tuple[Server, ExitStack]] = []
        self.current = self.next(this, then)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()
        for _, opened in self._waiting:
            opened.close()

    def next(self, this: Make, then: Make | None = None) -> Server:
        """End the server of the round before, and give a started one to the next round: the one that waits,
        or `this`. `then`, if given, starts beside `this` where there is a core for it, and waits.

        Raises UserError where one does not start; none of the two is left then.
        """
        self._opened.close()
        if not self._waiting:
            has_core = then is not None and cpu_cores.usable_cores() > 1
            self._waiting = _started([this(), then()] if has_core and then is not None else [this()])
        self.current, self._opened = self._waiting.pop(0)
        return self.current

    def seconds_to_next(self, cases: Collection[Case]) -> float:
        """About how long `next` takes for a round of these cases."""
        return 0.0 if self._waiting else estimate.server_seconds(cases)


def _started(servers: Sequence[Server]) -> list[tuple[Server, ExitStack]]:
    """All of them at the same time, each with what ends it."""
    with ExitStack() as undo:
        opened = [undo.enter_context(ExitStack()) for _ in servers]
        for server, stack in zip(servers, opened, strict=True):
            stack.push(server)
            server.begin()
        entered = [server.__enter__() for server in servers]
        undo.pop_all()
    return list(zip(entered, opened, strict=True))
