"""What may explain a step between two runs: versions, settings and machines, each as a name and a text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from bench.schema.archive_entry import RecordFacts
from bench.schema.gpu_identity import Gpu
from bench.schema.record import Environment
from bench.schema.replicate_conditions import whatever_chose_the_gpu

CLOCKS = "clock setting"
READ_BACK = "read back "
"""Before what the precision really was: `read back fp32 conv`."""
DISTURBED = "disturbed by"
DISTURBANCES = ("contended", "power-cap", "slowdown", "steal")
"""Labels of records that say that something else than the code took time; sorted."""
MOST_VALUES = 4
"""Of a condition that are told one by one."""


def of_run(facts: RecordFacts, kind: str) -> dict[str, str]:
    """Of a run on one kind of machine, by name; also what its processes read back and what disturbed them."""
    found = conditions_of(facts.environments, kind)
    found |= {f"{READ_BACK}{name}": text for name, text in facts.read_back.get(kind, {}).items()}
    labels = {label for case in facts.cases if case.kind == kind for label in case.warnings}
    if disturbances := [each for each in DISTURBANCES if each in labels]:
        found[DISTURBED] = ", ".join(disturbances)
    return found


def conditions_of(environments: Iterable[Environment], kind: str) -> dict[str, str]:
    """Of machines of one kind, by name. `kind` is the name of a GPU or a processor.

    What a record does not say has no entry. Several machines of one kind have their distinct values joined:
    `550.1 / 560.2`.
    """
    values: dict[str, dict[str, None]] = {}
    for pairs in dict.fromkeys(tuple(_pairs(*found)) for found in _of_kind(list(environments), kind)):
        for name, text in pairs:
            if text:
                values.setdefault(name, {})[text] = None
    return {name: _joined(sorted(texts)) for name, texts in values.items()}


def _of_kind(environments: Sequence[Environment], kind: str) -> Iterator[tuple[Environment, Gpu | None]]:
    """Each with the GPU that the cases ran on. A processor's are those without one, where there are any."""
    with_gpu = [each for each in environments if each.gpu is not None and each.gpu.name == kind]
    with_processor = [each for each in environments if each.cpu == kind]
    yield from ((each, each.gpu) for each in with_gpu)
    yield from ((each, None) for each in [e for e in with_processor if e.gpu is None] or with_processor)


def _pairs(environment: Environment, gpu: Gpu | None) -> Iterator[tuple[str, str | None]]:
    libraries = dict(environment.libraries)
    if gpu is not None:
        yield "driver", gpu.driver
    yield "torch", libraries.pop("torch", None)
    yield CLOCKS if gpu is None else f"CPU {CLOCKS}", _processor_clocks(environment)
    if gpu is not None:
        yield from _gpu(gpu)
    yield "commit", environment.commit
    yield from sorted(libraries.items())
    yield from sorted(whatever_chose_the_gpu(environment).variables.items())
    yield "GPUs measured at once", str(environment.gpus_at_once) if gpu is not None else None
    yield "Python", environment.python
    yield "system", environment.os
    yield "CPU", environment.cpu
    yield "usable cores", str(environment.cores_usable) if environment.cores_usable else None
    yield "memory", f"{environment.memory_bytes / 2**30:.0f} GiB" if environment.memory_bytes else None
    yield "GPU UUID", gpu.uuid if gpu is not None else None
    yield "host", environment.node or environment.host


def _gpu(gpu: Gpu) -> Iterator[tuple[str, str | None]]:
    yield CLOCKS, _clock_setting(gpu)
    yield "VBIOS", gpu.vbios
    yield "power limit", None if gpu.power_limit_watts is None else f"{gpu.power_limit_watts:g} W"
    yield "ECC", _switch(gpu.ecc_mode)
    yield "MIG", _switch(gpu.mig_mode)
    yield "CUDA", gpu.cuda
    yield "cuDNN", gpu.cudnn


def _clock_setting(gpu: Gpu) -> str | None:
    """What was asked of the clocks: a lock is above application clocks. A power limit is no setting of them,
    since it lowers them only under load."""
    if gpu.locked_clocks_mhz is not None:
        return f"SM locked at {gpu.locked_clocks_mhz} MHz"
    if gpu.application_sm_clock_mhz is not None and gpu.application_memory_clock_mhz is not None:
        return f"SM {gpu.application_sm_clock_mhz} MHz, memory {gpu.application_memory_clock_mhz} MHz"
    return None if gpu.uuid is None else "not locked"


def _processor_clocks(environment: Environment) -> str | None:
    governor = None if environment.governor is None else f"governor {environment.governor}"
    turbo = None if environment.turbo is None else f"turbo {_switch(environment.turbo)}"
    return ", ".join(filter(None, (governor, turbo))) or None


def _switch(on: bool | None) -> str | None:
    return None if on is None else "on" if on else "off"


def _joined(values: Sequence[str]) -> str:
    """Of many the first, and a digest of all: a set that changes is another text."""
    if len(values) <= MOST_VALUES:
        return " / ".join(values)
    digest = hashlib.sha256("\n".join(values).encode()).hexdigest()[:8]
    return f"{values[0]} / {values[1]} and {len(values) - 2:,} more ({digest})"
