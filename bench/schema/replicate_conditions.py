"""What must be equal for two processes to be replicates of each other, and for two machines to be of one
kind: figures are pooled only then."""

from __future__ import annotations

from msgspec import structs

from bench.schema.gpu_identity import CHOOSES_GPU
from bench.schema.record import Environment


def conditions_of(environment: Environment, *, uses_gpu: bool) -> Environment:
    """The environment without what moves no time: the machine's names, the commit, and what chose the GPU."""
    gpu = environment.gpu if uses_gpu else None
    bare = structs.replace(environment, host="", node=None, machine_id=None, commit=None, gpu=gpu)
    return whatever_chose_the_gpu(bare)


def whatever_chose_the_gpu(environment: Environment) -> Environment:
    """Without the variables that chose the GPU, where the record says itself which it was, or has none.

    Records from before the UUID was kept have nothing else that tells two equal GPUs apart.
    """
    if environment.gpu is not None and environment.gpu.uuid is None:
        return environment
    variables = {name: value for name, value in environment.variables.items() if name not in CHOOSES_GPU}
    return structs.replace(environment, variables=variables)


def kind_of(environment: Environment, *, uses_gpu: bool) -> Environment:
    """The kind of machine: what figures of several machines must have in common to be one figure.

    Without the machine's identity, and without what is set or wears out machine by machine, since it is why
    one of a kind is slow (`settings_of`). Another driver, torch, kernel or variable makes another kind, and
    so do locked clocks: these are what a run was made with.
    """
    bare = conditions_of(environment, uses_gpu=uses_gpu)
    gpu = bare.gpu and structs.replace(
        bare.gpu,
        uuid=None,
        vbios=None,
        power_limit_watts=None,
        application_sm_clock_mhz=None,
        application_memory_clock_mhz=None,
        ecc_mode=None,
    )
    return structs.replace(bare, memory_bytes=0, governor=None, turbo=None, gpu=gpu)


def settings_of(environment: Environment, *, uses_gpu: bool) -> tuple[object, ...]:
    """What makes one machine of a kind slower than another: its memory, how the clocks of its processor are
    set, and of a GPU the power limit, clocks, ECC and firmware.

    The system's memory in GiB: what firmware and kernel keep of it differs by some MiB.
    """
    gpu = environment.gpu if uses_gpu else None
    host = (round(environment.memory_bytes / 2**30), environment.governor, environment.turbo)
    if gpu is None:
        return host
    return (
        *host,
        gpu.vbios,
        gpu.power_limit_watts,
        gpu.application_sm_clock_mhz,
        gpu.application_memory_clock_mhz,
        gpu.ecc_mode,
    )
