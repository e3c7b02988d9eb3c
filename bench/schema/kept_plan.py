"""What a run folder is to hold: `plan.json`, by which `run --resume` goes on."""

from __future__ import annotations

from msgspec import Struct

from bench.schema.case import Case, MeasurementProtocol

PLAN_SCHEMA = 2
"""Of `plan.json`; a newer one is refused. 2: shards, GPUs at the same time, the node's name."""


class Machine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a run began: reports pool no figures of two machines, so a run stays on one.

    gpu  UUID of the board on which its cases run; None without one, and where the driver does not say
    """

    cpu: str
    cores_usable: int
    gpu: str | None = None


class Shard(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of `count` equal parts of a plan's processes; the first one is 0."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class KeptPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is measured, how carefully, and how often.

    suite           as it was named, FILE.toml included
    cases           each once (replicate 1), without ceilings
    single          of them those that one process measures, unless a number of replicates was asked for
    ceilings        whether the machine's ceilings come first
    auto            whether the machine, and not the user, chose the device of any case
    replicates      processes of each case; None where their intervals decide
    until           half width (relative) at which a case is finished; None where the number is fixed
    budget_seconds  after which no process begins that only the target asks for; None: the suite promises
                    no time
    step_digest     whether a deterministic training step is made of each network
    gpu             UUID that `--gpu` chose, or None
    shard           the part of the processes that is measured here, or None for all of them
    gpus_at_once    GPUs of this host that the same command measures at the same time, this one included
    node_name       what `--node-name` calls this machine, or None
    machine         None only before it has begun
    """

    schema: int = PLAN_SCHEMA
    suite: str
    cases: list[Case]
    single: list[Case] = []
    ceilings: bool
    auto: bool
    protocol: MeasurementProtocol
    replicates: int | None = None
    until: float | None = None
    budget_seconds: float | None = None
    step_digest: bool = False
    gpu: str | None = None
    lock_clocks_mhz: int | None = None
    shard: Shard | None = None
    gpus_at_once: int = 1
    node_name: str | None = None
    machine: Machine | None = None
