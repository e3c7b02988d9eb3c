"""A fleet's report on planted fleets: who is slow and why, what is missing, and the exit code."""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs

from bench.schema.fleet_plan import NodeState
from bench.schema.record import Record
from bench.stats.fleet_ratios import ConfirmedRatio
from bench.store import RECORDS
from models.errors import UserError
from reports import formats
from reports.document import Document
from reports.fleet import fleet_document
from reports.fleet.fleet_found import found_in
from reports.fleet.fleet_records import read_fleet
from reports.pages import run_report
from tests.planted import planted_fleet
from tests.planted.planted_fleet import WITH_CAUSES, Place, PlantedFleet, folders, uuid, write

SMALL = PlantedFleet(nodes=4, gpus=4, tests=4)
SLOW: Place = (3, 2)


def built(folder: Path, fleet: PlantedFleet) -> fleet_document.FleetReport:
    return fleet_document.build(folders(write(folder, fleet)))


def lines(document: Document) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(formats.render("csv", document))))


@pytest.fixture(scope="module")
def causes(tmp_path_factory: pytest.TempPathFactory) -> fleet_document.FleetReport:
    """64 GPUs, two of them slow with reasons."""
    return built(tmp_path_factory.mktemp("fleet"), WITH_CAUSES)


def test_a_slow_gpu_is_a_suspect_by_name_with_interval_and_likely_cause(
    causes: fleet_document.FleetReport,
) -> None:
    answer = causes.document.answer
    assert answer is not None
    assert causes.document.title == "2 of 64 GPUs are suspects"
    first, worst, other = answer.headlines
    assert first.startswith("62 of 64 GPUs are within ±")
    assert first.endswith("of the fleet's center. 2 are suspects (margin 3%):")
    assert worst.startswith(f"node2 GPU 1 ({uuid((2, 1))[:12]}) is 8.")
    assert "PCIe x8, others x16" in worst
    assert "2 uncorrected ECC errors" in worst
    assert "1 remapped memory rows, a reset is pending" in worst
    assert "suspect: not confirmed yet; likely cause: SM clock 9% lower, thermal slowdown in 41%" in other


def test_the_first_screen_has_at_most_24_lines_of_100_columns(causes: fleet_document.FleetReport) -> None:
    lines = formats.render("terminal", causes.document).splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 100 for line in lines if not line.startswith("Next: "))


def test_many_suspects_are_a_table_on_the_first_screen(tmp_path: Path) -> None:
    slow = {(node, gpu): 0.06 + 0.005 * gpu for node in range(1, 9) for gpu in range(8) if gpu == node % 8}
    fleet = changed(WITH_CAUSES, slow=slow, nodes=20, missing=frozenset({9}), drivers={10: "575.51"}, tests=4)
    found = fleet_document.build([planted_fleet.write_fleet(tmp_path / "fleet", fleet)])
    answer = found.document.answer
    assert answer is not None
    assert answer.headlines[0].endswith("8 are suspects (margin 3%):")
    assert len(answer.headlines) == 1
    assert answer.table is not None
    assert (len(answer.table.rows), answer.table.notes) == (6, ("2 more: --section suspects.",))
    lines = formats.render("terminal", found.document).splitlines()
    assert len(lines) <= 24


def test_the_chart_has_a_dot_for_each_gpu_and_names_for_the_slow_ones(
    causes: fleet_document.FleetReport,
) -> None:
    answer = causes.document.answer
    assert answer is not None
    assert answer.dots is not None
    assert len(answer.dots.dots) == 64
    assert sorted(round(dot.value) for dot in answer.dots.dots if dot.name) == [6, 8]
    assert answer.dots.margin == pytest.approx(3.0)


def test_csv_has_a_line_for_each_gpu_for_health_checks(causes: fleet_document.FleetReport) -> None:
    found = lines(causes.document)
    assert len(found) == 64
    assert list(found[0])[:7] == ["uuid", "node", "ratio", "low", "high", "state", "cause"]
    states = {line["uuid"]: line["state"] for line in found}
    assert [each for each, state in states.items() if state != "ok"] == [uuid((2, 1)), uuid((5, 3))]
    slow = next(line for line in found if line["uuid"] == uuid((5, 3)))
    assert float(slow["low"]) < float(slow["ratio"]) < float(slow["high"])
    assert float(slow["ratio"]) == pytest.approx(1.06, abs=0.01)
    assert slow["node"] == "node5"
    assert slow["cause"].startswith("SM clock 9% lower")


