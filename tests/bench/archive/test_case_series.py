"""An archive gives each case back as a series of its runs, in the order of time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from bench.archive import archive_folder, case_series, entries
from bench.archive.case_series import CaseSeries, SeriesRun
from bench.archive.run_differences import differences
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import Environment, Record
from models.errors import UserError
from reports.summary import pooling
from tests.planted import planted_nights, planted_records
from tests.planted.planted_nights import YEAR
from tests.planted.planted_records import GPU, MACHINE

CASE = Case(model="vgg11", device="cuda")
ON_GPU = structs.replace(MACHINE, gpu=structs.replace(GPU, uuid="GPU-1"))


def records(
    seconds: Sequence[float], day: int, case: Case = CASE, environment: Environment = ON_GPU
) -> list[Record]:
    at = f"2026-01-{day:02}T00:00:00Z"
    return [
        structs.replace(each, environment=environment, started_at=at)
        for each in planted_records.replicates(case, seconds)
    ]


def add(archive: Path, run: list[Record], label: str = "nightly") -> str:
    number = len(archive_folder.digests(archive)) if archive.exists() else 0
    folder = planted_records.write(archive.with_name(f"run{number}"), run)
    return entries.add(archive, folder, label).entry.digest


def only(archive: Path) -> CaseSeries:
    (found,) = case_series.read(archive).series
    return found


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def test_a_point_is_of_the_processes_and_a_run_of_when_it_was_measured(archive: Path) -> None:
    later = add(archive, records([0.2, 0.2, 0.2], 3), "weekly")
    former = add(archive, records([0.1, 0.4], 2))
    single = add(archive, records([0.3], 1))
    series = only(archive)
    assert (series.case, series.model, series.kind, series.origin) == (CASE.id, "vgg11", "Test GPU", "")
    assert [run.digest for run in series.runs] == [single, former, later]
    assert [run.label for run in series.runs] == ["nightly", "nightly", "weekly"]
    assert series.runs[0].at == "2026-01-01T00:00:00+00:00"
    logs = [point.log_seconds for point in series.points]
    assert logs == pytest.approx([math.log(0.3), math.log(0.2), math.log(0.2)])
    # two logs that are log 4 apart have the standard deviation log 4 / sqrt 2
    assert series.points[0].scatter is None
    assert series.points[1].scatter == pytest.approx(math.log(4) / math.sqrt(2))
    assert series.points[2].scatter == 0
    assert [point.processes for point in series.points] == [1, 2, 3]


def test_a_label_leaves_the_other_runs_out(archive: Path) -> None:
    add(archive, records([0.1], 1), "nightly")
    add(archive, records([0.1], 2), "weekly")
    (found,) = case_series.read(archive, label="weekly").series
    assert [run.label for run in found.runs] == ["weekly"]
    assert case_series.read(archive, label="other").series == ()


def test_another_machine_and_another_network_are_other_series(archive: Path) -> None:
    other = structs.replace(MACHINE, gpu=structs.replace(GPU, name="Other GPU"))
    network = NetworkFingerprint(structure="s", weights="w", parameters=1, trainable=1, modules=1)
    changed = [structs.replace(each, fingerprint=network) for each in records([0.3], 3)]
    add(archive, records([0.1], 1))
    add(archive, records([0.2], 2, environment=other))
    add(archive, changed)
    found = case_series.read(archive).series
    assert [(each.kind, each.fingerprint, len(each.points)) for each in found] == [
        ("Other GPU", "", 1),
        ("Test GPU", "", 1),
        ("Test GPU", "s-w", 1),
    ]


def test_a_run_counts_for_the_cases_that_it_timed(archive: Path) -> None:
    other = structs.replace(CASE, batch=8)
    failed = [structs.replace(each, status="oom", measurements=[]) for each in records([0.1] * 2, 2, other)]
    add(archive, records([0.1], 1) + records([0.4], 1, other))
    add(archive, records([0.1], 2) + failed)
    add(archive, records([0.5], 3, other))
    by_case = {series.case: series for series in case_series.read(archive).series}
    assert [run.at[:10] for run in by_case[CASE.id].runs] == ["2026-01-01", "2026-01-02"]
    assert [run.at[:10] for run in by_case[other.id].runs] == ["2026-01-01", "2026-01-03"]
    assert by_case[CASE.id].runs[0] is by_case[other.id].runs[0]


@pytest.mark.parametrize(
    ("change", "is_boundary"),
    [
        ({"driver": "560.1"}, True),
        ({"locked_clocks_mhz": 1410}, True),
        ({"power_limit_watts": 300.0}, False),
        ({"driver": None}, False),
    ],
)
def test_another_driver_and_clock_setting_are_boundaries(
    archive: Path, change: dict[str, object], *, is_boundary: bool
) -> None:
    assert ON_GPU.gpu is not None
    changed = structs.replace(ON_GPU, gpu=structs.replace(ON_GPU.gpu, **change))
    for day, environment in enumerate((ON_GPU, ON_GPU, changed, changed), start=1):
        add(archive, records([0.1], day, environment=environment))
    assert [point.is_boundary for point in only(archive).points] == [False, False, is_boundary, False]


def test_another_governor_is_a_boundary_on_a_processor(archive: Path) -> None:
    """Not beside a GPU, whose clocks do not follow it."""
    for day, governor in enumerate(("powersave", "performance"), start=1):
        changed = structs.replace(ON_GPU, governor=governor)
        on_processor = records([0.1], day, Case(model="vgg11"), structs.replace(changed, gpu=None))
        add(archive, on_processor + records([0.1], day, environment=changed))
    found = {each.kind: each.points[1].is_boundary for each in case_series.read(archive).series}
    assert found == {"Test CPU": True, "Test GPU": False}


def test_another_torch_is_a_boundary_on_a_processor_too(archive: Path) -> None:
    case = Case(model="vgg11")
    newer = structs.replace(MACHINE, libraries={"torch": "2.12.0"})
    add(archive, records([0.1], 1, case, MACHINE))
    add(archive, records([0.1], 2, case, newer))
    assert [point.is_boundary for point in only(archive).points] == [False, True]


def test_a_driver_that_was_unknown_for_a_night_is_compared_with_the_one_before(archive: Path) -> None:
    for day, driver in enumerate(("550.1", None, "550.1", None, "560.1"), start=1):
        environment = structs.replace(MACHINE, gpu=structs.replace(GPU, driver=driver))
        add(archive, records([0.1], day, environment=environment))
    assert [point.is_boundary for point in only(archive).points] == [False, False, False, False, True]


def test_a_run_whose_clock_was_wrong_is_where_it_was_added(archive: Path) -> None:
    wrong = [structs.replace(each, started_at="1970-01-01T00:00:09Z") for each in records([0.1], 1)]
    digest = add(archive, wrong)
    add(archive, records([0.2], 1))
    first, last = only(archive).runs
    assert (first.is_dated, last.is_dated, last.digest) == (True, False, digest)
    assert last.at == entries.read(archive, digest).added_at


def test_a_damaged_entry_is_told_and_hides_no_other(archive: Path) -> None:
    digest = add(archive, records([0.1], 1))
    add(archive, records([0.1], 2))
    (archive_folder.entry_folder(archive, digest) / "entry.json").write_text("{")
    found = case_series.read(archive)
    assert [len(series.runs) for series in found.series] == [1]
    assert digest in found.damaged[0]


def test_without_an_archive_there_is_nothing_to_read(archive: Path) -> None:
    with pytest.raises(UserError, match="there is no archive at"):
        case_series.read(archive)


def night_of(run: SeriesRun) -> int:
    return (datetime.fromisoformat(run.at) - planted_nights.FIRST).days


def test_the_planted_year_reads_back_as_it_was_planted(planted_year: Path) -> None:
    """With missing nights, nights without some cases, and nights whose date is wrong."""
    planted: defaultdict[tuple[str, str, str], list[tuple[float, ...]]] = defaultdict(list)
    for night, samples in planted_nights.samples(YEAR):
        logs = np.log(np.median(samples, axis=2))
        for at, case in enumerate(planted_nights.cases(YEAR)):
            if (at, night) not in YEAR.lacking | YEAR.failed:
                kind = "New GPU" if night >= 345 else "Test GPU"
                network = "wider-same" if at == 6 and night >= 200 else "plain-same"
                planted[case.id, kind, network] += [(night, logs[at].mean(), logs[at].std(ddof=1), 3)]
    found = {
        (each.case, each.kind, each.fingerprint): [
            (night_of(run), point.log_seconds, point.scatter, point.processes)
            for run, point in zip(each.runs, each.points, strict=True)
        ]
        for each in case_series.read(planted_year).series
    }
    assert found.keys() == planted.keys()
    assert len(found) == 8 * 2 + 1
    for key, rows in planted.items():
        np.testing.assert_allclose(np.array(found[key], float), np.array(rows), rtol=1e-12)


def test_a_point_knows_the_place_of_its_run_among_all_nights(planted_year: Path) -> None:
    """Also in a series that began late, or that lacks nights."""
    nights = sorted(set(range(YEAR.nights)) - YEAR.missing)
    for series in case_series.read(planted_year).series:
        places = [point.position for point in series.points]
        assert places == [nights.index(night_of(run)) for run in series.runs]


def test_in_the_planted_year_boundaries_are_where_driver_torch_and_clocks_changed(planted_year: Path) -> None:
    for series in case_series.read(planted_year).series:
        marked = {
            night_of(run) for run, point in zip(series.runs, series.points, strict=True) if point.is_boundary
        }
        is_long = series.kind == "Test GPU" and night_of(series.runs[-1]) == 344
        assert marked == ({240, 280, 310, 314} if is_long else set())


def test_in_the_planted_year_two_nights_have_no_date_of_their_own(planted_year: Path) -> None:
    runs = case_series.read(planted_year).series[1].runs
    assert [night_of(run) for run in runs if not run.is_dated] == [140, 141]
    assert [run.at for run in runs] == sorted(run.at for run in runs)


def test_in_the_planted_year_a_label_has_its_own_runs(planted_year: Path) -> None:
    found = case_series.read(planted_year, label="release").series
    assert [night_of(run) for run in found[0].runs] == [100, 210, 320]
    assert [point.is_boundary for point in found[0].points] == [False, False, True]


def measured_on(uuid: str, seconds: Sequence[float], node: str = "lab") -> list[Record]:
    gpu = structs.replace(GPU, uuid=uuid)
    return records(seconds, 1, environment=structs.replace(MACHINE, gpu=gpu, node=node))


@pytest.mark.parametrize("nodes", [("lab", "lab", "lab"), ("n1", "n1", "n2"), ("n1", "n2", "n3")])
def test_a_point_of_several_gpus_is_what_a_report_says(archive: Path, nodes: tuple[str, str, str]) -> None:
    """However many processes each has: they are not independent of each other."""
    folder = archive.with_name("host")
    for number, (node, medians) in enumerate(zip(nodes, ([0.1] * 4, [0.2], [0.3, 0.31]), strict=True)):
        name = f"GPU-{number}"
        planted_records.write(folder / name, measured_on(name, medians, node))
    entries.add(archive, folder)
    (figure,) = pooling.summarise([folder]).figures
    (point,) = only(archive).points
    assert math.exp(point.log_seconds) == pytest.approx(figure.median)
    assert (point.processes, point.units) == (len(figure.medians), 3)


def test_times_with_a_cold_l2_are_a_series_of_their_own(archive: Path) -> None:
    cold = [
        structs.replace(each, protocol=structs.replace(each.protocol, flush_l2=True))
        for each in records([0.5], 2)
    ]
    add(archive, records([0.1], 1))
    add(archive, cold)
    found = {each.case: each.points[0].log_seconds for each in case_series.read(archive).series}
    assert found == {
        CASE.id: pytest.approx(math.log(0.1)),
        f"{CASE.id}/cold-L2": pytest.approx(math.log(0.5)),
    }


def test_the_sides_of_ab_are_no_point_of_a_series(archive: Path) -> None:
    """They are compared, and never one run. A side that is added for itself is one."""
    folder = archive.with_name("ab")
    for side, seconds in (("a", 0.1), ("b", 0.2)):
        planted_records.write(folder / side, records([seconds] * 3, 1))
    both = entries.add(archive, folder).entry
    assert [(case.processes, case.seconds) for case in both.facts.cases] == [(6, ())]
    assert case_series.read(archive).series == ()
    entries.add(archive, folder / "a")
    (point,) = only(archive).points
    assert math.exp(point.log_seconds) == pytest.approx(0.1)


def test_a_run_that_was_disturbed_says_so(archive: Path) -> None:
    warned = [CaseWarning("steal", "3%"), CaseWarning("launch-bound"), CaseWarning("contended")]
    add(archive, records([0.1], 1))
    add(archive, [structs.replace(each, warnings=warned) for each in records([0.1], 2)])
    before, after = only(archive).runs
    assert "disturbed by" not in before.conditions
    assert after.conditions["disturbed by"] == "contended, steal"
    assert differences(before, after) == (("disturbed by", None, "contended, steal"),)


def test_what_was_read_back_is_a_condition(archive: Path) -> None:
    """Of the same case: `compare` refuses to compare these, and a step between them has its cause."""
    usual = planted_records.READ_BACK["cuda"]
    other = structs.replace(usual, precision={**usual.precision, "conv": "tf32"})
    add(archive, records([0.2], 1))
    add(archive, [structs.replace(each, effective=other) for each in records([0.1], 2)])
    amp = structs.replace(CASE, precision="amp-fp16")
    add(archive, records([0.1], 3, amp) + records([0.1], 3, structs.replace(CASE, device="cpu")))
    by_case = {series.case: series.runs for series in case_series.read(archive).series}
    before, after = by_case[CASE.id]
    assert differences(before, after) == (("read back fp32 conv", "ieee", "tf32"),)
    (without,) = by_case[amp.id]
    assert without.conditions["read back amp-fp16 conv"] == "ieee"
    assert not any(each.name.startswith("read back") for each in differences(before, without))


def failed(run: list[Record], environment: Environment | None = ON_GPU) -> list[Record]:
    return [structs.replace(each, status="oom", measurements=[], environment=environment) for each in run]


def test_a_case_that_fails_from_a_run_on_says_since_when(archive: Path) -> None:
    """Also where its processes failed before they looked at the machine. A run without it says nothing."""
    other = structs.replace(CASE, batch=8)
    add(archive, failed(records([0.1], 1)) + records([0.1], 1, other))
    add(archive, records([0.1], 2) + records([0.1], 2, other))
    assert {series.failed_at for series in case_series.read(archive).series} == {()}
    add(archive, records([0.1], 3, other))
    add(archive, failed(records([0.1, 0.1], 4)) + records([0.1], 4, other))
    add(archive, failed(records([0.1], 5), None) + records([0.1], 5, other))
    by_case = {series.case: series.failed_at for series in case_series.read(archive).series}
    assert by_case[other.id] == ()
    assert [at[:10] for at in by_case[CASE.id]] == ["2026-01-04", "2026-01-05"]
    add(archive, records([0.1], 6))
    assert {series.failed_at for series in case_series.read(archive).series} == {()}


def test_a_network_that_took_the_place_of_another_has_not_failed_for_it(archive: Path) -> None:
    network = NetworkFingerprint(structure="s", weights="w", parameters=1, trainable=1, modules=1)
    add(archive, records([0.1], 1))
    add(archive, [structs.replace(each, fingerprint=network) for each in records([0.1], 2)])
    add(archive, failed(records([0.1], 3)))
    found = {series.fingerprint: len(series.failed_at) for series in case_series.read(archive).series}
    assert found == {"": 0, "s-w": 1}
