"""Known answers of what decides: the stopping rule on planted streams, and the verdict on planted runs."""

from __future__ import annotations

import itertools
import math
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist

from bench.host import environment
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.check import Answer, Checks
from bench.schema.record import Measurement, Record
from bench.stats import estimates
from bench.store import Store
from bench.timing import sampling
from reports.compare import compare_report

_TARGET = 0.01
_SEED = 1998
_PROCESSES = 8
_SCATTER = 0.01
"""Standard deviation of the processes' medians, on the log."""
_SLOWDOWN = 1.05


def checks() -> Checks:
    """All that need neither a device nor time."""
    return {
        "sampling: stops at its target": _stops_at_target,
        "sampling: stops at its limit": _stops_at_limit,
        "verdict: a slowdown of 5%, through records and compare": lambda: _verdict(_SLOWDOWN, "slower"),
        "verdict: a thing compared with itself": lambda: _verdict(1.0, "equivalent"),
    }


def _sampled(spread: float) -> sampling.Samples:
    """Lognormal samples of median 1 ms, each a millisecond of a clock that is planted too."""
    draw = random.Random(_SEED)
    clock = itertools.count()
    protocol = MeasurementProtocol(target_ci=_TARGET, max_samples=1000, sampling_seconds=1e9)
    return sampling.sample(
        lambda: [1e-3 * draw.lognormvariate(0, spread)], protocol, lambda: 1e-3 * next(clock)
    )


def _stops_at_target() -> Answer:
    """A spread of 3% needs some tens of samples."""
    found = _sampled(0.03)
    (values,) = found.values
    width = _half_width(values)
    passed = found.stopped == "target" and width <= _TARGET and len(values) < 1000
    return Answer(passed, f"±{_TARGET:.0%} or less", f"±{width:.2%} after {len(values)} samples")


def _stops_at_limit() -> Answer:
    """A spread of 100% needs tens of thousands of samples, and 1000 are allowed."""
    found = _sampled(1.0)
    (values,) = found.values
    passed = found.stopped == "limit" and len(values) == 1000
    return Answer(passed, "limit after 1000 samples", f"{found.stopped} after {len(values)} samples")


def _half_width(values: list[float]) -> float:
    interval = estimates.within_process(sorted(values))
    if interval is None:
        return math.inf
    centre = estimates.median(values)
    return max(interval.high - centre, centre - interval.low) / centre


def _verdict(factor: float, expected: str) -> Answer:
    """Two runs with planted medians, written as a run writes them and compared as a user compares them."""
    with tempfile.TemporaryDirectory(prefix="convbench-") as folder:
        base, new = Path(folder) / "base", Path(folder) / "new"
        _write_run(base, 1.0)
        _write_run(new, factor)
        rows = [row for row in compare_report.build([base], [new]).rows if row.metric == "wall_time"]
    measured = ", ".join(f"{row.verdict}, {row.ratio or math.nan:.3f} x" for row in rows)
    passed = [row.verdict for row in rows] == [expected]
    return Answer(passed, f"{expected}, {factor:.3f} x", measured or "no row")


def _write_run(directory: Path, factor: float) -> None:
    """Records of 8 processes whose medians are the quantiles of a normal distribution: no luck in it."""
    here = environment.describe()
    store = Store.create(directory)
    with store:
        for replicate, median in enumerate(_quantiles(_PROCESSES, factor * 1e-3), start=1):
            samples = list(_quantiles(25, median))
            store.append(
                Record(
                    case=Case(model="lenet5", replicate=replicate),
                    protocol=MeasurementProtocol(),
                    status="ok",
                    measurements=[
                        Measurement(phase="forward", metric="wall_time", unit="s", samples=samples)
                    ],
                    environment=here,
                    started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            )


def _quantiles(count: int, centre: float) -> Iterator[float]:
    normal = NormalDist(0, _SCATTER)
    return (centre * math.exp(normal.inv_cdf((k + 0.5) / count)) for k in range(count))