def test_a_suspect_fails_only_where_that_is_asked_for(tmp_path: Path) -> None:
    directory = write(tmp_path, changed(SMALL, slow={SLOW: 0.08}))
    assert fleet_document.build(folders(directory)).code == 0
    assert fleet_document.build(folders(directory), fail_on="suspect").code == 1


def changed(fleet: PlantedFleet, **changes: object) -> PlantedFleet:
    return replace(fleet, **changes)  # type: ignore[arg-type]


def test_a_larger_margin_forgives_more(tmp_path: Path) -> None:
    directory = write(tmp_path, changed(SMALL, slow={SLOW: 0.06}))
    states = [
        {line["state"] for line in lines(fleet_document.build(folders(directory), margin=margin).document)}
        for margin in (0.03, 0.1)
    ]
    assert states == [{"ok", "suspect"}, {"ok"}]


def test_a_healthy_fleet_is_said_to_be_so(tmp_path: Path) -> None:
    found = built(tmp_path, SMALL)
    assert found.code == 0
    assert found.document.title == "16 GPUs, none slow"
    assert found.document.answer is not None
    (headline,) = found.document.answer.headlines
    assert headline.startswith("All 16 GPUs are within ±")


def test_a_fleet_whose_processes_scatter_too_much_is_not_called_healthy(tmp_path: Path) -> None:
    """A GPU that may be 20% slower was not shown to be within anything."""
    found = built(tmp_path, changed(SMALL, over_processes=0.3))
    assert {line["state"] for line in lines(found.document)} == {"undecided"}
    assert found.document.title == "16 of 16 GPUs are undecided"
    assert found.document.answer is not None
    (headline,) = found.document.answer.headlines
    assert "their processes scatter too much to show a difference of 3%" in headline


def test_what_is_undecided_fails_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """It is no gap either: all of it was measured."""
    directory = write(tmp_path, changed(SMALL, over_processes=0.3))
    codes = [fleet_document.build([directory], fail_on=on).code for on in ("slow", "suspect", "undecided")]
    assert codes == [0, 0, 1]


def test_a_gpu_that_is_surely_faster_is_not_undecided(tmp_path: Path) -> None:
    found = built(tmp_path, changed(SMALL, over_processes=0.1, slow={SLOW: -0.6}))
    states = {line["uuid"]: line["state"] for line in lines(found.document)}
    assert states[uuid(SLOW)] == "ok"
    assert states[uuid((1, 1))] == "undecided"
    assert found.document.answer is not None
    first, second = found.document.answer.headlines
    assert "of 16 GPUs are within ±" in first
    assert "of 16 GPUs are undecided: their processes" in second


def test_a_gpu_that_lacks_a_test_is_a_gap(tmp_path: Path) -> None:
    found = built(tmp_path, changed(SMALL, lacking=frozenset({(1, 0)})))
    assert found.code == fleet_document.GAPS
    assert found.document.answer is not None
    assert "node1 GPU 0" in found.document.answer.warnings
    assert "lacks 1 of 4 cases" in found.document.answer.warnings


def test_gpus_with_another_driver_are_a_group_of_their_own(tmp_path: Path) -> None:
    """A whole node that is slower by its driver is no slow GPU of the others' kind."""
    slower = {(2, gpu): 0.05 for gpu in range(4)}
    found = built(tmp_path, changed(SMALL, drivers={2: "575.51"}, slow=slower))
    assert {line["state"] for line in lines(found.document)} == {"ok"}
    assert {line["kind"] for line in lines(found.document) if line["node"] == "node2"} == {"2"}
    assert found.document.answer is not None
    warnings = found.document.answer.warnings
    assert "node2 has driver 575.51: its GPUs are a group of their own." in warnings


def test_a_fleet_that_is_slow_as_a_whole_is_seen_against_a_good_one(tmp_path: Path) -> None:
    good = write(tmp_path / "good", SMALL)
    places = changed(SMALL).places
    slow = write(tmp_path / "slow", changed(SMALL, slow=dict.fromkeys(places, 0.06), seed=2))
    alone = fleet_document.build(folders(slow))
    assert alone.document.answer is not None
    assert alone.document.answer.alarms == ()
    (first, *_) = folders(good)
    found = fleet_document.build(folders(slow), against=first)
    assert found.document.answer is not None
    (alarm,) = found.document.answer.alarms
    assert alarm.startswith("The whole fleet is ")
    assert "% slower than" in alarm
    assert "before-after" in [part.name for part in found.document.parts]


