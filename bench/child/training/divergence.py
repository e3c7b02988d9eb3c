"""When a training run has diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.schema.epochs import Epoch

DIVERGED_FACTOR = 10.0
"""A run whose loss ends above this many times that of guessing (the log of the classes) has diverged."""


class DivergedError(Exception):
    """The training diverged; the message says how and at which step."""


def why_diverged(losses: Sequence[float], first_step: int, epoch: int) -> str | None:
    """A sentence when a step's loss is not finite; `first_step` is the first one's number."""
    for step, loss in enumerate(losses, start=first_step):
        if not math.isfinite(loss):
            return f"the loss was not finite at step {step} (epoch {epoch})"
    return None


def why_diverged_after(epoch: Epoch, last: bool, classes: int, steps: int) -> str | None:
    """A sentence when the network after an epoch is none, though every loss of a step was a number."""
    if not math.isfinite(epoch.test_loss):
        return f"the test loss was not finite after step {steps} (epoch {epoch.number})"
    guessing = math.log(classes)
    if last and epoch.train_loss > DIVERGED_FACTOR * guessing:
        return (
            f"the loss was {epoch.train_loss:.3g} at step {steps} (epoch {epoch.number}), more than "
            f"{DIVERGED_FACTOR:g} times the {guessing:.3g} of guessing"
        )
    return None
