"""The fork server for some cases: what it imports once, and the GPU that its children see."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench import devices
from bench.forkserver.client import Server
from bench.host.gpu_choice import seeing_only
from bench.runner.preload import preload
from bench.schema.case import Case
from models.errors import UserError

_NO_VARIABLES: Mapping[str, str] = {}


def server_for(
    cases: Iterable[Case],
    *,
    gpu: str | None = None,
    python: Path | None = None,
    facts: bool = True,
    folder: Path | None = None,
    variables: Mapping[str, str] = _NO_VARIABLES,
) -> Server:
    """A server that is ready for these cases, once it is entered.

    gpu     the full UUID of the only GPU that its processes see, which is torch's first there; None for
            those that this process sees
    python  another environment's interpreter
    facts   whether its children are asked for more than times
    folder  in which they start; None for the current one
    variables  of their environment, beside those of this process
    """
    environment = seeing_only(gpu)
    if variables:
        environment = {**(environment or os.environ), **variables}
    return Server(environment=environment, preload=preload(cases, facts=facts), python=python, folder=folder)


def refuse_idle_gpu(gpu: str | None, cases: Iterable[Case]) -> None:
    """UserError for a GPU that was chosen where nothing runs on one."""
    names = sorted({case.device for case in cases})
    if gpu is not None and not any(devices.traits(name).uses_nvml for name in names):
        raise UserError(f"--gpu selects an NVIDIA GPU, but all cases run on {', '.join(names)}. Omit it")
