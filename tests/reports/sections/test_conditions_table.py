"""What the report shows of the machine while it measured; planted windows."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Measurement, Record
from reports.cells import Scalar
from reports.document import Table
from reports.pages import run_report
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.shown_cells import row_of

CASE = Case(model="vgg16", workload="inference")
TITLE = "Conditions while measuring"


def window(metric: str, unit: str, *samples: float) -> Measurement:
    return Measurement(phase="window", metric=metric, unit=unit, samples=list(samples))


def conditions(directory: Path, *records: Record) -> Table | None:
    planted_records.write(directory, records)
    tables = run_report.build([directory]).tables
    return next((table for table in tables if table.title == TITLE), None)


def row(table: Table | None) -> dict[str, Scalar]:
    assert table is not None
    return row_of(table)


def test_the_clocks_of_a_gpu_are_shown(tmp_path: Path) -> None:
    seen = (
        window("sm_clock", "MHz", 1980, 1965, 1980),
        window("power", "W", 400, 420, 440),
        window("software_power_cap_share", "1", 0.25),
        window("thermal_slowdown_share", "1", 0.0),
        window("retakes", "count", 0),
    )
    shown = row(
        conditions(tmp_path, planted_records.record(CASE, planted_records.time("forward", 0.1), *seen))
    )
    assert shown["SM clock (MHz)"] == pytest.approx(1980)
    assert shown["power (W)"] == pytest.approx(420)
    assert shown["power cap (%)"] == pytest.approx(25)
    assert not {"thermal slowdown (%)", "re-measured windows", "temperature (°C)"} & shown.keys()


def test_clocks_that_were_read_at_rest_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    seen = (window("sm_clock_at_rest", "MHz", 345, 345), window("power_at_rest", "W", 110, 120))
    shown = row(
        conditions(tmp_path, planted_records.record(CASE, planted_records.time("forward", 0.1), *seen))
    )
    assert shown["SM clock at rest (MHz)"] == pytest.approx(345)
    assert shown["power at rest (W)"] == pytest.approx(115)
    assert not {"SM clock (MHz)", "power (W)"} & shown.keys()


def test_windows_taken_again_add_up_over_the_processes(tmp_path: Path) -> None:
    records = [
        planted_records.record(
            Case(model="vgg16", replicate=number),
            planted_records.time("forward", 0.1),
            window("steal_share", "1", 0.03),
            window("retakes", "count", retakes),
        )
        for number, retakes in ((1, 0), (2, 2), (3, 1))
    ]
    shown = row(conditions(tmp_path, *records))
    assert shown["re-measured windows"] == 3
    assert shown["steal time (%)"] == pytest.approx(3)


def test_an_undisturbed_processor_needs_no_table(tmp_path: Path) -> None:
    quiet = (window("steal_share", "1", 0.001), window("retakes", "count", 0))
    assert (
        conditions(tmp_path, planted_records.record(CASE, planted_records.time("forward", 0.1), *quiet))
        is None
    )


def test_disturbed_samples_are_in_no_figure(tmp_path: Path) -> None:
    disturbed = structs.replace(planted_records.time("forward", 9.0), disturbed=True)
    planted_records.write(
        tmp_path, [planted_records.record(CASE, planted_records.time("forward", 0.1), disturbed)]
    )
    (figure,) = summarise([tmp_path]).figures
    assert figure.metric == "wall_time"
    assert figure.median == pytest.approx(0.1)
