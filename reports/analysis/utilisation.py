"""What share of the machine's ceilings each time reached, and what held it back; pure.

Utilisation is FLOPs over time, over the ceiling of the dtype that did the work; traffic is bytes moved over
time, over the bandwidth of a copy. Both ceilings were measured (`reports.analysis.measured_ceilings`), none
is a data sheet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, structs

from bench.schema.case_warnings import LAUNCH_BOUND
from bench.schema.phases import PHASES, WHOLE
from bench.stats.estimates import Ratio
from reports.analysis.figure_ratios import combined
from reports.analysis.measured_ceilings import Ceilings, Rate, arithmetic_dtype
from reports.summary.figures import THROUGHPUT_METRICS, Figure
from reports.summary.subjects import Figures, Subject, by_subject

COUNTED_IN = {
    "flops": ("forward", "backward"),
    "bytes_moved": ("forward", "backward", "optimizer"),
}
"""The phases of which a step's count is the sum. The optimizer multiplies, but nobody counts it as FLOPs."""
IDLE = 0.1
"""Wall time beyond device time by this share: the GPU stood idle. Less is what waiting for the device at the
end of a sample takes, and the scatter of two clocks read in different samples."""
SMALL_SHARE = 0.15
"""On a processor, whose arithmetic and whose Python are timed as one: where neither arithmetic nor memory
would take this share of the time at its ceiling, the rest is neither: Python, dispatch, the waking of
threads, tensors put into another order for a product, and operators that are slow without being products
(pooling, dropout and local response normalisation reach 3 to 6% of a copy's bandwidth on one thread; seen).
Networks that keep a processor busy reach several times as much of one of the two."""

Label = Literal["compute-bound", "memory-bound", "launch-bound", "host-bound"]


class Bound(Struct, frozen=True):
    """What holds a phase back, and the figures that say so, in words."""

    label: Label
    why: str


class Utilisation(Struct, frozen=True, kw_only=True):
    """What one phase reached by one clock.

    time         the figure, in seconds
    flops        of the phase for the batch; 0 for the optimizer, whose few are not counted
    bytes        that its operators move for the batch (`bench.probes.traffic`)
    dtype        that did the arithmetic: fp32, tf32, bf16 or fp16
    arithmetic   the ceiling of that dtype, FLOP/s
    bandwidth    the ceiling of traffic, byte/s
    bound        None where its figures are not known, as the others are
    """

    subject: Subject
    time: Figure
    flops: float | None
    bytes: float | None
    dtype: str | None
    arithmetic: Rate | None
    bandwidth: Rate | None
    bound: Bound | None

    @property
    def is_whole(self) -> bool:
        """Whether this is the time from which throughput follows: all of the step, by the wall's clock."""
        return (self.time.phase, self.time.metric) == (WHOLE[self.subject.case.workload], "wall_time")

    @property
    def intensity(self) -> float | None:
        """FLOP/byte; None where one of them was not counted."""
        return None if self.flops is None or not self.bytes else self.flops / self.bytes

    @property
    def utilisation(self) -> Ratio | None:
        """FLOPs over time over the ceiling, with the interval that follows from the time's and the ceiling's.
        None for a phase without FLOPs."""
        return _share(self.flops, self.time, self.arithmetic)

    @property
    def bandwidth_share(self) -> Ratio | None:
        """Bytes over time over the bandwidth; above 1 where caches or fused kernels spare the memory."""
        return _share(self.bytes, self.time, self.bandwidth)

    @property
    def attainable_seconds(self) -> float | None:
        """The time under the roof: that of arithmetic or of memory at its ceiling, whichever takes longer."""
        shares = [share.value for share in (self.utilisation, self.bandwidth_share) if share]
        return max(shares) * self.time.median if shares and self.bound else None


