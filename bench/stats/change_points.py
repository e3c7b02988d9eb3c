"""Steps, drifts and outliers in series of runs, by a replay with a known rate of false alarms.

The runs are replayed one by one, and what is told after a run depends on the runs up to it alone. So nothing
that was told is taken back, and the rate of false alarms is that of all nights together.

**Scan** (`nightly_scan`, `scan_levels`). After each run the means of the last 3, 5, 8, ... 89 runs are set
against the level before them: a generalized likelihood ratio over windows (Lai 1995, J. R. Stat. Soc. B 57,
613; Siegmund and Venkatraman 1995, Ann. Stat. 23, 255). In standard errors the difference is Student's t
under normal runs of one level, so each look has a chance of a false alarm that is known. They sum to 1.25% of
any 90 runs, 1.1% of the first: by the union bound no dependence between looks can raise that. Every further
rule (cut outliers, one new level, no drift) only takes alarms away. The rate does not depend on level and
spread, as everything scales with the spread: so one simulation measures it for all normal series, and finds
0.8 to 1%.

**Spread** (`run_spread`). Of each series from runs against the median of the five before, then drawn towards
the other series: that is worth 100 more runs or so where cases spread alike, and little where they do not.
Runs that resemble the run before are worth fewer independent ones (`autocorrelation`).

**Naming** (`change_naming`). A far window becomes a step where its likelihood is largest, unless a slow drift
fits as well: then later runs decide. One or two runs off the level are outliers; a step needs three that
agree, so two nights in a row that are off and back are outliers too: a machine that was busy for a weekend is
more frequent than a commit that lived for two nights, and a step of three nights is told on the third.

**Marked boundaries** are looked at after 3, 5, 8, 13 and 21 runs, with a chance of a false alarm of 0.5% for
each boundary in all: a known place needs less evidence. A step whose place may be that of a mark belongs to
it.

**Drift** (`ongoing_drift`). It is told once. While it goes on, a step is told where it is one whether the
drift goes on or has ended; the end of a drift begins a new level and is not told.
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

    from bench.stats import autocorrelation, series_levels
    from bench.stats.nightly_scan import Replay, nights
    from bench.stats.run_spread import MEMORY
    from bench.stats.run_weights import Weights

    logs = [np.array([point.log_seconds for point in points], float) for points in series]
    marks = [[at for at, point in enumerate(points) if point.is_boundary and at] for points in series]
    replay = Replay(logs, Weights(series), marks)
    for rows, at in nights([_positions(points) for points in series]):
        replay.add(rows, at)
    _, inflation = autocorrelation.inflation(replay.correlation, np.ones(1))
    return tuple(
        series_levels.changes(
            series_levels.Series(
                logs[row],
                replay.variances[row, MEMORY : MEMORY + len(points)],
                float(np.sqrt(replay.variance[row])),
                float(replay.freedom[row]),
                inflation,
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
