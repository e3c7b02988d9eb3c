"""How wide each case is while a run goes on: the intervals that its report prints."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from msgspec import structs

from bench.runner.precision import Precision
from bench.schema.case import Case
from bench.schema.record import Measurement, Record
from bench.stats import moderation
from bench.stats.moderation import case_scatter, process_scatter
from tests.planted import planted_records

CASES = [Case(model=model) for model in ("lenet5", "alexnet", "vgg11")]
MEDIANS = {"lenet5": (1.0, 1.01), "alexnet": (2.0, 2.1, 2.05), "vgg11": (3.0, 2.9)}
SPREAD = (0.99, 1.0, 1.01, 1.02)


def process(case: Case, number: int, median: float, metric: str = "wall_time") -> Record:
    timed = Measurement(phase="forward", metric=metric, unit="s", samples=[median * each for each in SPREAD])
    return planted_records.record(structs.replace(case, replicate=number), timed)


def of_run(cases: Sequence[Case] = CASES) -> Precision:
    precision = Precision()
    for case in cases:
        for number, median in enumerate(MEDIANS[case.model], 1):
            precision.add(process(case, number, median))
    return precision


def test_the_half_width_is_that_of_the_moderated_interval_over_all_cases() -> None:
    """Worked out here from the functions of the report, case by case."""
    scatters = {}
    for case in CASES:
        found = [process_scatter([m * each for each in SPREAD]) for m in MEDIANS[case.model]]
        scatters[case] = case_scatter([each for each in found if each is not None])
    prior = moderation.fit(list(scatters.values()))
    widths = of_run().widths(0.03)
    for case, scatter in scatters.items():
        moderated = moderation.moderate(scatter, prior)
        interval = moderation.moderated_interval(MEDIANS[case.model], moderated)
        assert interval is not None
        found_width = widths[case.without_replicate()]
        geometric = math.exp(sum(map(math.log, MEDIANS[case.model])) / scatter.processes)
        assert found_width.half == pytest.approx(interval.high / geometric - 1, rel=1e-9)
        assert found_width.more == moderation.more_processes(moderated, scatter.processes, 0.03)


def test_one_process_has_no_interval_yet() -> None:
    precision = Precision()
    precision.add(process(CASES[0], 1, 1.0))
    assert precision.widths(0.05) == {}
    precision.add(process(CASES[0], 2, 1.0))
    assert list(precision.widths(0.05)) == [CASES[0].without_replicate()]


def test_the_last_record_of_a_process_counts() -> None:
    """One that failed when it was run again takes its figure away; one that was mended gives it."""
    precision = of_run()
    for number in (1, 2, 3):
        failed = structs.replace(CASES[1], replicate=number)
        precision.add(planted_records.record(failed, status="crashed"))
    assert CASES[1].without_replicate() not in precision.widths(0.05)
    for number, median in enumerate(MEDIANS["alexnet"], 1):
        precision.add(process(CASES[1], number, median))
    assert precision.widths(0.05) == of_run().widths(0.05)


def test_processes_of_two_versions_are_never_pooled() -> None:
    """After an upgrade the two that agree stand for the case until as many later ones are known."""
    precision, alone = of_run(), of_run()
    upgraded = structs.replace(planted_records.MACHINE, libraries={"torch": "9.9"})
    moved = structs.replace(planted_records.MACHINE, host="elsewhere", commit="def5678")
    case = CASES[0]
    agreed = alone.widths(0.05)[case.without_replicate()]
    count = len(MEDIANS[case.model])
    for number in range(1, count):
        later = structs.replace(process(case, count + number, 2.0 + 0.5 * number), environment=upgraded)
        precision.add(later)
        assert precision.widths(0.05)[case.without_replicate()] == agreed
    precision.add(structs.replace(process(case, 2 * count, 4.0), environment=upgraded))
    assert precision.widths(0.05)[case.without_replicate()].half > 2 * agreed.half
    # a host's name and a commit move no time
    alone.add(structs.replace(process(case, count + 1, 9.0), environment=moved))
    assert alone.widths(0.05)[case.without_replicate()].half > 2 * agreed.half


def test_a_window_that_was_taken_again_and_a_time_without_a_log_are_no_figures() -> None:
    precision = of_run()
    before = precision.widths(0.05)
    other = Case(model="vgg16")
    for number in (1, 2):
        spoiled = process(other, number, 1.0)
        (timed,) = spoiled.measurements
        precision.add(structs.replace(spoiled, measurements=[structs.replace(timed, disturbed=True)]))
    zero = Case(model="vgg13")
    for number in (1, 2):
        precision.add(process(zero, number, 0.0))
    assert precision.widths(0.05) == before


def test_on_a_gpu_the_worse_of_device_time_and_wall_time_decides_and_host_time_does_not() -> None:
    gpu = Case(model="lenet5", device="cuda")
    times = {"device_time": (1.0, 1.001), "wall_time": (1.0, 1.2), "host_time": (1.0, 9.0)}
    precision, wall_alone = Precision(), Precision()
    for number in (1, 2):
        measured = [
            process(gpu, number, medians[number - 1], metric).measurements[0]
            for metric, medians in times.items()
        ]
        precision.add(planted_records.record(structs.replace(gpu, replicate=number), *measured))
        wall_alone.add(process(gpu, number, times["wall_time"][number - 1]))
    assert precision.widths(0.05) == wall_alone.widths(0.05)
