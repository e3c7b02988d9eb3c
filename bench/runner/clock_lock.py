"""Whether a run may begin as the SM clock is, and the lock that it asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench import devices
from bench.host import locked_clocks, nvml_driver
from bench.host.gpu_choice import visible_gpu
from bench.host.nvml import NvmlGpu, UnreadableError
from bench.runner.case_server import refuse_idle_gpu
from bench.runner.run_options import RunOptions
from bench.schema.case import Case
from models.errors import UserError


@contextmanager
def clocks_locked(options: RunOptions, cases: Sequence[Case]) -> Iterator[None]:
    """The SM clock of the GPU on which these cases run, locked as the options ask and given back at the end.

    A lock that this process has already stays as it is. Raises UserError where a GPU was chosen or is to be
    locked and nothing runs on one, where the driver refuses, and, whether a lock is asked for or not, where a
    kill left one behind: what is measured under it would be taken for something else.
    """
    refuse_idle_gpu(options.gpu, cases)
    on_gpu = any(devices.traits(name).uses_nvml for name in {case.device for case in cases})
    mhz = options.lock_clocks_mhz
    if mhz is None:
        if on_gpu and locked_clocks.markers():
            locked_clocks.refuse_left_locked(uuid_or_none(options.gpu))
        yield
        return
    if not on_gpu:
        raise UserError("--lock-clocks needs cases on an NVIDIA GPU. Give --device cuda, or omit it")
    try:
        gpu = _gpu(options.gpu)
        own = any(marker.is_own for marker in locked_clocks.markers() if marker.uuid == gpu.uuid())
    except UnreadableError as error:
        raise UserError(f"--lock-clocks: no GPU found: {error}") from error
    if own:
        yield
        return
    with locked_clocks.locked(gpu, mhz):
        yield


def _gpu(uuid: str | None) -> NvmlGpu:
    """The chosen GPU, or that which CUDA takes. Raises UnreadableError."""
    nvml = nvml_driver.open_nvml()
    return visible_gpu(nvml, os.environ) if uuid is None else nvml.by_uuid(uuid)


def uuid_or_none(uuid: str | None) -> str | None:
    """Of its board, as markers have it; None where it cannot be told."""
    try:
        return _gpu(uuid).uuid()
    except UnreadableError:
        return None
