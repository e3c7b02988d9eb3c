"""What the cases of a run use beside themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bench.schema.epochs import TrainingEvent


class RunOptions(Struct, frozen=True, kw_only=True):
    """What cases use beside themselves: where data lie, where curves go, what is measured beside.

    data_dir     a folder of the user's with the datasets, or None for convbench's own cache
    tensorboard  or None
    on_event     is given what a training run says while it goes on
    layers       measure every layer of a timed case too
    trace        file for a Chrome trace of a timed case, or None
    step_digest  make a deterministic training step when all else of a timed case is measured
    gpu          full UUID of the only GPU that their processes see, or None
    lock_clocks_mhz  what the GPU's SM clock is locked at meanwhile, or None
    caches       folder in which Inductor's caches outlive their process: a case that has been compiled there
                 is not compiled from an empty cache again; None for one that goes with each process
    gpus_at_once  GPUs of this host that the same command measures at the same time
    node_name    what this machine is called in records, or None for what its cluster calls it
    ends_by      the moment of `time.monotonic` at which a budget is spent that no process may outlast
    """

    data_dir: Path | None = None
    tensorboard: Path | None = None
    on_event: Callable[[TrainingEvent], None] = lambda event: None
    layers: bool = False
    trace: Path | None = None
    step_digest: bool = False
    gpu: str | None = None
    lock_clocks_mhz: int | None = None
    caches: Path | None = None
    gpus_at_once: int = 1
    node_name: str | None = None
    ends_by: float = math.inf