def test_processors_are_judged_too_and_contention_is_named(tmp_path: Path) -> None:
    fleet = PlantedFleet(nodes=6, gpus=0, tests=4, slow={(4, 0): 0.09}, others={(4, 0): 0.5})
    found = built(tmp_path, fleet)
    assert found.document.title == "1 of 6 CPUs is a suspect"
    assert found.document.answer is not None
    assert re.match(r"node4 is [89]\.\d% \(", found.document.answer.headlines[1])
    assert "other programs took 50% of the time of its threads" in found.document.answer.headlines[1]


def test_a_lost_node_is_a_named_gap_and_the_next_command_measures_it(tmp_path: Path) -> None:
    fleet = planted_fleet.write_fleet(tmp_path / "fleet", changed(SMALL, missing=frozenset({3})))
    found = fleet_document.build([fleet])
    assert found.code == fleet_document.GAPS
    answer = found.document.answer
    assert answer is not None
    assert answer.about.startswith("12 GPUs (Test GPU) on 3 of 4 nodes · smoke, 4 cases x 3 processes")
    assert answer.warnings.startswith("Missing: node3 (node lost: NODE_FAIL")
    assert answer.next_step is not None
    assert answer.next_step.command == f"convbench fleet run --resume --out {fleet}"
    *_, last = lines(found.document)
    assert (last["node"], last["state"], last["uuid"]) == ("node3", "missing", "")
    (table,) = found.document.only("missing").tables
    assert [row[0] for row in table.rows] == ["node3"]


def test_suspects_are_to_be_confirmed(tmp_path: Path) -> None:
    fleet = planted_fleet.write_fleet(tmp_path / "fleet", changed(SMALL, slow={SLOW: 0.08}))
    answer = fleet_document.build([fleet]).document.answer
    assert answer is not None
    assert answer.next_step is not None
    assert answer.next_step.command == f"convbench fleet confirm {fleet}"


def test_a_fleet_that_is_slow_as_a_whole_is_for_compare(tmp_path: Path) -> None:
    """No unit of it is a reference for `fleet confirm`."""
    before = write(tmp_path / "before", SMALL)
    fleet = planted_fleet.write_fleet(tmp_path / "fleet", changed(SMALL, seconds=SMALL.seconds * 1.08))
    answer = fleet_document.build([fleet], against=before).document.answer
    assert answer is not None
    assert answer.headlines[0].endswith("16 are suspects (margin 3%):")
    assert answer.next_step is not None
    assert answer.next_step.command == f"convbench compare {before} {fleet}"


def confirmed(low: float, high: float, *, slow: bool, differ: bool = False) -> fleet_document.FleetReport:
    """Of GPU 2 on node 3, measured again beside two others."""
    with tempfile.TemporaryDirectory() as made:
        records = read_fleet(folders(write(Path(made), changed(SMALL, slow={SLOW: 0.08}))))
    unit = next(at for at, each in enumerate(records.units) if each.unit.id == uuid(SLOW))
    again = ConfirmedRatio(
        unit=unit,
        references=(0, 1),
        rounds=6,
        log_ratio=(low + high) / 2,
        low=low,
        high=high,
        slow=slow,
        references_differ=differ,
    )
    found = found_in([Path("fleet")], records, margin=0.03, confirmed=lambda kind: (again,))
    return fleet_document.FleetReport(fleet_document.document(found), fleet_document.exit_code(found, "slow"))


def test_a_suspect_whose_references_contradict_each_other_is_not_cleared() -> None:
    """The slower reference may be what has changed."""
    found = confirmed(-0.01, 0.01, slow=False, differ=True)
    assert found.document.title == "1 of 16 GPUs is a suspect"
    answer = found.document.answer
    assert answer is not None
    assert "contradict each other: one has changed since the first run" in answer.alarms[0]


def test_a_confirmed_gpu_is_slow_by_the_interval_of_its_own_rounds_and_fails() -> None:
    found = confirmed(0.06, 0.08, slow=True)
    assert found.code == fleet_document.SLOW
    assert found.document.title == "1 of 16 GPUs is slow"
    answer = found.document.answer
    assert answer is not None
    assert "is 7.3% (6.2% to 8.3%) slow, confirmed beside 2 others;" in answer.headlines[1]
    (line,) = [each for each in lines(found.document) if each["state"] == "slow"]
    assert float(line["low"]) == pytest.approx(math.exp(0.06))


