"""What a link between ranks does, by the definitions of nccl-tests (doc/PERFORMANCE.md). Pure.

    algorithm bandwidth = message / seconds
    bus bandwidth       = algorithm bandwidth x bus factor

The bus factor makes figures of different numbers of ranks alike: 2 (n - 1) / n of an all-reduce, (n - 1) / n
of an all-gather and a reduce-scatter, 1 of a broadcast and of a message to one other. Messages are counted in
nccl-tests' way: of an all-gather and a reduce-scatter what all ranks hold together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from bench.schema.ranks import Collective, LinkSamples, Traffic, bus_factor
from bench.stats.estimates import median


class Ceiling(Struct, frozen=True, kw_only=True):
    """What one collective reaches between these ranks, by a sweep of message sizes.

    latency        s of the smallest message swept
    bus_bandwidth  bytes/s, the highest of all sizes; `at_bytes` is that size
    """

    collective: Collective
    backend: str
    ranks: int
    latency: float
    bus_bandwidth: float
    at_bytes: int


def algorithm_bandwidth(message_bytes: float, seconds: float) -> float:
    """bytes/s."""
    return message_bytes / seconds


def bus_bandwidth(collective: Collective, ranks: int, message_bytes: float, seconds: float) -> float:
    """bytes/s over the link of one rank."""
    return algorithm_bandwidth(message_bytes, seconds) * bus_factor(collective, ranks)


def sent_bytes(traffic: Traffic, ranks: int) -> float:
    """What one rank sends in a step over its link, in a ring.

    Of broadcasts and reductions each rank is the root in turn, and the last of a ring passes nothing on: so
    much of all their messages each rank sends.
    """
    if traffic.collective in ("broadcast", "reduce"):
        return traffic.message_bytes * (ranks - 1) / ranks
    return traffic.message_bytes * bus_factor(traffic.collective, ranks)


def ceilings_of(samples: Sequence[LinkSamples]) -> tuple[Ceiling, ...]:
    """By collective and number of ranks, in their order; the samples of several jobs may lie in any order."""
    groups: dict[tuple[Collective, str, int], dict[int, list[float]]] = {}
    for each in samples:
        sizes = groups.setdefault((each.collective, each.backend, each.ranks), {})
        sizes.setdefault(each.message_bytes, []).extend(each.seconds)
    found = []
    for (collective, backend, ranks), sizes in groups.items():
        times = {size: median(seconds) for size, seconds in sizes.items()}
        rates = {size: bus_bandwidth(collective, ranks, size, time) for size, time in times.items()}
        best = max(rates, key=lambda size: rates[size])
        ceiling = Ceiling(
            collective=collective,
            backend=backend,
            ranks=ranks,
            latency=times[min(times)],
            bus_bandwidth=rates[best],
            at_bytes=best,
        )
        found.append(ceiling)
    return tuple(found)


def hops(collective: Collective, ranks: int) -> int:
    """Messages one after the other in a ring of so many ranks: what a latency grows with."""
    if collective == "all-reduce":
        return 2 * (ranks - 1)
    return 1 if collective == "point-to-point" else ranks - 1


def message_seconds(traffic: Traffic, ceiling: Ceiling, ranks: int) -> float:
    """What a step's messages would take alone, one after the other, between so many ranks.

    The ceiling may be of another number of ranks: its latency grows with the hops, its bus bandwidth stays.
    """
    latency = ceiling.latency * hops(traffic.collective, ranks) / hops(traffic.collective, ceiling.ranks)
    moved = traffic.message_bytes * bus_factor(traffic.collective, ranks)
    return traffic.calls * latency + moved / ceiling.bus_bandwidth


def total_message_seconds(
    traffic: Iterable[Traffic], ceilings: Mapping[Collective, Ceiling], ranks: int
) -> float | None:
    """Of all that a step sends; None where a collective was not swept."""
    total = 0.0
    for each in traffic:
        if each.collective not in ceilings:
            return None
        total += message_seconds(each, ceilings[each.collective], ranks)
    return total
