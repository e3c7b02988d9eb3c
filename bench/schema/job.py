"""What the parent hands to a child and what comes back, torch-free; bytes on the way.

Parent and child may be of two installations. What the wire's first version had is always sent; a field that
came later stands in LATER.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from bench.schema import plain_text
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.migrations import decode_record
from bench.schema.record import Environment, Record

MEASURE = "measure"
COMPILE_COLD = "compile-cold"
WHY_UNUSABLE = "why-unusable"
DESCRIBE = "describe"
FREE_MEMORY = "free-memory"
TRAIN = "train"
CEILINGS = "ceilings"
FETCH = "fetch"
IDENTIFY = "identify"
PLACES = "places"
MEASURE_RANKS = "measure-ranks"

ABILITIES = {
    MEASURE: "measure",
    COMPILE_COLD: "compile from an empty cache",
    WHY_UNUSABLE: "say what it can run",
    DESCRIBE: "describe its machine",
    FREE_MEMORY: "say how much memory is free",
    TRAIN: "train",
    CEILINGS: "measure ceilings",
    FETCH: "fetch datasets",
    IDENTIFY: "say which networks it builds",
    PLACES: "say from where it imports a network",
    MEASURE_RANKS: "measure jobs of several ranks",
}
"""What an installation cannot do that does not know a question, after `cannot`."""


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case for one child.

    cache_folder  Inductor's and Triton's caches for this case and replicate alone, or None
    cold          what the process with the empty cache found, or None
    training      for a case with a task
    layers        measure every layer too
    facts         ask what one process says for all of its case: counts, the ledger, and on a host sizes and
                  peaks of memory
    trace         file for a Chrome trace of a few steps, or None
    step_digest   make a deterministic training step when all else is measured
    ranks         for a case that has a strategy
    """

    case: Case
    protocol: MeasurementProtocol
    environment: Environment
    cache_folder: str | None = None
    cold: ColdCompile | None = None
    training: TrainingFiles | None = None
    layers: bool = False
    facts: bool = True
    trace: str | None = None
    step_digest: bool = False
    ranks: RankFiles | None = None


class RankFiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the ranks of a job write, and where they meet.

    folder        for what each leaves; of several nodes one that all see
    logs          how the path of each rank's log begins: `.rank1.log` follows
    ranks, nodes  of the whole job; each node has equally many ranks
    seconds       after which the job is given up
    meeting       HOST:PORT of the first of several nodes, or of one whose port was chosen; else empty
    meeting_name  tells jobs at one address apart
    """

    folder: str
    logs: str
    ranks: int
    seconds: float
    nodes: int = 1
    meeting: str = ""
    meeting_name: str = ""


class TrainingFiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a training run reads and writes.

    data_dir     the folder that the user has filled with datasets, or None for convbench's own cache
    checkpoint   what is written after every epoch, and gone on from
    tensorboard  folder for the curves, or None
    news         the named pipe for `bench.schema.epochs`
    """

    data_dir: str | None
    checkpoint: str
    tensorboard: str | None
    news: str


class ColdCompile(Struct, frozen=True, kw_only=True):
    """From an empty cache: seconds to the end of the first step, and casts of weights and inputs a step."""

    seconds: float
    casts: int


LATER: Mapping[type[Struct], frozenset[str]] = {
    MeasurementProtocol: frozenset({"flush_l2", "fewest_samples"}),
    Case: frozenset({"input", "ranks", "strategy"}),
    Job: frozenset({"facts", "step_digest", "ranks"}),
}
"""Fields that came after the first version of the wire. The default of each means what was done before it
existed, and is not sent: an older installation is refused for what is used, and not for what exists."""


def later_fields() -> tuple[str, ...]:
    """Those of LATER as a server names them: `MeasurementProtocol.flush_l2`."""
    return tuple(sorted(f"{kind.__name__}.{name}" for kind, names in LATER.items() for name in names))


class JobResult(Struct, frozen=True, kw_only=True):
    """A child's answer: the record, and when its first warm-up step began (time.monotonic, s)."""

    record: Record
    first_step_at: float | None


class Kept(Struct, frozen=True, kw_only=True):
    """What a child keeps on the disk once its steps are timed, for the case that a pass beside ends it.

    record   what it would answer if nothing more came
    to_come  the passes of which nothing is in the record yet, the one under way first, and the metrics that
             each would give; empty when all are done
    """

    record: Record
    to_come: dict[str, tuple[str, ...]]


class _Answer(Struct):
    """A JobResult, or what was kept of one, whose record is not read yet: it may be of an older schema."""

    record: msgspec.Raw
    first_step_at: float | None = None
    to_come: dict[str, tuple[str, ...]] = {}


def encode(message: object) -> bytes:
    """A message, or several, as JSON without the fields of LATER that have their defaults."""
    plain = msgspec.to_builtins(message)
    _leave_out_later(message, plain)
    return plain_text.encode(plain)


def _leave_out_later(message: object, plain: Any) -> None:
    """From `plain`, which `message` became, at any depth."""
    if isinstance(message, Struct):
        later = LATER.get(type(message), frozenset())
        for field in structs.fields(message):
            value = getattr(message, field.name)
            if field.name in later and value == _default(field):
                plain.pop(field.encode_name, None)
            elif field.encode_name in plain:
                _leave_out_later(value, plain[field.encode_name])
    elif isinstance(message, list | tuple):
        for each, plain_each in zip(message, plain, strict=True):
            _leave_out_later(each, plain_each)


def _default(field: structs.FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def decode_result(answer: bytes) -> JobResult:
    """A child's answer, of this schema or an older one. Raises as `migrations.decode_record` does."""
    found = msgspec.json.decode(answer, type=_Answer)
    return JobResult(record=decode_record(bytes(found.record)), first_step_at=found.first_step_at)


def decode_kept(found: bytes) -> Kept:
    """What a child had kept, likewise."""
    kept = msgspec.json.decode(found, type=_Answer)
    return Kept(record=decode_record(bytes(kept.record)), to_come=kept.to_come)
