"""The deterministic step of a process, with what decides its bits beside the chip that made it."""

from __future__ import annotations

import msgspec
from msgspec import Struct, structs

from bench import devices
from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import Environment
from bench.schema.replicate_conditions import conditions_of
from bench.schema.step_digest import StepDigest, stepped
from bench.schema.units import Unit, unit_of

_SETTINGS = (
    *("uuid", "vbios", "power_limit_watts", "locked_clocks_mhz", "ecc_mode"),
    *("application_sm_clock_mhz", "application_memory_clock_mhz"),
    *("max_sm_clock_mhz", "max_memory_clock_mhz"),
)
"""Of a GPU what changes its speed and none of its bits."""


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
    decoded = msgspec.json.decode(environment, type=Environment | None)
    if decoded is None:
        return None
    uses_gpu = devices.traits(case.device).uses_gpu
    kind = msgspec.json.encode((_arithmetic(decoded, uses_gpu=uses_gpu), _name_of(network)))
    return Digested(unit_of(decoded, uses_gpu=uses_gpu), stepped(case), kind, digest)


def _arithmetic(environment: Environment, *, uses_gpu: bool) -> Environment:
    """The conditions without those that change times alone. The driver stays: it may bring other kernels."""
    found = conditions_of(environment, uses_gpu=uses_gpu)
    gpu = found.gpu and structs.replace(found.gpu, **dict.fromkeys(_SETTINGS))
    return structs.replace(found, gpu=gpu, os="", memory_bytes=0, cores_physical=0, cores_usable=0)


def _name_of(network: NetworkFingerprint | None) -> tuple[object, ...]:
    return () if network is None else (network.structure, network.weights, network.sources)
