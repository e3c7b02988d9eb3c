"""The machine and the versions in a few words, for the line under a report's title."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bench import devices
from bench.schema.plurals import how_many
from bench.schema.record import Environment
from bench.schema.units import Unit
from reports.summary.figures import Summary
from reports.tables.wording import one_line


def in_short(summary: Summary) -> str:
    """`Intel Xeon Processor, 2 cores (AVX512), no GPU · torch 2.15.0`; of several machines their number."""
    return " · ".join(machine_words(summary))


def machine_words(summary: Summary) -> Iterator[str]:
    """What the machines are, how many, and the versions of torch; of a machine what was used of it."""
    environments = list(summary.environments.values())
    kinds = list(dict.fromkeys(_machine(each, summary) for each in environments))
    if kinds:
        yield _counted(kinds, {unit for figure in summary.figures for unit in figure.units})
    versions = dict.fromkeys(each.libraries["torch"] for each in environments if "torch" in each.libraries)
    if versions:
        yield f"torch {' and '.join(versions)}"
    at_once = {each.gpus_at_once for each in environments} - {1}
    if at_once:
        yield f"{' and '.join(map(str, sorted(at_once)))} GPUs at once (--together)"


def _counted(kinds: Sequence[str], units: Collection[Unit]) -> str:
    """`NVIDIA H200, 32 GPUs of 4 machines`, `Intel Xeon, no GPU, 4 machines`, `5 machines of 2 kinds`"""
    machines = len({unit.node for unit in units})
    gpus = sum(unit.is_gpu for unit in units)
    if len(kinds) > 1:
        counted = how_many(max(machines, len(kinds)), "machine")
        return counted if machines <= len(kinds) else f"{counted} of {len(kinds):,} kinds"
    if gpus > 1:
        return f"{kinds[0]}, {how_many(gpus, 'GPU')} of {how_many(machines, 'machine')}"
    return f"{kinds[0]}, {how_many(machines, 'machine')}" if machines > 1 else kinds[0]


def _machine(environment: Environment, summary: Summary) -> str:
    used = {figure.case.device for figure in summary.figures}
    processor = _processor(environment, summary)
    if environment.gpu is None:
        return f"{processor}, no GPU"
    if not any(devices.traits(device).uses_gpu for device in used):
        return processor
    gpu = one_line(environment.gpu.name, 60)
    return f"{gpu} and {processor}" if any(devices.traits(device).is_host for device in used) else gpu


def _processor(environment: Environment, summary: Summary) -> str:
    """`Intel Xeon, 2 cores (AVX512)`"""
    cores = how_many(environment.cores_usable, "core")
    capability = _capability(summary)
    name = one_line(environment.cpu.replace("(R)", "").replace("(TM)", ""), 50)
    return f"{name}, {cores}{f' ({capability})' if capability else ''}"


def _capability(summary: Summary) -> str | None:
    """The vector instructions of torch, where all cases agree."""
    found = {dict(figure.effective.machine).get("cpu_capability") for figure in summary.figures} - {None}
    return found.pop() if len(found) == 1 else None