def test_a_suspect_that_a_second_look_clears_is_none() -> None:
    found = confirmed(-0.01, 0.02, slow=False)
    assert found.code == 0
    assert {each["state"] for each in lines(found.document)} == {"ok"}


def test_a_suspect_of_which_a_second_look_shows_nothing_stays_one() -> None:
    found = confirmed(0.0, 0.06, slow=False)
    assert found.document.answer is not None
    assert "suspect: measured again in 6 rounds, not confirmed" in found.document.answer.headlines[1]


def test_clocks_of_nodes_that_differ_are_an_alarm(tmp_path: Path) -> None:
    records = read_fleet(folders(write(tmp_path, SMALL)))
    states = (
        NodeState(node="node1", state="complete", clock_seconds=0.4),
        NodeState(node="node2", state="complete", clock_seconds=-7200.0),
    )
    found = found_in([tmp_path], records, margin=0.03, states=states)
    answer = fleet_document.document(found).answer
    assert answer is not None
    (alarm,) = answer.alarms
    assert alarm.startswith("Clocks differ from the shared folder's: node2 by 2 hours behind.")


def test_one_unit_has_a_report_without_a_verdict(tmp_path: Path) -> None:
    found = built(tmp_path, PlantedFleet(nodes=1, gpus=1, tests=2))
    assert found.code == 0
    assert [line["state"] for line in lines(found.document)] == ["not judged"]
    assert found.document.answer is not None
    assert found.document.answer.headlines[0].startswith("One GPU: nothing shows whether it is slow")


def test_a_process_that_two_attempts_recorded_counts_once_and_a_failure_never_hides_a_time(
    tmp_path: Path,
) -> None:
    directory = write(tmp_path, PlantedFleet(nodes=3, gpus=1, tests=2))
    (first, *_) = folders(directory)
    file = first / "records.jsonl"
    text = file.read_bytes()
    failed = b"".join(
        line.replace(b'"status":"ok"', b'"status":"oom"') for line in text.splitlines(keepends=True)
    )
    before = lines(fleet_document.build(folders(directory)).document)
    file.write_bytes(text + text + failed)
    assert lines(fleet_document.build(folders(directory)).document) == before


def test_every_format_shows_the_report(causes: fleet_document.FleetReport) -> None:
    document = structs.replace(causes.document, plots=())
    for name in ("md", "json", "terminal", "html"):
        assert "62 of 64 GPUs" in formats.render(name, document)
    assert "node5" in formats.render("csv", document)


def test_the_picture_of_nodes_and_tests_has_a_row_for_each_node(causes: fleet_document.FleetReport) -> None:
    (plot,) = causes.document.plots
    assert [series.label for series in plot.series] == [f"node{at}" for at in range(1, 9)]
    assert all(len(series.y) == 12 for series in plot.series)
    (table,) = causes.document.only("nodes").tables
    assert len(table.rows) == 8


def test_a_copy_of_a_fleet_adds_no_process(tmp_path: Path) -> None:
    """Counted twice it would narrow each interval."""
    fleet = planted_fleet.write_fleet(tmp_path / "fleet", SMALL)
    shutil.copytree(fleet, tmp_path / "copy")
    once, twice = read_fleet([fleet]), read_fleet([fleet, tmp_path / "copy"])
    assert np.array_equal(once.logs, twice.logs)
    assert twice.notes[-1].endswith("records are copies of those of another run, and counted once.")


def test_a_folder_that_timed_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_bytes(b"")
    with pytest.raises(UserError, match="has no timed step"):
        fleet_document.build([tmp_path])


def test_a_fleet_of_which_no_node_has_records_says_where_to_look(tmp_path: Path) -> None:
    lost = changed(SMALL, missing=frozenset({1, 2, 3, 4}))
    fleet = planted_fleet.write_fleet(tmp_path / "fleet", lost)
    run = fleet / "nodes" / "node1" / "1"
    for name in (None, "plan.json", "records.jsonl"):  # its first process is at work
        if name is not None:
            run.mkdir(parents=True, exist_ok=True)
            (run / name).touch()
        with pytest.raises(UserError, match=r"no node of .* has records yet. `convbench fleet status"):
            fleet_document.build([fleet])


