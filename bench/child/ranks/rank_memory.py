"""What memory one rank needs for a step: its peak, and by the ledger whose bytes the peak is made of."""

from __future__ import annotations

from bench.child.ranks.rank_agreement import Agreement
from bench.contracts.device import Device
from bench.contracts.rank_strategy import RankSteps
from bench.contracts.steps import Steps
from bench.probes import ledger
from bench.schema.record import Measurement


def peak_bytes(steps: RankSteps, device: Device, agreement: Agreement, baseline: int) -> int | None:
    """Of one step over `baseline` bytes; None where the device does not say. All ranks call it together."""
    device.release_memory()
    device.reset_peak()
    agreement.barrier()
    steps.step()
    device.synchronise()
    peak = device.read_peak().get(device.traits.peak_metric)
    return None if peak is None else max(0, peak - baseline)


def rank_ledger(steps: RankSteps, device: Device, agreement: Agreement, baseline: int) -> list[Measurement]:
    """As `bench.probes.ledger.peak_ledger`. All ranks make the same two steps together."""
    agreement.barrier()
    return ledger.peak_ledger(as_steps(steps), device, baseline)


def as_steps(steps: RankSteps) -> Steps:
    """A rank's step as one of a single process. Named as its only phase: then the ledger always makes two
    steps, in every rank, whatever it meets in one of them."""
    return Steps(
        setup=lambda: None,
        step=steps.step,
        whole_phase="step",
        phases=(("step", steps.step),),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=steps.tensors,
    )
