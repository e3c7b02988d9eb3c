"""What a training run tells while it goes on. No torch."""

from __future__ import annotations

from msgspec import Struct

from bench.schema.epochs import Epoch


class Stepped(Struct, frozen=True, tag="step"):
    """So many of the epoch's steps are enqueued."""

    epoch: int
    step: int
    steps: int


class Finished(Struct, frozen=True, tag="epoch"):
    """An epoch is over, and was saved."""

    epoch: Epoch


News = Stepped | Finished
