"""The machines and software of records: which are told apart, and their labels A, B, ..."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec
from msgspec import structs

from bench import devices
from bench.schema.record import Environment
from bench.schema.replicate_conditions import conditions_of, whatever_chose_the_gpu

Labels = dict[bytes, tuple[str, ...]]
"""Of each encoded environment the labels of the machines that it may be."""


Hardware = tuple[object, ...]
"""Processor and, for work on a GPU, the GPU; empty where nothing is known of them."""


@lru_cache(maxsize=1024)
def _decode(encoded: bytes) -> Environment | None:
    return msgspec.json.decode(encoded, type=Environment | None)


@lru_cache(maxsize=1024)
def conditions(encoded: bytes, device: str) -> bytes:
    """What must be equal for two processes to be replicates of each other."""
    environment = _decode(encoded)
    if environment is None:
        return b""
    uses_gpu = devices.traits(device).uses_gpu
    return msgspec.json.encode(conditions_of(environment, uses_gpu=uses_gpu))


def environments_of(encoded: Iterable[bytes]) -> tuple[dict[str, Environment], Labels]:
    """The distinct environments under the labels A, B, ..., and the labels of each encoded one.

    A child that measures on the CPU may not have looked for a GPU; it does not make another machine, but is
    of all those that differ from it in their GPU alone.
    """
    decoded = {raw: _decode(raw) for raw in dict.fromkeys(encoded)}
    found = {
        raw: whatever_chose_the_gpu(environment)
        for raw, environment in decoded.items()
        if environment is not None
    }
    fuller = [(_without_gpu(other), other) for other in found.values() if other.gpu]
    distinct: list[Environment] = []
    labels: Labels = {}
    for raw, environment in found.items():
        whole = [other for without, other in fuller if without == environment] or [environment]
        for each in whole:
            if each not in distinct:
                distinct.append(each)
        labels[raw] = tuple(dict.fromkeys(_label(distinct.index(each)) for each in whole))
    return {_label(index): environment for index, environment in enumerate(distinct)}, labels


def hardware(labels: Iterable[str], device: str, environments: Mapping[str, Environment]) -> Hardware:
    """On what the machines of these labels work: the same whatever else differs, a commit or a version."""
    uses_gpu = devices.traits(device).uses_gpu
    found = {
        (
            each.cpu,
            each.cores_physical,
            each.cores_usable,
            (each.gpu.name, each.gpu.uuid) if uses_gpu and each.gpu else None,
        )
        for each in (environments[label] for label in labels)
    }
    return tuple(sorted(found, key=repr))


def _without_gpu(environment: Environment) -> Environment:
    return whatever_chose_the_gpu(structs.replace(environment, gpu=None))


def _label(index: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
