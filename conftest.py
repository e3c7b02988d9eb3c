"""What every test here shares: GPU tests skip without a GPU, and benchmarks run once unless asked for.

`pytest` runs every benchmark once, at a small size, to see that it works. `pytest bench --benchmark-only`
(or `--benchmark-enable`) measures at full size.
"""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Switch benchmarks to a single run before pytest-benchmark reads its options."""
    option = config.option
    asked = ("benchmark_only", "benchmark_enable", "benchmark_autosave", "benchmark_compare")
    if not any(getattr(option, name, False) for name in (*asked, "benchmark_save", "benchmark_histogram")):
        option.benchmark_disable = True


@pytest.fixture(scope="session")
def full_size(pytestconfig: pytest.Config) -> bool:
    """Whether benchmarks are being measured; False in a plain `pytest`, which wants them small."""
    return not pytestconfig.option.benchmark_disable


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `cuda` where the driver lists no GPU; asked without CUDA being initialised."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    from bench import devices

    reason = devices.get("cuda").why_absent()
    if reason is not None:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))
