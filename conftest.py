"""What every test of this repository shares: GPU tests skip without a GPU."""

from __future__ import annotations

import pytest


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
