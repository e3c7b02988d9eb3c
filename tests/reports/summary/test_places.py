"""Which unit measured, which machines are of one kind, and which of two attempts counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Environment, Record
from models.errors import UserError
from reports.summary.figures import Figure, Summary
from reports.summary.pooling import summarise
from tests.planted import planted_records

CASE = Case(model="vgg11", batch=8, device="cuda")
SETTINGS = {
    "power_limit_watts": 700.0,
    "application_sm_clock_mhz": 1755,
    "ecc_mode": True,
    "vbios": "96.00.1",
    "driver": "550.1",
    "locked_clocks_mhz": None,
    "mig_mode": False,
}


def gpu(number: int, node: str = "n1", *, memory_bytes: int = 2**39, **changes: Any) -> Environment:
    """GPU number so and so, in that node."""
    made = structs.replace(planted_records.GPU, uuid=f"GPU-{number:08d}", **(SETTINGS | changes))
    return structs.replace(planted_records.GPU_MACHINE, node=node, gpu=made, memory_bytes=memory_bytes)


def on(environment: Environment | None, seconds: Sequence[float], first: int = 1) -> list[Record]:
    """A process for each time, in that place."""
    return [
        structs.replace(
            planted_records.record(
                structs.replace(CASE, replicate=number), planted_records.time("forward", each)
            ),
            environment=environment,
        )
        for number, each in enumerate(seconds, start=first)
    ]


def failed(environment: Environment | None, replicate: int = 1) -> Record:
    made = planted_records.record(structs.replace(CASE, replicate=replicate), status="crashed", reason="lost")
    return structs.replace(made, environment=environment)


def summary_of(folder: Path, *runs: Sequence[Record]) -> Summary:
    return summarise([planted_records.write(folder / str(at), records) for at, records in enumerate(runs)])


def only(summary: Summary) -> Figure:
    (figure,) = summary.figures
    return figure


def test_two_gpus_of_a_node_are_one_figure_of_two(tmp_path: Path) -> None:
    figure = only(summary_of(tmp_path, on(gpu(1), [0.1, 0.1]), on(gpu(2), [0.4])))
    assert figure.median == pytest.approx(0.2)
    assert figure.interval is not None
    assert figure.interval.kind == "across-gpus"
    assert figure.independent == pytest.approx((0.1, 0.4))
    row = figure.as_row()
    assert (row["machines"], row["gpus"], row["interval"]) == (1, 2, "across-gpus")


def test_gpus_of_several_nodes_are_counted_by_node(tmp_path: Path) -> None:
    runs = [on(gpu(number, f"n{number // 2}"), [0.1 + number / 100]) for number in range(4)]
    figure = only(summary_of(tmp_path, *runs))
    assert figure.interval is not None
    assert (figure.interval.kind, len(figure.independent)) == ("across-machines", 2)
    assert figure.as_row()["freedom"] == 1.0


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"power_limit_watts": 300.0}, 1),
        ({"application_sm_clock_mhz": 1410}, 1),
        ({"ecc_mode": False}, 1),
        ({"vbios": "96.00.2"}, 1),
        ({"memory_bytes": 2**38}, 1),
        ({"driver": "580.1"}, 2),
        ({"locked_clocks_mhz": 1200}, 2),
        ({"mig_mode": True}, 2),
        ({"name": "Another GPU"}, 2),
    ],
)
def test_what_makes_one_of_a_kind_slow_makes_no_other_kind(
    tmp_path: Path, changes: dict[str, Any], kinds: int
) -> None:
    summary = summary_of(tmp_path, on(gpu(1), [0.1, 0.1]), on(gpu(2, **changes), [0.2, 0.2]))
    assert len(summary.figures) == kinds


@pytest.mark.parametrize("change", [{"governor": "powersave"}, {"turbo": True}])
def test_how_the_clocks_of_a_processor_are_set_is_a_setting_of_its_machine(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    summary = summary_of(tmp_path, on(gpu(1), [0.1]), on(structs.replace(gpu(2), **change), [0.2]))
    assert len(only(summary).medians) == 2
    tried = summary_of(tmp_path, on(gpu(1), [0.1]), on(structs.replace(gpu(1), **change), [0.2]))
    assert len(tried.figures) == 2


def test_settings_that_one_gpu_was_tried_with_are_two_figures(tmp_path: Path) -> None:
    tried = gpu(1, power_limit_watts=300.0)
    summary = summary_of(tmp_path, on(gpu(1), [0.1]), on(gpu(2), [0.1]), on(tried, [0.2]))
    assert {(figure.median, len(set(figure.units))) for figure in summary.figures} == {(0.1, 2), (0.2, 1)}


def test_some_mebibytes_that_firmware_keeps_are_no_setting(tmp_path: Path) -> None:
    later = gpu(1, memory_bytes=2**39 - 3 * 2**20)
    assert len(only(summary_of(tmp_path, on(gpu(1), [0.1]), on(later, [0.2]))).medians) == 2


def test_a_kind_has_one_prior(tmp_path: Path) -> None:
    """That of the processes of each GPU; how GPUs differ is not in it."""
    runs = [on(gpu(number), [0.1 * number, 0.101 * number, 0.099 * number]) for number in (1, 2, 3)]
    figure = only(summary_of(tmp_path, *runs))
    assert figure.of_processes is not None
    assert figure.of_processes.cases == 1
    assert figure.of_processes.own_sd == pytest.approx(0.01, rel=0.02)
    assert figure.scatter is not None
    assert figure.scatter.processes == 3 * 2 + 1


def test_processors_of_a_name_from_before_ids_are_the_machine_of_that_name(tmp_path: Path) -> None:
    host = structs.replace(planted_records.MACHINE, machine_id="ab12")
    case = structs.replace(CASE, device="cpu")
    records = planted_records.replicates(case, [0.1, 0.2])
    records[1] = structs.replace(records[1], environment=host)
    figure = only(summary_of(tmp_path, records))
    assert len(set(figure.units)) == 1
    assert figure.interval is not None
    assert figure.interval.kind == "across-processes"


def fleet(folder: Path, **attempts: Sequence[Record]) -> Path:
    """A folder of a fleet, with the attempts at node n1."""
    for name, records in attempts.items():
        planted_records.write(folder / "nodes" / "n1" / name, records)
    (folder / "fleet.json").touch()
    return folder


def test_what_two_attempts_of_a_fleet_measured_counts_once(tmp_path: Path) -> None:
    """As when a node was given up, and its processes lived on."""
    folder = fleet(tmp_path / "f", a1=on(gpu(1), [0.1, 0.2]), a2=on(gpu(1), [0.3], first=2))
    assert only(summarise([folder])).medians == (0.1, 0.3)


def test_runs_of_a_folder_that_is_no_fleet_are_runs_of_their_own(tmp_path: Path) -> None:
    for name, seconds in (("1", 0.1), ("2", 0.2)):
        planted_records.write(tmp_path / name, on(gpu(1), [seconds]))
    figure = only(summarise([tmp_path]))
    assert (figure.medians, figure.runs) == ((0.1, 0.2), (0, 1))


def test_an_attempt_that_failed_does_not_hide_one_that_did_not(tmp_path: Path) -> None:
    folder = fleet(tmp_path / "f", a1=on(gpu(1), [0.1]), a2=[failed(gpu(1))])
    summary = summarise([folder])
    assert (only(summary).medians, summary.outcomes) == ((0.1,), ())


@pytest.mark.parametrize("lost", [None, planted_records.MACHINE])
def test_a_process_that_failed_before_it_saw_the_gpu_is_run_again_on_it(
    tmp_path: Path, lost: Environment | None
) -> None:
    summary = summary_of(tmp_path, [failed(lost), *on(gpu(1), [0.1])])
    assert (only(summary).medians, summary.outcomes) == ((0.1,), ())


def test_in_a_merged_folder_it_is_run_again_on_the_gpu_of_its_node(tmp_path: Path) -> None:
    lost = structs.replace(planted_records.GPU_MACHINE, node="n1", gpu=None)
    records = [failed(lost), *on(gpu(1), [0.1]), *on(gpu(2, "n2"), [0.2])]
    summary = summary_of(tmp_path, records)
    assert (only(summary).medians, summary.outcomes) == ((0.1, 0.2), ())


def test_a_node_without_a_record_is_left_out_and_said(tmp_path: Path) -> None:
    folder = fleet(tmp_path / "f", a1=on(gpu(1), [0.1]), a2=[])
    (note,) = summarise([folder]).notes
    assert "a2" in note
    empty = fleet(tmp_path / "g", a1=[], a2=[])
    with pytest.raises(UserError, match="complete record"):
        summarise([empty])
