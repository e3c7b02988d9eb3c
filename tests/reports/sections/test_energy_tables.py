"""What the report says of energy: planted joules and watts against images and steps, and every absence."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import Measurement, Record
from reports.cells import NOT_MEASURED, Scalar
from reports.compare import compare_report
from reports.document import Document, Table
from reports.pages import run_report
from tests.planted import planted_records
from tests.planted.shown_cells import row_of

INFERENCE = Case(model="vgg16", device="cuda", batch=64)
TRAINING = Case(model="vgg16", workload="training", device="cuda", batch=64)
NO_RAPL = "no RAPL: /sys/class/powercap names no package of the processor"


def counted(
    whole: Phase, energy: float, total: float, *seen: Measurement, seconds: float = 10.05
) -> list[Measurement]:
    """A window of energy as the meter leaves it."""
    facts = {
        ("energy", "J"): energy,
        ("energy_total", "J"): total,
        ("idle_power", "W"): 75.0,
        ("average_power", "W"): 610.0,
        ("peak_power", "W"): 655.0,
        ("energy_window", "s"): seconds,
        ("energy_steps", "count"): 400.0,
    }
    return [*(planted_records.fact(whole, name, value, unit) for (name, unit), value in facts.items()), *seen]


def seen(metric: str, unit: str, value: float) -> Measurement:
    return planted_records.fact("energy", metric, value, unit)


def measured(case: Case, *measurements: Measurement, absent: dict[str, str] | None = None) -> Record:
    environment = planted_records.MACHINE if case.device == "cpu" else planted_records.GPU_MACHINE
    whole: Phase = "forward" if case.workload == "inference" else "step"
    record = planted_records.record(
        case, planted_records.time(whole, 0.025), *measurements, environment=environment
    )
    return structs.replace(record, absent=absent or {})


def built(directory: Path, *records: Record) -> Document:
    return run_report.build([planted_records.write(directory, records)])


def tables(document: Document, start: str) -> list[Table]:
    return [table for table in document.tables if table.title.startswith(start)]


def row(table: Table, index: int = 0) -> dict[str, Scalar]:
    return row_of(table, index)


def test_an_image_a_step_and_an_joule(tmp_path: Path) -> None:
    document = built(
        tmp_path,
        measured(INFERENCE, *counted("forward", 12.8, 14.4)),
        measured(TRAINING, *counted("step", 64.0, 70.0)),
    )
    inference, training = tables(document, "Energy, ")
    assert [inference.title, training.title] == ["Energy, inference on cuda", "Energy, training on cuda"]
    shown = row(inference)
    assert shown["J/image"] == "0.2000"
    assert shown["images/J"] == pytest.approx(5.0)
    assert shown["J/step"] == "12.80"
    assert shown["J/step with idle"] == "14.40"
    assert (shown["idle (W)"], shown["average (W)"], shown["peak (W)"]) == (75.0, 610.0, 655.0)
    assert row(training)["J/image"] == "1.000"
    assert any("idle" in note for note in inference.notes)
    assert any("whole board" in note for note in inference.notes)


def test_several_processes_have_an_interval(tmp_path: Path) -> None:
    records = [
        measured(structs.replace(INFERENCE, replicate=number), *counted("forward", joules, 15.0))
        for number, joules in ((1, 12.7), (2, 12.8), (3, 12.9))
    ]
    energy = tables(built(tmp_path, *records), "Energy, ")[0]
    shown = row(energy)
    assert str(shown["J/step"]).startswith("12.80 ±")
    assert str(shown["J/image"]).startswith("0.200 ±")
    assert "3 processes" in energy.shared


def test_clocks_and_throttling_are_those_of_the_energys_own_window(tmp_path: Path) -> None:
    window = Measurement(phase="window", metric="sm_clock", unit="MHz", samples=[1980.0])
    record = measured(
        INFERENCE,
        window,
        *counted("forward", 12.8, 14.4),
        seen("sm_clock", "MHz", 1410.0),
        seen("memory_clock", "MHz", 2619.0),
        seen("temperature", "Celsius", 66.0),
        seen("software_power_cap_share", "1", 0.25),
        seen("thermal_slowdown_share", "1", 0.0),
    )
    shown = row(tables(built(tmp_path, record), "Energy, ")[0])
    assert (shown["SM clock (MHz)"], shown["memory clock (MHz)"], shown["temperature (°C)"]) == (
        1410.0,
        2619.0,
        66.0,
    )
    assert shown["power cap (%)"] == pytest.approx(25)
    assert "thermal slowdown (%)" not in shown


def test_a_step_that_took_no_more_than_idle_has_no_images_per_joule(tmp_path: Path) -> None:
    quiet = structs.replace(INFERENCE, device="cpu")
    (table,) = tables(built(tmp_path, measured(quiet, *counted("forward", -0.1, 3.0))), "Energy, ")
    assert "images/J" not in table.columns
    assert row(table)["J/step"] == "-0.1000"
    assert any("RAPL" in note and "other processes" in note for note in table.notes)


def test_an_absence_is_one_line_for_all_its_cases_and_null_in_every_row(tmp_path: Path) -> None:
    cases = [Case(model=model, replicate=n) for model in ("lenet5", "alexnet") for n in (1, 2)]
    document = built(tmp_path, *(measured(case, absent={"energy": NO_RAPL}) for case in cases))
    assert not tables(document, "Energy")
    (absent,) = tables(document, "Not measured")
    assert len(absent.rows) == 1
    assert row(absent) | {"which": ""} == {"what": "energy", "reason": NO_RAPL, "cases": 2, "which": ""}
    assert not tables(document, "Warnings")
    rows = [row for row in document.rows if row["metric"] == "energy"]
    assert [(row["model"], row["median"], row["reason"]) for row in rows] == [
        ("lenet5", None, NO_RAPL),
        ("alexnet", None, NO_RAPL),
    ]
    assert [row["processes"] for row in rows] == [2, 2]


def test_a_gpu_lost_half_way_shows_its_idle_power_and_the_reason(tmp_path: Path) -> None:
    lost = measured(
        structs.replace(INFERENCE, model="vgg11"),
        planted_records.fact("forward", "idle_power", 75.0, "W"),
        absent={"energy": "GPU is lost"},
    )
    document = built(tmp_path, lost, measured(INFERENCE, *counted("forward", 12.8, 14.4)))
    (table,) = tables(document, "Energy, ")
    first = row(table)
    assert (first["model"], first["idle (W)"], first["J/step"]) == ("vgg11", 75.0, NOT_MEASURED)
    assert table.footnotes[-1].startswith(
        f"{NOT_MEASURED} not measured (energy, energy total, average power,"
    )
    assert table.footnotes[-1].endswith("): GPU is lost")
    assert row(table, 1)["J/step"] == "12.80"
    assert row(tables(document, "Not measured")[0])["reason"] == "GPU is lost"


def test_a_failed_process_makes_no_absence(tmp_path: Path) -> None:
    failed = structs.replace(
        planted_records.record(INFERENCE, status="oom", reason="out"), absent={"energy": "GPU is lost"}
    )
    assert not tables(built(tmp_path, failed), "Not measured")


def test_energies_are_compared_and_the_length_of_their_window_is_not(tmp_path: Path) -> None:
    folders = []
    for name, joules, seconds in (("base", 10.0, 10.0), ("new", 20.0, 30.0)):
        records = [
            measured(
                structs.replace(INFERENCE, replicate=number),
                *counted("forward", joules + number / 100, joules + 2, seconds=seconds),
            )
            for number in range(1, 7)
        ]
        folders.append(planted_records.write(tmp_path / name, records))
    verdicts = {row.metric: row.verdict for row in compare_report.build(folders[:1], folders[1:]).rows}
    assert verdicts["energy"] == "slower"
    assert not {"energy_window", "energy_steps", "average_power"} & verdicts.keys()
