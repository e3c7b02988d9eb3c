"""The deterministic step of a process, with what decides its bits beside the chip that made it."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import Struct, structs

from bench import devices
from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import Environment
from bench.schema.replicate_conditions import kind_of
from bench.schema.step_digest import StepDigest, stepped
from bench.schema.units import Unit, unit_of


class Digested(Struct, frozen=True):
    """The digest of a step on a unit.

    case  the step, whatever the case was that it was made beside
    kind  what must be equal for two units to give the same bits: processor, GPU, versions, network
    """

    unit: Unit
    case: Case
    kind: bytes
    digest: StepDigest


def digested(
    case: Case, environment: bytes, network: NetworkFingerprint | None, digest: StepDigest
) -> Digested | None:
    """Of a record that has a digest; None where it does not say on which machine. The environment is as the
    record writes it."""
    found = _unit_and_kind(environment, uses_gpu=devices.traits(case.device).uses_gpu)
    if found is None:
        return None
    unit, kind = found
    return Digested(unit, stepped(case), kind + _name_of(network), digest)


@lru_cache(maxsize=16_384)
def _unit_and_kind(environment: bytes, *, uses_gpu: bool) -> tuple[Unit, bytes] | None:
    decoded = msgspec.json.decode(environment, type=Environment | None)
    if decoded is None:
        return None
    kind = msgspec.json.encode(_arithmetic(decoded, uses_gpu=uses_gpu))
    return unit_of(decoded, uses_gpu=uses_gpu), kind


def _arithmetic(environment: Environment, *, uses_gpu: bool) -> Environment:
    """The kind without what moves times alone. The driver stays: it may bring other kernels."""
    found = kind_of(environment, uses_gpu=uses_gpu)
    gpu = found.gpu and structs.replace(
        found.gpu, locked_clocks_mhz=None, max_sm_clock_mhz=None, max_memory_clock_mhz=None
    )
    return structs.replace(found, gpu=gpu, os="", cores_physical=0, cores_usable=0, gpus_at_once=1)


def _name_of(network: NetworkFingerprint | None) -> bytes:
    known = None if network is None else (network.structure, network.weights, network.sources)
    return msgspec.json.encode(known)
