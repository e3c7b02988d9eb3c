"""Benchmarks that gave no figure because memory ran out: one line each, and a place in the JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.forkserver.outcome import explain
from bench.forkserver.wire import ChildError
from bench.schema.pytest_json import FAILED_BENCHMARKS
from models.errors import UserError

_KEY = pytest.StashKey[list[dict[str, Any]]]()


class ChildMemoryError(UserError):
    """No process of a case had the memory that it needs."""


def kept_by(config: pytest.Config) -> list[dict[str, Any]]:
    """Those of the session, as they stand in the JSON."""
    return config.stash.setdefault(_KEY, [])


@contextmanager
def told_in_a_line(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test in `convbench run`'s sentence where memory runs out inside; other errors pass."""
    reason = None
    try:
        yield
    except (MemoryError, RuntimeError, OSError, UserError) as error:
        reason = why_no_memory(error.__cause__ or error)
        if reason is None:
            raise
    if reason is not None:  # here the traceback, and with it the network, is let go of
        node = request.node
        kept_by(request.config).append(
            {
                "name": node.name,
                "fullname": node.nodeid,
                "extra_info": {"status": "oom", "reason": reason},
            }
        )
        unused: Any = node.funcargs.get("benchmark")
        if unused is not None and not unused._mode:
            unused._mode = "convbench"  # else pytest-benchmark warns that the fixture was not used
        raise pytest.fail.Exception(reason, pytrace=False) from None


def why_no_memory(error: BaseException) -> str | None:
    """`out of memory: ...`; None of an error that says nothing of memory."""
    if isinstance(error, ChildMemoryError):
        return str(error)
    names = [each.__name__ for each in type(error).__mro__]
    kind, reason = explain(ChildError(types=names, message=str(error)))
    return f"out of memory: {reason.rstrip('.')}. Use a smaller batch" if kind == "oom" else None


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Apart from the others, which all have figures: pytest-benchmark reads no benchmark without."""
    if kept_by(config):
        output_json[FAILED_BENCHMARKS] = kept_by(config)
