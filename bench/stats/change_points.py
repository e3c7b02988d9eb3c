"""Steps, drifts and outliers in series of runs.

The runs are replayed one by one, and what is told after a run depends on the runs up to it alone. So nothing
that was told is taken back, and the rate of false alarms is that of every night together.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.stats.run_series import Changes, SeriesPoint


def find_changes(series: Sequence[Sequence[SeriesPoint]]) -> tuple[Changes, ...]:
    """What is found in each series, all of one kind of machine: they lend each other their spread.

    Each in the order of time; they may be of any length, also empty. Logs must be finite.
    """
    if not any(series):
        return tuple(Changes() for _ in series)
    import numpy as np

    from bench.stats import series_levels
    from bench.stats.nightly_scan import Replay, nights
    from bench.stats.run_spread import MEMORY
    from bench.stats.run_weights import Weights

    logs = [np.array([point.log_seconds for point in points], float) for points in series]
    marks = [[at for at, point in enumerate(points) if point.is_boundary and at] for points in series]
    replay = Replay(logs, Weights(series), marks)
    for rows, at in nights([_positions(points) for points in series]):
        replay.add(rows, at)
    return tuple(
        series_levels.changes(
            series_levels.Series(
                logs[row],
                replay.variances[row, MEMORY : MEMORY + len(points)],
                float(np.sqrt(replay.variance[row])),
                float(replay.freedom[row]),
            ),
            replay.found[row],
            marks[row],
        )
        if points
        else Changes()
        for row, points in enumerate(series)
    )


def _positions(points: Sequence[SeriesPoint]) -> list[int]:
    """In the order of all runs of the archive."""
    return [at if point.position is None else point.position for at, point in enumerate(points)]
