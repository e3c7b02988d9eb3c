"""The machine and the versions in a few words, for the line under a report's title."""

from __future__ import annotations

from collections.abc import Iterator

from bench import devices
from bench.schema.plurals import how_many
from bench.schema.record import Environment
from reports.summary.figures import Summary
from reports.tables.wording import one_line


def in_short(summary: Summary) -> str:
    """`Intel Xeon Processor, 2 cores (AVX512), no GPU · torch 2.15.0`; of several machines their number."""
    return " · ".join(machine_words(summary))


def machine_words(summary: Summary) -> Iterator[str]:
    """What the machines and the versions of torch are."""
    environments = list(summary.environments.values())
    machines = list(dict.fromkeys(_machine(each, summary) for each in environments))
    yield from machines if len(machines) == 1 else [f"{len(machines):,} machines"] if machines else []
    versions = dict.fromkeys(each.libraries["torch"] for each in environments if "torch" in each.libraries)
    if versions:
        yield f"torch {' and '.join(versions)}"
    at_once = {each.gpus_at_once for each in environments} - {1}
    if at_once:
        yield f"{' and '.join(map(str, sorted(at_once)))} GPUs of a host at work at once (--together)"


def _machine(environment: Environment, summary: Summary) -> str:
    used = {figure.case.device for figure in summary.figures}
    if environment.gpu is not None and any(devices.traits(device).uses_gpu for device in used):
        return one_line(environment.gpu.name, 60)
    cores = how_many(environment.cores_usable, "core")
    capability = _capability(summary)
    name = one_line(environment.cpu.replace("(R)", "").replace("(TM)", ""), 50)
    told = f"{name}, {cores}{f' ({capability})' if capability else ''}"
    return told if environment.gpu is not None else f"{told}, no GPU"


def _capability(summary: Summary) -> str | None:
    """The vector instructions of torch, where all cases agree."""
    found = {dict(figure.effective.machine).get("cpu_capability") for figure in summary.figures} - {None}
    return found.pop() if len(found) == 1 else None
