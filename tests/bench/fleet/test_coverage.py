"""Which processes of a node have records: over attempts, over GPUs, and while files grow."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.fleet.coverage import Coverage, NodeRecords
from bench.plan import plan_processes
from bench.record_lines import read_records
from bench.run_folders import FLEET, named_run
from bench.runner import plan_file
from bench.schema.units import REPLACED
from bench.store import RECORDS
from tests.planted import planted_records
from tests.planted.planted_executor import KEPT, measure

PROCESSES = plan_processes.of_plan(KEPT)


def of(folder: Path) -> Coverage:
    return NodeRecords(folder, "n1", KEPT).coverage()


def test_a_node_without_records_has_its_whole_plan_to_do(tmp_path: Path) -> None:
    assert of(tmp_path) == Coverage(planned=4)
    (tmp_path / "nodes" / "n1" / "1").mkdir(parents=True)
    (tmp_path / "nodes" / "n1" / "2").touch()
    assert of(tmp_path) == Coverage(planned=4)


def test_a_process_counts_once_and_the_attempt_that_measured_it_wins(tmp_path: Path) -> None:
    node = tmp_path / "nodes" / "n1"
    crashed = planted_records.record(PROCESSES[0], status="crashed")
    well = [planted_records.record(case) for case in PROCESSES[:3]]
    planted_records.write(node / "1", [well[0], well[1]])
    planted_records.write(node / "2", [crashed, well[1], well[2]])
    assert of(tmp_path) == Coverage(planned=4, done=3)
    planted_records.write(node / "1", [crashed])
    planted_records.write(node / "2", [crashed])
    assert of(tmp_path) == Coverage(planned=4, done=0, accidents=1)


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    """A first attempt may be writing, and a disk may have been full."""
    planted_records.write(
        tmp_path / "nodes" / "n1" / "1", [planted_records.record(PROCESSES[0])], b'\xff{}\n{"schema":4,"ca'
    )
    assert of(tmp_path).done == 1


def test_a_growing_file_is_read_on(tmp_path: Path) -> None:
    folder = tmp_path / "nodes" / "n1" / "1"
    records = NodeRecords(tmp_path, "n1", KEPT)
    planted_records.write(folder, [planted_records.record(PROCESSES[0])])
    assert records.coverage().done == 1
    more = planted_records.write(tmp_path / "more", [planted_records.record(PROCESSES[1])]) / RECORDS
    with (folder / RECORDS).open("ab") as file:
        file.write(more.read_bytes()[:-9])
        file.flush()
        assert records.coverage().done == 1
        file.write(more.read_bytes()[-9:])
    assert records.coverage().done == 2


def test_the_gpus_of_a_node_are_planned_before_they_are_measured(tmp_path: Path) -> None:
    attempt = tmp_path / "nodes" / "n1" / "1"
    for name in ("GPU-a", "GPU-b"):
        (attempt / name).mkdir(parents=True)
        plan_file.write(attempt / name, structs.replace(KEPT, replicates=3))
    measure(attempt / "GPU-a")
    assert of(tmp_path) == Coverage(planned=12, done=4)


def test_a_new_attempt_begins_with_what_was_measured(tmp_path: Path) -> None:
    node = tmp_path / "nodes" / "n1"
    for name in ("GPU-a", "GPU-b"):
        (node / "1" / name).mkdir(parents=True)
        plan_file.write(node / "1" / name, KEPT)
    measure(node / "1" / "GPU-a", "crash")
    assert NodeRecords(tmp_path, "n1", KEPT).seed(node / "2")
    kept = list(read_records(node / "2" / "GPU-a" / RECORDS))
    assert len(kept) == 3
    assert {each.status for each in kept} == {"ok"}
    assert plan_file.read(node / "2" / "GPU-b") == KEPT
    assert not (node / "2" / "GPU-b" / RECORDS).exists()
    assert not NodeRecords(tmp_path, "n2", KEPT).seed(tmp_path / "nodes" / "n2" / "1")


def test_a_gpu_that_was_replaced_is_no_gap_and_counts_in_no_attempt(tmp_path: Path) -> None:
    records = [planted_records.record(process) for process in PROCESSES]
    for attempt, gpu, count in ((1, "GPU-old", 1), (2, "GPU-old", 1), (2, "GPU-new", 4)):
        planted_records.write(tmp_path / "nodes" / "n1" / str(attempt) / gpu, records[:count])
    (tmp_path / "nodes" / "n1" / "2" / "GPU-old" / REPLACED).touch()
    assert of(tmp_path) == Coverage(planned=4, done=4, replaced=("GPU-old",))
    (tmp_path / FLEET).touch()
    assert [run.name for run in named_run(tmp_path).run_folders] == ["GPU-new"]
