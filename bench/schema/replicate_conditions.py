"""What must be equal for two processes to be replicates of each other: figures are pooled only then."""

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
