"""What the ranks of a job measure together, and what rank 0 makes of it for the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from bench.child.ranks import link_sweep, rank_energy, rank_memory
from bench.child.ranks.rank_agreement import Agreement
from bench.child.ranks.rank_facts import rank_facts
from bench.child.ranks.rank_timing import RankTimes, Series, time_rank
from bench.contracts.device import Device
from bench.contracts.energy_source import NoCounter
from bench.contracts.monitor import Monitor
from bench.contracts.rank_strategy import Group, RankSteps
from bench.forkserver.stages import stage
from bench.schema.case import MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.metrics import LEDGER
from bench.schema.ranks import WITHOUT_COMMUNICATION, LinkSamples, RankFacts, Traffic
from bench.schema.record import Measurement, single
from bench.timing import windows


@dataclass
class JobFindings:
    """What a record says of a job of several ranks."""

    measurements: list[Measurement] = field(default_factory=list)
    warnings: list[CaseWarning] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    ranks: tuple[RankFacts, ...] = ()
    links: tuple[LinkSamples, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    warm_up_seconds: float = 0.0


class _Told(Struct, frozen=True):
    """What a rank tells rank 0."""

    facts: RankFacts
    ledger: list[Measurement]
    why_no_joules: str


def measure_together(
    steps: RankSteps,
    group: Group,
    device: Device,
    agreement: Agreement,
    protocol: MeasurementProtocol,
    monitor: Monitor,
    baseline: int,
    *,
    facts: bool = True,
) -> JobFindings | None:
    """Every rank calls it together; the findings at rank 0, None elsewhere.

    `monitor` watches the windows of rank 0; `baseline` are the bytes in use before the network existed. With
    `facts` the ledger is asked for, which one job says for all of a case.
    """
    stage("timing")
    times = time_rank(steps, device, agreement, protocol, monitor)
    stage("messages between ranks")
    also = [each.collective for each in steps.sent]
    links, refused = link_sweep.sweep(group, device, agreement, also) if group.ranks > 1 else ((), {})
    stage("energy")
    joules, why_no_joules = _joules(steps, group, device, agreement, protocol)
    stage("memory")
    peak = rank_memory.peak_bytes(steps, device, agreement, baseline)
    ledger = rank_memory.rank_ledger(steps, device, agreement, baseline) if facts else []
    kinds = {each.metric: int(each.samples[0]) for each in ledger}
    found = rank_facts(group, device, times, peak=peak, ledger=kinds, joules=joules)
    told = agreement.gather(msgspec.json.encode(_Told(found, ledger, why_no_joules)))
    if not agreement.leads:
        return None
    all_told = [msgspec.json.decode(each, type=_Told) for each in told]
    findings = _findings(times, device, all_told)
    findings.links, findings.traffic = links, steps.sent
    findings.absent |= {f"sweep of {collective}": why for collective, why in refused.items()}
    if group.ranks > 1 and steps.without_communication is None:
        findings.absent[WITHOUT_COMMUNICATION] = steps.why_none
    return findings


def _joules(
    steps: RankSteps, group: Group, device: Device, agreement: Agreement, protocol: MeasurementProtocol
) -> tuple[float | None, str]:
    """Of a host's counter one of its ranks alone tells, so that a sum has it once."""
    found = rank_facts(group, device, RankTimes(), peak=None, ledger={}, joules=None)
    shared = device.traits.is_host and found.local_rank > 0
    source = NoCounter(rank_energy.SHARED_COUNTER) if shared else device.energy_source()
    return rank_energy.joules_of_a_step(steps, device, agreement, source, protocol.energy_seconds)


def _findings(times: RankTimes, device: Device, told: Sequence[_Told]) -> JobFindings:
    measurements = [*_times(times, device), *_energy(told)]
    peaks = [each.facts.peak_bytes for each in told if each.facts.peak_bytes is not None]
    if peaks:
        measurements.append(single("step", device.traits.peak_metric, max(peaks), "bytes"))
    highest = max(told, key=lambda each: each.facts.ledger.get(LEDGER["peak"], 0))
    measurements += highest.ledger
    absent = {} if any(each.facts.joules is not None for each in told) else {"energy": told[0].why_no_joules}
    return JobFindings(
        measurements=measurements,
        warnings=[*times.warnings, *windows.merge_labels(times.readings)],
        absent=absent,
        ranks=tuple(sorted((each.facts for each in told), key=lambda facts: facts.rank)),
        warm_up_seconds=times.warm_up_seconds,
    )


def _times(times: RankTimes, device: Device) -> Iterator[Measurement]:
    """Of the whole step: the slowest rank's of each step, by each clock."""
    yield single("step", "warmup_steps", times.warmup_steps, "count")
    best = device.traits.clocks[0]
    clocks: dict[Series, str] = {"step": best, "wall": "wall_time"}
    for series, metric in clocks.items():
        if series in times.job:
            yield Measurement(
                phase="step",
                metric=metric,
                unit="s",
                samples=times.job[series],
                stopped=times.stopped.get(series),
            )
    seen = {metric: times.readings[series] for series, metric in clocks.items() if series in times.readings}
    yield from windows.window_measurements(seen, retakes=0)


def _energy(told: Sequence[_Told]) -> Iterator[Measurement]:
    """Of all devices together, with their idle power; nothing where one of several devices told none."""
    known = [each.facts.joules for each in told if each.facts.joules is not None]
    shared = sum(each.why_no_joules == rank_energy.SHARED_COUNTER for each in told)
    if known and len(known) + shared == len(told):
        yield single("step", "energy_total", sum(known), "J")
