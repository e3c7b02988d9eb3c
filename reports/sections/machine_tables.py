"""The machine and the versions behind the figures, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.schema.gpu_identity import Gpu
from bench.schema.record import Environment
from reports.document import Table
from reports.summary.figures import Figure, Summary
from reports.summary.machine_labels import listed
from reports.tables.wording import one_line

GIB = 2**30
UUID = "GPU UUID"
MOST_COLUMNS = 8
"""Machines that a table has side by side."""
MOST_VALUES = 4
POOLED_NOTE = (
    "Figures are pooled only over machines of one kind, which differ in nothing but names, commit, UUID, "
    "VBIOS, power limit, application clocks, ECC, CPU governor, turbo and system memory; never over two "
    "drivers or versions."
)


def machine_tables(summary: Summary) -> Iterator[Table]:
    """What all machines share; where they differ, field by field."""
    machines = fields_by_machine(summary)
    names = list(dict.fromkeys(name for values in machines.values() for name in values))
    columns = {name: [values.get(name) for values in machines.values()] for name in names}
    common = tuple((name, values[0]) for name, values in columns.items() if len(set(values)) == 1)
    differing = tuple((name, *values) for name, values in columns.items() if len(set(values)) > 1)
    if common:
        yield Table(title="System", columns=("what", "value"), rows=common)
    if differing:
        many = len(machines) > MOST_COLUMNS
        yield Table(
            title="Where the machines differ",
            columns=("what", "values") if many else ("what", *machines),
            rows=tuple((name, _counted(values)) for name, *values in differing) if many else differing,
            notes=(POOLED_NOTE,),
        )


def _counted(values: Sequence[str | None]) -> str:
    """`550.1 (7), 560.2 (1)`, the most frequent first, or how many values there are."""
    counts = Counter(value or "none" for value in values)
    told = ", ".join(f"{value} ({count:,})" for value, count in counts.most_common(MOST_VALUES))
    return told if len(counts) <= MOST_VALUES else f"{told} and {len(counts) - MOST_VALUES:,} more"


def machine_words(summary: Summary) -> Iterator[str]:
    """`Machine A, B: Test CPU (2 cores, 8.0 GiB), torch 2.11.0.`: a sentence for each of the lines."""
    several = len(summary.environments) > 1
    yield from (f"Machine{' ' if several else ': '}{line}." for line in machine_lines(summary))


def machine_lines(summary: Summary) -> Iterator[str]:
    """`A, B: Test CPU (2 cores, 8.0 GiB), torch 2.11.0`: a line for each GPU, processor and torch, without
    labels where there is one machine."""
    labels: dict[str, list[str]] = {}
    for label, environment in summary.environments.items():
        gpu = [environment.gpu.name] if environment.gpu else []
        cpu = f"{environment.cpu} ({environment.cores_physical} cores, {_gib(environment.memory_bytes)})"
        torch = environment.libraries.get("torch")
        words = [*gpu, cpu, *([f"torch {torch}"] if torch else [])]
        labels.setdefault(one_line(", ".join(words)), []).append(label)
    for line, alike in labels.items():
        yield f"{listed(alike)}: {line}" if len(summary.environments) > 1 else line


def fields_by_machine(summary: Summary) -> dict[str, dict[str, str]]:
    """For each label of an environment its printable fields, in the order of interest."""
    capabilities = _capabilities(summary.figures)
    return {
        label: _fields(environment, capabilities.get(label))
        for label, environment in summary.environments.items()
    }


def _capabilities(figures: Sequence[Figure]) -> Mapping[str, str]:
    """The vector instructions that torch used on each machine, as its CPU cases read back."""
    return {
        label: dict(figure.effective.machine)["cpu_capability"]
        for figure in figures
        if "cpu_capability" in dict(figure.effective.machine)
        for label in figure.machine
    }


def _fields(environment: Environment, capability: str | None) -> dict[str, str]:
    fields: dict[str, str | None] = {
        **(_gpu_fields(environment.gpu) if environment.gpu else {}),
        "CPU": environment.cpu,
        "CPU instructions": capability,
        "GPUs measured at once": _at_once(environment),
        "CPU governor": environment.governor,
        "CPU turbo": _switch(environment.turbo),
        "physical cores": f"{environment.cores_physical} ({environment.cores_usable} usable)",
        "memory": _gib(environment.memory_bytes),
        "host": environment.host,
        "node": environment.node,
        "system": environment.os,
        "Python": environment.python,
        **environment.libraries,
        **environment.variables,
        "commit": environment.commit,
    }
    return {name: one_line(value) for name, value in fields.items() if value is not None}


def _at_once(environment: Environment) -> str | None:
    """Of `--together`; nothing to say of a GPU that was measured alone."""
    return str(environment.gpus_at_once) if environment.gpus_at_once > 1 else None


def _gpu_fields(gpu: Gpu) -> dict[str, str | None]:
    return {
        "GPU": gpu.name,
        "GPU memory": _gib(gpu.memory_bytes),
        "compute capability": gpu.capability,
        "driver": gpu.driver,
        "CUDA": gpu.cuda,
        "cuDNN": gpu.cudnn,
        **gpu_settings(gpu),
    }


def gpu_settings(gpu: Gpu) -> dict[str, str]:
    """Which GPU it was and how it was set, in words, as far as the record says."""
    fields = {
        UUID: gpu.uuid,
        "VBIOS": gpu.vbios,
        "power limit": None if gpu.power_limit_watts is None else f"{gpu.power_limit_watts:g} W",
        "application clocks": _clocks(gpu.application_sm_clock_mhz, gpu.application_memory_clock_mhz),
        "highest clocks": _clocks(gpu.max_sm_clock_mhz, gpu.max_memory_clock_mhz),
        "locked SM clock": _locked(gpu),
        "ECC": _switch(gpu.ecc_mode),
        "MIG": _switch(gpu.mig_mode),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _locked(gpu: Gpu) -> str | None:
    if gpu.locked_clocks_mhz is not None:
        return f"{gpu.locked_clocks_mhz} MHz"
    return None if gpu.uuid is None else "none"


def _clocks(sm: int | None, memory: int | None) -> str | None:
    return None if sm is None or memory is None else f"SM {sm} MHz, memory {memory} MHz"


def _switch(on: bool | None) -> str | None:
    return None if on is None else "on" if on else "off"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.1f} GiB"
