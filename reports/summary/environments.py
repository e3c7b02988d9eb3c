"""The machines and software of records: which are told apart, and their labels A, B, ..."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import structs

from bench import devices
from bench.schema.record import Environment
from bench.schema.replicate_conditions import whatever_chose_the_gpu
from reports.summary.machine_labels import label_of

Labels = dict[bytes, tuple[str, ...]]
"""Of each encoded environment the labels of the machines that it may be."""


Processor = tuple[str, int, int, tuple[str, str | None] | None]
Hardware = tuple[Processor, ...]
"""Processor and, for work on a GPU, the GPU; empty where nothing is known of them."""


def environments_of(encoded: Iterable[bytes]) -> tuple[dict[str, Environment], Labels]:
    """The distinct environments under the labels A, B, ..., and the labels of each encoded one.

    A child that measures on the CPU may not have looked for a GPU; it does not make another machine, but is
    of all those that differ from it in their GPU alone.
    """
    decoded = {raw: msgspec.json.decode(raw, type=Environment | None) for raw in dict.fromkeys(encoded)}
    found = {
        raw: whatever_chose_the_gpu(environment)
        for raw, environment in decoded.items()
        if environment is not None
    }
    fuller: defaultdict[bytes, list[Environment]] = defaultdict(list)
    for environment in found.values():
        if environment.gpu is not None:
            fuller[_key(_without_gpu(environment))].append(environment)
    distinct: dict[bytes, str] = {}  # by what is equal of environments that are: a fleet has thousands
    environments: dict[str, Environment] = {}
    labels: Labels = {}
    for raw, environment in found.items():
        own: dict[str, None] = {}
        for each in fuller.get(_key(environment)) or [environment]:
            label = distinct.setdefault(_key(each), label_of(len(distinct)))
            environments.setdefault(label, each)
            own[label] = None
        labels[raw] = tuple(own)
    return environments, labels


def _key(environment: Environment) -> bytes:
    return msgspec.json.encode(environment, order="deterministic")


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


def kind_of_hardware(labels: Iterable[str], device: str, environments: Mapping[str, Environment]) -> Hardware:
    """The same without what tells two GPUs of one name apart: cases of one kind lend to each other."""
    found = hardware(labels, device, environments)
    return tuple(dict.fromkeys(_without_uuid(each) for each in found))


def _without_uuid(found: Processor) -> Processor:
    cpu, physical, usable, gpu = found
    return cpu, physical, usable, gpu and (gpu[0], None)


def _without_gpu(environment: Environment) -> Environment:
    return whatever_chose_the_gpu(structs.replace(environment, gpu=None))
