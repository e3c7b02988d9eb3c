"""The tables about what is between the ranks: what links reach, what is sent, and where each rank ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.schema.plurals import how_many
from bench.schema.ranks import LinkSamples, Traffic
from bench.stats.estimates import median
from bench.stats.link_arithmetic import (
    algorithm_bandwidth,
    bus_bandwidth,
    ceilings_of,
    message_seconds,
    sent_bytes,
)
from reports.cells import Cell, Quantity
from reports.document import Part, Table
from reports.scale.scale_words import name_of
from reports.scale.scaling_series import ScaledSize, ScalingSeries
from reports.summary.machine_labels import machine_text
from reports.tables.wording import MIB

LINKS = Part("links", "Between the ranks")
RANKS = Part("ranks", "Rank by rank", in_appendix=True)
GIGA = 1e9
MICRO = 1e6


def ceiling_table(series: Sequence[ScalingSeries]) -> Iterator[Table]:
    """What each collective reached at most, by number of ranks: by the sweeps of all series of a machine."""
    samples: dict[tuple[str, ...], list[LinkSamples]] = {}
    for one in series:
        for size in one.several:
            links = samples.setdefault(size.time.machine, [])
            links += (link for job in size.jobs for link in job.links)
    for machine, links in samples.items():
        found = ceilings_of(links)
        if not found:
            continue
        where = f", machine {machine_text(machine)}" if len(samples) > 1 else ""
        yield Table(
            title=f"What the links reach{where}",
            columns=("collective", "backend", "ranks", "latency (µs)", "bus bandwidth (GB/s)", "at (MiB)"),
            rows=tuple(
                (
                    *(each.collective, each.backend, each.ranks),
                    Quantity(value=each.latency * MICRO),
                    Quantity(value=each.bus_bandwidth / GIGA),
                    Quantity(value=each.at_bytes / MIB),
                )
                for each in found
            ),
            notes=(
                "By a sweep of message sizes in the same jobs. Latency: of the smallest message. Bus "
                "bandwidth: the highest, as nccl-tests defines it.",
            ),
            part=LINKS,
        )


def traffic_table(series: ScalingSeries) -> Iterator[Table]:
    """What a rank sends in a step, by arithmetic, and what it would take alone."""
    rows = [
        (
            *(size.ranks, each.what, each.collective, each.calls),
            Quantity(value=each.message_bytes / MIB),
            Quantity(value=sent_bytes(each, size.ranks) / MIB),
            _alone(each, size),
        )
        for size in series.several
        if size.jobs
        for each in size.jobs[0].traffic
    ]
    if rows:
        yield Table(
            title=f"{name_of(series)}: what a rank sends in a step",
            columns=("ranks", "what", "collective", "calls", "message (MiB)", "sent (MiB)", "alone (ms)"),
            rows=tuple(rows),
            notes=(
                "By arithmetic; sent: what a ring sends over the link of one rank. Alone: what it would take "
                "with nothing else running, by latency and bus bandwidth of the sweep.",
            ),
            part=LINKS,
        )


def _alone(traffic: Traffic, size: ScaledSize) -> Quantity | None:
    ceiling = size.ceilings.get(traffic.collective)
    return Quantity(value=1e3 * message_seconds(traffic, ceiling, size.ranks)) if ceiling else None


def sweep_table(series: Sequence[ScalingSeries]) -> Iterator[Table]:
    """Every size of every sweep."""
    samples: dict[tuple[str, str, int, int], list[LinkSamples]] = {}
    for one in series:
        for size in one.several:
            for link in (link for job in size.jobs for link in job.links):
                of = (link.collective, link.backend, link.ranks, link.message_bytes)
                samples.setdefault(of, []).append(link)
    if samples:
        yield Table(
            title="Messages by size",
            columns=("collective", "ranks", "message (KiB)", "time (µs)", "algorithm (GB/s)", "bus (GB/s)"),
            rows=tuple(_sweep_row(links) for links in samples.values()),
            notes=("Medians of the slowest rank's times, over all jobs.",),
            part=RANKS,
        )


def _sweep_row(links: Iterable[LinkSamples]) -> tuple[Cell, ...]:
    links = list(links)
    first = links[0]
    seconds = median([each for link in links for each in link.seconds])
    size = first.message_bytes
    return (
        *(first.collective, first.ranks),
        Quantity(value=size / 1024),
        Quantity(value=seconds * MICRO),
        Quantity(value=algorithm_bandwidth(size, seconds) / GIGA),
        Quantity(value=bus_bandwidth(first.collective, first.ranks, size, seconds) / GIGA),
    )


def rank_table(series: ScalingSeries) -> Iterator[Table]:
    """Where each rank ran, and what memory and energy it took: of the first job of each number of ranks."""
    rows = [
        (
            *(size.ranks, rank.rank, rank.host, rank.device, rank.numa_node),
            _listed(rank.cores),
            rank.threads,
            None if rank.peak_bytes is None else Quantity(value=rank.peak_bytes / MIB),
            None if rank.joules is None else Quantity(value=rank.joules),
        )
        for size in series.several
        if size.jobs
        for rank in size.jobs[0].ranks
    ]
    if rows:
        filled = [at for at in range(len(rows[0])) if any(row[at] is not None for row in rows)]
        columns = (
            *("ranks", "rank", "host", "device", "NUMA node", "cores", "threads"),
            *("peak memory (MiB)", "energy a step (J)"),
        )
        yield Table(
            title=f"{name_of(series)}: {how_many(len(rows), 'rank')}",
            columns=tuple(columns[at] for at in filled),
            rows=tuple(tuple(row[at] for at in filled) for row in rows),
            part=RANKS,
        )


def _listed(cores: Sequence[int]) -> str | None:
    """`0-3, 8`"""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][1] + 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs) or None