def reached(figures: Sequence[Figure], ceilings: Ceilings) -> tuple[Utilisation, ...]:
    """One for every device and wall time of a phase, in the order of the figures."""
    timed = [f for f in figures if f.case.workload in WHOLE and f.case.task is None]
    return tuple(
        _reached(subject, found, figure, ceilings)
        for subject, found in by_subject(timed).items()
        for (phase, metric), figure in found.items()
        if metric in THROUGHPUT_METRICS and phase in PHASES and figure.median > 0
    )


def _reached(subject: Subject, figures: Figures, time: Figure, ceilings: Ceilings) -> Utilisation:
    case = subject.case
    dtype = arithmetic_dtype(case, subject.effective)
    known = Utilisation(
        subject=subject,
        time=time,
        flops=_count(figures, time.phase, "flops"),
        bytes=_count(figures, time.phase, "bytes_moved"),
        dtype=dtype,
        arithmetic=ceilings.arithmetic(subject.machine, case.device, dtype, case.threads) if dtype else None,
        bandwidth=ceilings.bandwidth(subject.machine, case.device, case.threads),
        bound=None,
    )
    return structs.replace(known, bound=_bound(known, figures))


def _count(figures: Figures, phase: str, metric: str) -> float | None:
    """Of a whole step the sum over its phases; None where one of them was not counted."""
    phases = [part for part in COUNTED_IN[metric] if phase in (part, "step")]
    counts = [figures[part, metric].median for part in phases if (part, metric) in figures]
    return sum(counts) if len(counts) == len(phases) else None


def _share(work: float | None, time: Figure, ceiling: Rate | None) -> Ratio | None:
    if not work or ceiling is None:
        return None
    interval = time.interval if time.interval and time.interval.low > 0 else None
    rate = interval and structs.replace(interval, low=work / interval.high, high=work / interval.low)
    return combined(work / time.median, rate, ceiling.per_second, ceiling.interval)


def _bound(known: Utilisation, figures: Figures) -> Bound | None:
    """What waits comes first: a GPU that waits for its host is held back by nothing else."""
    waiting = _waiting(known.time, figures)
    if waiting is not None:
        return waiting
    computing, moving = (
        share.value if share else None for share in (known.utilisation, known.bandwidth_share)
    )
    if moving is None or (computing is None and known.flops != 0):
        return None
    computing = computing or 0.0
    shares = f"{_percent(computing)} of peak compute, {_percent(moving)} of peak bandwidth"
    if (known.time.phase, "device_time") not in figures and max(computing, moving) < SMALL_SHARE:
        return Bound("host-bound", shares)
    return Bound("compute-bound" if computing >= moving else "memory-bound", shares)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or share == 0 else "<1%"


def _waiting(time: Figure, figures: Figures) -> Bound | None:
    """Whether the GPU waits: for launches, or between them; None on a processor, which has one clock."""
    phase = time.phase
    device, wall, host = (figures.get((phase, f"{clock}_time")) for clock in ("device", "wall", "host"))
    if device is None or device.median <= 0:
        return None
    idle = figures.get((phase, "device_idle_share"))
    # A step that waits for the device inside has a host time that says nothing; it takes the tag by its idle
    # share, and its phases by nothing.
    waits_inside = "unshielded" in time.tags
    is_whole = phase == WHOLE[time.case.workload]
    if is_whole:
        launching = "launch-bound" in time.tags
    else:
        launching = host is not None and not waits_inside and host.median >= LAUNCH_BOUND * device.median
    if launching and waits_inside and idle is not None:
        return Bound("launch-bound", f"the GPU is idle for {idle.median:.0%} of the step")
    if launching and host is not None:
        return Bound("launch-bound", f"host time is {host.median / device.median:.2f} x device time")
    # By the wall's clock a phase begins with an empty queue and ends with a wait: in a step it has neither.
    if is_whole and wall is not None and wall.median > (1 + IDLE) * device.median:
        return Bound("host-bound", f"wall time is {wall.median / device.median:.2f} x device time")
    return None
