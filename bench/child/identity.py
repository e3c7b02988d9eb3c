"""In the child: which network a case is of, measured or not."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import structs

from bench.child import weights
from bench.child.case_network import load_network
from bench.child.collected import Collected, Pass
from bench.child.passes import flops_counted
from bench.probes.fingerprinting import fingerprint
from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint, SourceFile
from bench.schema.plain_text import encode
from bench.schema.record import Measurement, find
from bench.tensors import case_arguments
from models import random_state
from models.catalogue import arch_of
from models.network import Network
from models.user_imports import isolated_imports


def identify(argument: bytes) -> bytes:
    """Encoded Cases in; of each its NetworkFingerprint out, encoded, or null where it cannot be built."""
    return encode([_identified(case) for case in msgspec.json.decode(argument, type=list[Case])])


def identity(network: Network) -> NetworkFingerprint:
    """Of a network that was just loaded, without FLOPs."""
    return fingerprint(network.module, [SourceFile(*each) for each in network.sources.items()])


def _identified(case: Case) -> NetworkFingerprint | None:
    is_ours = arch_of(case.model) is not None
    random_state.seed(case.learning_seed if case.task else case.seed)
    with isolated_imports():
        try:
            network = load_network(case, "meta" if is_ours else "cpu")
        except Exception:  # noqa: BLE001 - of any kind: the process that measures it says why
            return None
        found = identity(network)
        if is_ours or case.task:  # of a network of ours the FLOPs follow from the tree
            return found
        weights.place(network.module, case)
        counted = Collected()
        counted.attempt(Pass("FLOPs", ("flops",), lambda: _flops(case, network)))
        return with_flops(found, counted.measurements)


def with_flops(found: NetworkFingerprint, measurements: Iterable[Measurement]) -> NetworkFingerprint:
    """The fingerprint with the FLOPs that were counted of the forward pass, if they were."""
    counted = find(measurements, "forward", "flops")
    return structs.replace(found, flops=int(counted.samples[0])) if counted else found


def _flops(case: Case, network: Network) -> list[Measurement]:
    return flops_counted(case, network.module, case_arguments(case, network, "cpu"), [])