def test_the_planted_times_are_what_the_records_say(tmp_path: Path) -> None:
    fleet = PlantedFleet(nodes=2, gpus=2, tests=3)
    found = read_fleet(folders(write(tmp_path, fleet)))
    expected = planted_fleet.log_times(fleet)
    assert found.logs.shape == expected.shape
    order = [found.tests.index(structs.replace(case, replicate=0)) for case in planted_fleet.cases(fleet)]
    for unit in range(4):
        for at, column in enumerate(order):
            assert [math.exp(value) for value in found.logs[unit, column]] == pytest.approx(
                [math.exp(value) for value in expected[unit, at]]
            )


def fail(folder: Path, *, gpu_seen: bool) -> None:
    """All processes of a run folder fail; where no GPU is seen, as those do that crash."""
    found = []
    for line in (folder / RECORDS).read_bytes().splitlines():
        record = msgspec.json.decode(line, type=Record)
        assert record.environment is not None
        environment = record.environment if gpu_seen else structs.replace(record.environment, gpu=None)
        found.append(
            structs.replace(record, status="oom", measurements=[], environment=environment, gpu_readings=None)
        )
    (folder / RECORDS).write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in found))


@pytest.mark.parametrize("gpu_seen", [True, False])
def test_a_fleet_whose_processes_all_failed_is_refused_in_a_sentence(tmp_path: Path, gpu_seen: bool) -> None:
    fleet = planted_fleet.write_fleet(tmp_path, PlantedFleet(nodes=2, gpus=1, tests=2))
    for each in folders(fleet):
        fail(each, gpu_seen=gpu_seen)
    with pytest.raises(UserError, match="has no timed step"):
        fleet_document.build([fleet])


def test_a_kind_of_which_nothing_was_timed_is_missing_in_words_rows_and_exit_code(tmp_path: Path) -> None:
    fleet = PlantedFleet(nodes=4, gpus=1, tests=2, drivers={4: "590.1"})
    *_, last = folders(write(tmp_path, fleet))
    fail(last, gpu_seen=True)
    found = fleet_document.build(folders(tmp_path))
    assert found.code == fleet_document.GAPS
    assert [line["state"] for line in lines(found.document)] == ["ok", "ok", "ok", "missing"]
    answer = found.document.answer
    assert answer is not None
    assert "lacks 2 of 2 cases (6 oom)" in answer.warnings


def test_a_node_whose_processes_all_crashed_is_missing_in_words_and_exit_code(tmp_path: Path) -> None:
    folder = planted_fleet.write_fleet(tmp_path, PlantedFleet(nodes=4, gpus=1, tests=2))
    fail(folders(folder)[-1], gpu_seen=False)
    found = fleet_document.build([folder])
    assert found.code == fleet_document.GAPS
    assert found.document.answer is not None
    assert "Missing: node4 " in found.document.answer.warnings
    assert "6 processes of" in found.document.answer.alarms[0]


def test_a_process_that_crashed_before_its_gpu_was_looked_at_counts_for_the_gpu_of_its_folder(
    tmp_path: Path,
) -> None:
    """The first of the folder too, after which others were measured."""
    folder = write(tmp_path, PlantedFleet(nodes=2, gpus=2, tests=2))
    first = folders(folder)[0] / RECORDS
    text, *rest = first.read_bytes().splitlines(keepends=True)
    record = msgspec.json.decode(text, type=Record)
    assert record.environment is not None
    bare = structs.replace(record.environment, gpu=None)
    crashed = structs.replace(record, status="crashed", measurements=[], environment=bare)
    first.write_bytes(b"".join((msgspec.json.encode(crashed), b"\n", *rest)))
    units = read_fleet(folders(folder)).units
    assert [unit.failed for unit in units] == [{"crashed": 1}, {}, {}, {}]


def test_how_unsure_the_center_of_another_run_is_counts(tmp_path: Path) -> None:
    """The fleet is as fast as the GPU before, of which three processes scatter by 5%."""
    now = PlantedFleet(nodes=6, gpus=1, tests=1, over_units=0.001, over_processes=0.001)
    write(tmp_path / "now", now)
    false = 0
    for seed in range(20):
        before = PlantedFleet(nodes=1, gpus=1, tests=1, over_processes=0.05, seed=seed)
        found = fleet_document.build(
            folders(tmp_path / "now"), against=write(tmp_path / f"before{seed}", before)
        )
        false += any(line["state"] == "suspect" for line in lines(found.document))
    assert false <= 1


