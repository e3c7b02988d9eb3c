"""The network that a test has measured, kept for the next test: the phases of one case are built once.

What a case sets for the whole process holds only while a test measures it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench import devices
from bench.pytest_plugin import ready_step, torch_settings
from bench.pytest_plugin.ready_step import ReadyStep
from bench.schema.case import Case


class KeptStep:
    """At most one network."""

    def __init__(self) -> None:
        self._ready: ReadyStep | None = None

    @contextmanager
    def of(self, case: Case) -> Iterator[ReadyStep]:
        """Inside: the steps of this case, with what it needs in force. torch's settings are afterwards what
        they were."""
        if self._ready is not None and self._ready.case != case:
            self.drop()
        with ready_step.in_force(case):
            ready = self._ready = self._ready or _built(case)
            yield ready

    def drop(self) -> None:
        """Free the network."""
        if self._ready is not None:
            torch_settings.forget_compiled(self._ready.case)
            self._ready = None


def _built(case: Case) -> ReadyStep:
    torch_settings.return_memory()
    devices.get(case.device).release_memory()
    try:
        return ready_step.of_case(case)
    except BaseException:
        torch_settings.forget_compiled(case)
        raise


_KEY = pytest.StashKey[KeptStep]()


def kept_by(config: pytest.Config) -> KeptStep:
    """The session's."""
    return config.stash.setdefault(_KEY, KeptStep())


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Free the network unless the next test measures one too."""
    if "convbench" not in getattr(nextitem, "fixturenames", ()):
        kept_by(item.config).drop()
