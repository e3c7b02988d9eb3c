"""Environment variables, made for debugging, that make CUDA slow whatever is measured."""

from __future__ import annotations

from collections.abc import Mapping

LAUNCH_BLOCKING = "CUDA_LAUNCH_BLOCKING"
NO_CACHING = "PYTORCH_NO_CUDA_MEMORY_CACHING"
EFFECTS = {
    LAUNCH_BLOCKING: "every launch waits until the GPU has done its work",
    NO_CACHING: "every tensor is asked of the driver and given back to it",
}


def slowing(environ: Mapping[str, str]) -> dict[str, str]:
    """Those that are in force, with their values.

    CUDA reads the first as a number; torch asks of the second only whether it is set (c10/cuda/
    CUDACachingAllocator.cpp, forceUncachedAllocator).
    """
    return {
        name: environ[name]
        for name in EFFECTS
        if name in environ and not (name == LAUNCH_BLOCKING and environ[name].strip() in ("", "0"))
    }
