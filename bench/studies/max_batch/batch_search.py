"""The largest batch whose step fits into a limit of memory: predicted from small batches, then verified.

The peak of a step is nearly a line in the batch: what it needs for any, and more for each image. Small
batches give the line and the line a prediction. Algorithms that change with the batch, and memory in
pieces, bend it: so the prediction is run, and then what is above or below it, until the largest batch that
fitted and the smallest that did not lie close together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from bench import devices
from bench.plan.axes import AXES, NumericAxis, positive_number
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.phases import whole
from bench.schema.record import Record, Status, find
from models.errors import UserError

MEMORY_ONLY = MeasurementProtocol(
    warmup_steps=1,
    warmup_seconds=0.0,
    warmup_limit_seconds=0.0,
    min_samples=0,
    max_samples=0,
    energy_seconds=0.0,
)
"""Nothing is timed: a warm-up step, in which algorithms are chosen, and the steps of the memory passes."""
MOST_TRIES = 20
CLOSE = 0.02
"""The largest batch is found when none between it and one that does not fit is this much larger; and below
50 images, when one more does not fit."""
CAREFUL_SHARE = 0.8
"""Of the free memory, where a process that takes too much is killed, and perhaps others with it."""

_AXIS = AXES["batch"]
assert isinstance(_AXIS, NumericAxis)
MOST_IMAGES = _AXIS.high
_FIRST = 2
"""A batch normalisation that sees one value a channel refuses to train."""
_GROWTH, _CAREFUL_GROWTH = 8, 2
"""No batch is run that is more than so many times the largest that fitted: the line may yet bend upwards,
where another phase of the step becomes the one with the peak."""
_MOST = 1 / 2
"""Of the limit: what small batches may take."""
_ON_A_LINE = 0.05
"""How far a third batch's peak may lie from the line through two larger ones, as a share of the largest."""

_PEAKS = ("peak_allocated", "peak_reserved", "peak_resident")
"""The first that a record has: a replayed graph allocates nothing, a CPU knows only what is resident."""

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


Point = tuple[int, int]
"""A batch and its peak in bytes."""


class MemoryLine(Struct, frozen=True):
    """A peak in bytes: `fixed`, and `per_image` for each image of the batch."""

    fixed: float
    per_image: float

    def at(self, batch: int) -> float:
        """The peak in bytes."""
        return self.fixed + self.per_image * batch

    def largest(self, limit: float) -> int:
        """The largest batch with a peak of at most `limit` bytes, and at most `MOST_IMAGES`."""
        if self.per_image <= 0:
            return MOST_IMAGES if self.fixed <= limit else 0
        return max(0, min(MOST_IMAGES, int((limit - self.fixed) / self.per_image)))


class BatchRun(Struct, frozen=True, kw_only=True):
    """A batch that was run: its peak in bytes, None where it did not end well, and whether that fits."""

    batch: int
    status: Status
    peak: int | None
    fits: bool


class LargestBatch(Struct, frozen=True, kw_only=True):
    """The largest batch of a case (whose own batch says nothing), and how it was found.

    limit      bytes that the peak of a step must not exceed
    predicted  by `line` from small batches; None where they lie on none
    verified   the largest batch that was run and fitted; None where none did
    peak       of the verified batch, in bytes
    refused    the smallest batch that was run and did not fit, or None
    remark     why the answer is not what was asked for, or None
    is_cut_short  whether the time budget ended the search
    """

    case: Case
    limit: int
    line: MemoryLine | None
    predicted: int | None
    verified: int | None
    peak: int | None
    refused: int | None
    tries: tuple[BatchRun, ...]
    remark: str | None = None
    is_cut_short: bool = False


def limit_of(text: str | None, free: int, case: Case) -> int:
    """The limit in bytes: `4GiB`, `80%` of what is free, or by None what can be had safely. UserError."""
    if text is None:
        return int(free * (CAREFUL_SHARE if devices.get(case.device).overcommits else 1))
    if text.endswith("%"):
        return int(free * positive_number("--memory", text, 1.0))
    size = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(B|[KMG]i?B)", text)
    if size is None or not float(size[1]):
        raise UserError(
            f"--memory must be a size such as 4GiB or 600MB, or a share such as 80%, got {text!r}"
        )
    limit = int(float(size[1]) * _UNITS[size[2]])
    if limit > free:
        raise UserError(
            f"--memory must be at most the {free / 2**30:.1f} GiB that {case.device} has free, got {text!r}"
        )
    return limit


def largest_batch(
    case: Case,
    limit: int,
    measure: Callable[[Case], Record],
    may_go_on: Callable[[], bool] = lambda: True,
) -> LargestBatch:
    """The largest batch of a case within `limit` bytes.

    `measure` runs a case, by MEMORY_ONLY or more; `may_go_on` is asked before each. Where the device's
    memory is overcommitted no batch is run that is expected to exceed the limit.
    """
    careful = devices.get(case.device).overcommits
    tries: list[BatchRun] = []
    is_cut_short = False

    def go(choose: Callable[[], int | None]) -> str | None:
        """Run what is chosen until nothing is; returns why it had to end before, or None."""
        nonlocal is_cut_short
        while (batch := choose()) is not None:
            if len(tries) == MOST_TRIES:
                return f"stopped after {MOST_TRIES} tries"
            if not may_go_on():
                is_cut_short = True
                return "the time budget ended before the answer was verified"
            record = measure(structs.replace(case, batch=batch))
            tries.append(_run_of(record, limit))
            if record.status not in ("ok", "oom") or (record.status == "ok" and tries[-1].peak is None):
                return f"batch size {batch} gave no answer: {record.reason or 'its memory was not measured'}"
        return None

    remark = go(lambda: probe(tries, limit, careful))
    line = fit(_points(tries))
    remark = remark or go(lambda: refine(tries, limit, careful))
    return structs.replace(_answer(case, limit, tries, line, remark), is_cut_short=is_cut_short)


