"""Running code that is not ours, in a child: whatever it raises is told in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.errors import UserError

OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
"""Told apart from a factory's own errors: a network too large for the machine is a result."""


class FactoryError(UserError):
    """A network that is not ours could not be made; the message is one sentence with its own error."""


@contextmanager
def as_factory_error(name: str) -> Iterator[None]:
    """Turn whatever a user's code raises into a FactoryError with its own words, but for lack of memory."""
    try:
        yield
    except (UserError, *OUT_OF_MEMORY):
        raise
    except (Exception, SystemExit) as error:  # it is the user's code: anything may come
        if "DefaultCPUAllocator" in str(error):  # torch has no class of its own for the CPU's memory
            raise
        words = str(error).strip().splitlines()
        description = f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
        raise FactoryError(f"{name} failed with {description}") from error
