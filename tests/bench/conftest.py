"""A fork server with all that a training run imports: its children then take a fraction of a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.launch import Server

LEARNS = ("torch", "torch._dynamo", "bench.worker", "bench.learning.worker")
DIGITS = ("sklearn.datasets", "sklearn.model_selection")


@pytest.fixture(scope="session")
def learning_server() -> Iterator[Server]:
    with Server(preload=(*LEARNS, *DIGITS)) as server:
        yield server
