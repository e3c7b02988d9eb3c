"""What the parent hands to a child and what comes back, torch-free; bytes on the way."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bench import engines
from bench.case import Case, Protocol
from bench.record import Environment, Record

MEASURE = "bench.worker:measure"
COMPILE_COLD = "bench.worker:compile_cold"
WHY_UNUSABLE = "bench.worker:why_unusable"
DESCRIBE = "bench.worker:describe"
FREE_MEMORY = "bench.worker:free_memory"
TRAIN = "bench.learning.worker:train"
CEILINGS = "bench.ceilings.worker:measure"
FETCH = "bench.learning.worker:fetch"


class Job(Struct, frozen=True, kw_only=True):
    """One case for one child.

    cache_folder  Inductor's and Triton's caches for this case and replicate alone, or None
    cold          what the process with the empty cache found, or None
    training      for a case with a task
    layers        measure every layer too
    trace         file for a Chrome trace of a few steps, or None
    """

    case: Case
    protocol: Protocol
    environment: Environment
    cache_folder: str | None = None
    cold: ColdCompile | None = None
    training: TrainingFiles | None = None
    layers: bool = False
    trace: str | None = None


class TrainingFiles(Struct, frozen=True, kw_only=True):
    """Where a training run reads and writes.

    data_dir     the folder that the user has filled with datasets, or None for convbench's own cache
    checkpoint   what is written after every epoch, and gone on from
    tensorboard  folder for the curves, or None
    news         the named pipe for `bench.learning.news`
    """

    data_dir: str | None
    checkpoint: str
    tensorboard: str | None
    news: str


class ColdCompile(Struct, frozen=True, kw_only=True):
    """From an empty cache: seconds to the end of the first step, and casts of weights and inputs a step."""

    seconds: float
    casts: int


class Finished(Struct, frozen=True, kw_only=True):
    """A child's answer: the record, and when its first warm-up step began (time.monotonic, s)."""

    record: Record
    first_step_at: float | None


def preload(cases: Iterable[Case]) -> tuple[str, ...]:
    """What a fork server imports once for these cases: a module it has need not be imported by each child.

    torch imports the front end of torch.compile at the first use of an optimizer, an initialisation or a
    counter, compiled or not: half a second in every child.
    """
    cases = list(cases)
    modules = ["torch", "torch._dynamo", "bench.worker"]
    if any(case.model.startswith("torchvision:") for case in cases):
        modules.append("torchvision")
    if any(case.task for case in cases):
        modules.append("bench.learning.worker")
    if any(case.workload == "ceiling" for case in cases):
        modules.append("bench.ceilings.worker")
    if any(case.task and case.task.dataset == "digits" for case in cases):
        modules += ["sklearn.datasets", "sklearn.model_selection"]
    if any(engines.get(case.engine).compiles for case in cases):
        modules += ["torch._inductor.compile_fx", "bench.probes.graph_casts"]
    return tuple(modules)