def test_a_unit_that_its_records_call_by_two_names_is_one_row(tmp_path: Path) -> None:
    """Older records lack node and machine id; a GPU was put into another node."""
    for folder, gpus in ((tmp_path / "cpu", 0), (tmp_path / "gpu", 1)):
        write(folder, PlantedFleet(nodes=3, gpus=gpus, tests=2))
        first = folders(folder)[0] / RECORDS
        text = first.read_bytes().splitlines(keepends=True)
        for at in range(0, len(text), 3):
            record = msgspec.json.decode(text[at], type=Record)
            assert record.environment is not None
            elsewhere = {"node": "node9", "host": "node9"} if gpus else {"node": None, "machine_id": None}
            environment = structs.replace(record.environment, **elsewhere)
            text[at] = msgspec.json.encode(structs.replace(record, environment=environment)) + b"\n"
        first.write_bytes(b"".join(text))
        records = read_fleet(folders(folder))
        assert len(records.units) == 3
        assert np.isfinite(records.logs).all()


def damage(file: Path, at: int = 1) -> bytes:
    """A line that is no record in the place of one; what the file was."""
    before = file.read_bytes()
    lines = before.splitlines(keepends=True)
    lines[at] = b'{"schema":4,"case":{"mo\x00\x00\n'
    file.write_bytes(b"".join(lines))
    return before


def test_a_damaged_line_of_one_node_is_a_named_gap_and_stops_nothing(tmp_path: Path) -> None:
    fleet = planted_fleet.write_fleet(tmp_path / "fleet", PlantedFleet(nodes=4, gpus=0, tests=2))
    file = fleet / "nodes" / "node2" / "1" / "records.jsonl"
    before = damage(file)
    found = fleet_document.build([fleet])
    assert found.code == fleet_document.GAPS
    assert len(lines(found.document)) == 4
    assert found.document.answer is not None
    (alarm,) = found.document.answer.alarms
    assert alarm.startswith(f"line 2 of {file} is not a convbench record: ")
    assert alarm.endswith("; it was left out.")
    assert (
        "node2 (failed: exit code 0, 1 damaged line in its records, 5 of 6" in found.document.answer.warnings
    )
    again = fleet / "nodes" / "node2" / "2"  # as --resume does
    again.mkdir()
    (again / "records.jsonl").write_bytes(before)
    assert fleet_document.build([fleet]).code == 0


def test_a_damaged_line_of_a_run_beside_others_is_a_gap(tmp_path: Path) -> None:
    runs = folders(write(tmp_path, PlantedFleet(nodes=4, gpus=0, tests=2)))
    file = runs[1] / "records.jsonl"
    damage(file)
    text = file.read_bytes().replace(b'"samples":[', b'"samples":["x",', 1)
    file.write_bytes(text)
    found = fleet_document.build(runs)
    assert found.code == fleet_document.GAPS
    assert found.document.answer is not None
    (alarm,) = found.document.answer.alarms
    assert alarm.endswith("; it was left out, and so is 1 more.")
    with pytest.raises(UserError, match=r"line 1 of .* is not a convbench record"):
        fleet_document.build(runs[1:2])


def test_the_report_of_several_machines_asks_which_of_them_is_slow(tmp_path: Path) -> None:
    """To measure on one of them again would tell of that one alone."""
    runs = write(tmp_path, PlantedFleet(nodes=2, gpus=0, tests=2))
    answer = run_report.build([runs]).answer
    assert answer is not None
    assert answer.next_step is not None
    assert answer.next_step.command == f"convbench fleet report {runs}"
    assert answer.next_step.purpose == "shows which machine is slow"


def test_a_center_that_is_unsure_is_what_leaves_units_undecided(tmp_path: Path) -> None:
    """More processes of this fleet would change nothing."""
    few = PlantedFleet(nodes=4, gpus=0, tests=2, over_units=0.0, over_processes=0.001)
    before = write(tmp_path / "before", changed(few, slow={(3, 0): 0.12}))
    after = write(tmp_path / "after", changed(few, seconds=few.seconds * 1.06))
    answer = fleet_document.build([after], against=before).document.answer
    assert answer is not None
    assert answer.headlines[0].startswith(f"4 of 4 CPUs are undecided: units of {before} scatter too much")
    assert answer.headlines[0].endswith("Take the center from a run of more machines.")
