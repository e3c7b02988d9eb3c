"""What verdicts with moderated variances promise, through records, reports and gates.

Runs are planted whose truth is known, written as a run writes them and compared as a user compares them.
Seeds are fixed beforehand.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bench.schema.record import Record
from bench.stats.sample_size import recommended_replicates
from reports.compare.compare_report import RunComparison, build
from reports.compare.gate import gate_fails, gate_reasons
from reports.summary.pooling import summarise
from tests.planted import planted_records, planted_scatter
from tests.planted.scatter_world import Array, world

pytestmark = pytest.mark.slow

RUNS, CASES = 40, 10
ALARMS = 12
"""Of 400 comparisons of a thing with itself: at an error of 1% more are seen once in 1,700 times."""


def records(medians: Array, within: Array) -> list[Record]:
    """Cases and processes: logs of the medians, variances within."""
    return [
        record
        for case, logs, variances in zip(
            planted_scatter.cases(len(medians)), medians.tolist(), within.tolist(), strict=True
        )
        for record in planted_scatter.processes(case, logs, variances)
    ]


def compare(folder: Path, base: list[Record], new: list[Record]) -> RunComparison:
    return build([planted_records.write(folder / "base", base)], [planted_records.write(folder / "new", new)])


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (2, 8)], ids=str)
def test_a_thing_is_rarely_told_from_itself(tmp_path: Path, sizes: tuple[int, int]) -> None:
    """And gates, which correct for their ten rows, hardly ever stop."""
    n = sizes[0]
    drawn = world(np.random.default_rng([7, *sizes]), RUNS, CASES, sum(sizes))
    words, stopped = [], 0
    for run in range(RUNS):
        found = compare(
            tmp_path / str(run),
            records(drawn.medians[run, :, :n], drawn.within[run, :, :n]),
            records(drawn.medians[run, :, n:], drawn.within[run, :, n:]),
        )
        assert {row.method for row in found.rows} == {"moderated"}
        words += [row.verdict for row in found.rows]
        stopped += gate_fails(found, "any")
    assert len(words) == RUNS * CASES
    assert words.count("slower") + words.count("faster") <= ALARMS
    assert stopped <= 2


def quiet(random: np.random.Generator, cases: int, processes: int) -> tuple[Array, Array]:
    """A quiet server: samples scatter by 0.6% within a process, and processes by 0.3 to 0.8% beside that."""
    samples = 0.006 * random.standard_normal((cases, processes, 5))
    between = random.uniform(0.003, 0.008, (cases, 1)) * random.standard_normal((cases, processes))
    return between + np.median(samples, axis=-1), samples.var(-1, ddof=1)


PILOT, MOST = 5, 100


def test_a_slowdown_of_3_percent_is_found_at_the_recommended_replicates(tmp_path: Path) -> None:
    """A pilot of each of ten cases, ten times; then as many processes as it recommends, which are fewer where
    the other cases' scatter counts too."""
    random = np.random.default_rng(8)
    found, moderated, plain = 0, 0, 0
    for run in range(10):
        logs, within = quiet(random, CASES, PILOT + 2 * MOST)
        folder = tmp_path / str(run)
        pilot = planted_records.write(folder / "pilot", records(logs[:, :PILOT], within[:, :PILOT]))
        base: list[Record] = []
        new: list[Record] = []
        for at, figure in enumerate(summarise([pilot]).figures):
            assert figure.interval is not None
            n = recommended_replicates(figure.medians, moderated=figure.interval.parts)
            assert n <= MOST
            moderated += n
            plain += recommended_replicates(figure.medians)
            for side, start, shift in ((base, PILOT, 0.0), (new, PILOT + n, math.log(1.03))):
                chosen = slice(start, start + n)
                side += planted_scatter.processes(
                    figure.case, (logs[at, chosen] + shift).tolist(), within[at, chosen].tolist()
                )
        found += [row.verdict for row in compare(folder, base, new).rows].count("slower")
    assert found >= 99
    assert moderated <= 0.9 * plain


def test_a_gate_names_what_got_slower_and_nothing_else(tmp_path: Path) -> None:
    """Three processes of twenty cases, one of which takes 15% longer."""
    drawn = world(np.random.default_rng(9), 1, 20, 6)
    shift = np.zeros((20, 1))
    shift[4] = math.log(1.15)
    found = compare(
        tmp_path,
        records(drawn.medians[0, :, :3], drawn.within[0, :, :3]),
        records(drawn.medians[0, :, 3:] + shift, drawn.within[0, :, 3:]),
    )
    (reason,) = gate_reasons(found, "any")
    batch = planted_scatter.cases(20)[4].batch
    assert reason.startswith(f"VGG-11 inference, batch {batch}, forward wall: takes ")
    assert reason.endswith(" more time")