def _answer(
    case: Case, limit: int, tries: Sequence[BatchRun], line: MemoryLine | None, remark: str | None
) -> LargestBatch:
    """What the runs say; `line` is of those before the prediction, `remark` why they ended early, if so."""
    verified = max((each for each in tries if each.fits), key=lambda each: each.batch, default=None)
    refused = min((each.batch for each in tries if not each.fits), default=None)
    if remark is None and refused == 1:
        remark = "not even one image fits"
    if remark is None and verified is not None and verified.batch == MOST_IMAGES:
        remark = f"{MOST_IMAGES:,} images is the most that a batch may have here; there is room for more"
    return LargestBatch(
        case=case,
        limit=limit,
        line=line,
        predicted=None if line is None else line.largest(limit),
        verified=verified.batch if verified else None,
        peak=verified.peak if verified else None,
        refused=refused,
        tries=tuple(tries),
        remark=remark,
    )


def fit(points: Sequence[Point]) -> MemoryLine | None:
    """The line through the two largest batches; None for less than two, or where the next largest lies off
    the line, and so contradicts it."""
    if len(points) < 2:
        return None
    *_, (x1, y1), (x2, y2) = ordered = sorted(points)
    slope = (y2 - y1) / (x2 - x1)
    line = MemoryLine(y1 - slope * x1, slope)
    for batch, peak in ordered[-3:-2]:
        if abs(line.at(batch) - peak) > _ON_A_LINE * y2:
            return None
    return line


def probe(tries: Sequence[BatchRun], limit: int, careful: bool) -> int | None:
    """The next small batch to run; None when three lie on a line that has not far to go to the limit, or when
    there is no room for more."""
    if not tries:
        return _FIRST
    points = _points(tries)
    if all(each.fits for each in tries):
        batch, peak = max(points)
        line = _secant(points) if len(points) > 1 else MemoryLine(0, max(1, peak) / batch)
        larger = min(_most(batch, peak, limit, careful), line.largest(limit * _MOST))
        is_known = len(points) > 2 and fit(points) and line.largest(limit) <= batch * _GROWTH
        if larger > batch and not is_known:
            return larger
    return 1 if len(points) < 2 and all(each.batch > 1 for each in tries) else None


def refine(tries: Sequence[BatchRun], limit: int, careful: bool) -> int | None:
    """The next batch to run, between the largest that fitted and the smallest that did not; None when they
    are CLOSE, or when a larger one is not expected to fit and to be `careful` is to leave it."""
    lower = max((each.batch for each in tries if each.fits), default=0)
    upper = min((each.batch for each in tries if not each.fits), default=MOST_IMAGES + 1)
    step = max(1, round(CLOSE * lower))
    if upper - lower <= step:
        return None
    points = _points(tries)
    expected = _secant(points).largest(limit) if len(points) > 1 else upper
    if careful and expected < lower + step:
        return None
    batch = min(max(expected, lower + step), MOST_IMAGES)
    if batch >= upper:  # it was expected to fit, and did not
        failures = sum(not each.fits for each in tries)
        back = max(1, round(CLOSE * upper)) * 2 ** (failures - 1)
        batch = max((lower + upper) // 2, upper - back, lower + 1)
    fitted = [(each, peak) for each, peak in points if each == lower]
    return min(batch, *(_most(*point, limit, careful) for point in fitted)) if fitted else 1


def _most(batch: int, peak: int, limit: int, careful: bool) -> int:
    """The largest batch to run when this one fitted. So many times the images need so many times the memory
    at most: within that even who is careful may grow fast."""
    if not careful:
        return batch * _GROWTH
    return max(batch * _CAREFUL_GROWTH, min(batch * _GROWTH, batch * limit // max(1, peak)))


def peak_of(record: Record) -> int | None:
    """The peak of a record's whole step, in bytes; None where it was not measured."""
    found = (find(record.measurements, whole(record.case), metric) for metric in _PEAKS)
    return next((int(peak.samples[0]) for peak in found if peak), None)


def _run_of(record: Record, limit: int) -> BatchRun:
    peak = peak_of(record) if record.status == "ok" else None
    fits = peak is not None and peak <= limit
    return BatchRun(batch=record.case.batch, status=record.status, peak=peak, fits=fits)


def _points(tries: Sequence[BatchRun]) -> list[Point]:
    return [(each.batch, each.peak) for each in tries if each.peak is not None]


def _secant(points: Sequence[Point]) -> MemoryLine:
    """The line through the two largest batches: where it bends, the nearest to the limit count."""
    line = fit(sorted(points)[-2:])
    assert line is not None
    return line
