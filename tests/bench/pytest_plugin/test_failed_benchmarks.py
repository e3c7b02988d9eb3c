"""Memory that runs out inside a benchmark is one line, and stands in the JSON."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.pytest_plugin import failed_benchmarks
from bench.schema.pytest_json import FAILED_BENCHMARKS
from models.errors import UserError
from tests.planted.pytest_options import config_with


class OutOfMemoryError(RuntimeError):
    """By its name as torch's."""


def refused() -> UserError:
    """As a module of the test's own is refused."""
    error = UserError("Big cannot be measured with these inputs: CUDA out of memory")
    error.__cause__ = OutOfMemoryError("CUDA out of memory. Tried to allocate 64.00 GiB")
    return error


def request_of(config: pytest.Config) -> Any:
    node = SimpleNamespace(name="test_big", nodeid="test_speed.py::test_big", funcargs={})
    return SimpleNamespace(config=config, node=node)


@pytest.fixture
def config() -> pytest.Config:
    found: Any = config_with()
    found.stash = pytest.Stash()
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory. Tried to allocate 64.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError("Unable to allocate"),
        refused(),
    ],
    ids=["cuda", "cpu", "python", "module"],
)
def test_it_fails_in_one_line_and_is_kept(config: pytest.Config, error: Exception) -> None:
    with (
        pytest.raises(pytest.fail.Exception, match=r"^out of memory: ") as failed,
        failed_benchmarks.told_in_a_line(request_of(config)),
    ):
        raise error
    assert not failed.value.pytrace
    assert failed.value.__suppress_context__, "the traceback of the error would stand above the line"
    assert str(failed.value.msg).count("Error") <= 1
    assert str(failed.value.msg).endswith(". Use a smaller batch")
    kept: dict[str, Any] = {"benchmarks": []}
    failed_benchmarks.pytest_benchmark_update_json(config, kept)
    (found,) = kept[FAILED_BENCHMARKS]
    assert found["fullname"] == "test_speed.py::test_big"
    assert found["extra_info"]["status"] == "oom"
    assert found["extra_info"]["reason"] == failed.value.msg


def test_other_errors_stay_what_they_are(config: pytest.Config) -> None:
    with pytest.raises(RuntimeError, match="shapes"), failed_benchmarks.told_in_a_line(request_of(config)):
        raise RuntimeError("shapes cannot be multiplied")
    kept: dict[str, Any] = {}
    failed_benchmarks.pytest_benchmark_update_json(config, kept)
    assert kept == {}
