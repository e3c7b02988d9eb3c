"""Figures from planted records: what is pooled, what is not, and what counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats as oracle

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import EccErrors, GpuReadings
from bench.schema.record import Effective, Environment, Record
from reports import formats
from reports.pages.run_report import build
from reports.summary.figures import Figure, Summary
from reports.summary.pooling import summarise
from tests.planted import planted_records

CASE = Case(model="vgg11", batch=8)


def _only(summary: Summary) -> Figure:
    (figure,) = summary.figures
    return figure


def test_several_processes_give_the_geometric_mean_and_the_t_interval(tmp_path: Path) -> None:
    medians = (0.1, 0.103, 0.098)
    run = planted_records.write(tmp_path, planted_records.replicates(CASE, medians))
    figure = _only(summarise([run], plain_intervals=True))
    logs = np.log(medians)
    low, high = np.exp(oracle.t.interval(0.95, 2, logs.mean(), oracle.sem(logs)))
    assert figure.interval is not None
    assert (figure.median, figure.interval.low, figure.interval.high) == pytest.approx(
        (oracle.gmean(medians), low, high)
    )
    assert figure.interval.kind == "across-processes"
    assert (len(figure.medians), figure.samples) == (3, 21)
    assert figure.images_per_second == pytest.approx(8 / oracle.gmean(medians))


def test_a_record_that_two_runs_hold_counts_once(tmp_path: Path) -> None:
    """A merged run beside one that it was made of, or a copy of a folder."""
    records = planted_records.replicates(CASE, (0.1, 0.103, 0.098))
    whole = planted_records.write(tmp_path / "merged", records)
    part = planted_records.write(tmp_path / "shard", records[:2])
    for runs in ([whole, part], [part, whole]):
        found = summarise(runs)
        assert sorted(_only(found).medians) == [0.098, 0.1, 0.103]
        assert found.notes == ("2 records are copies of those of another run, and counted once.",)
    other = planted_records.write(tmp_path / "other", planted_records.replicates(CASE, (0.1001,)))
    assert len(_only(summarise([whole, other])).medians) == 4


def test_one_process_gives_its_median_and_says_so(tmp_path: Path) -> None:
    figure = _only(summarise([planted_records.write(tmp_path, planted_records.replicates(CASE, [0.1]))]))
    assert figure.interval is not None
    assert (figure.median, figure.interval.low, figure.interval.high) == pytest.approx((0.1, 0.097, 0.103))
    assert figure.interval.kind == "within-process"


def test_a_row_begins_with_the_promised_fields(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path, planted_records.replicates(CASE, [0.1, 0.1]))
    row = _only(summarise([run], plain_intervals=True)).as_row()
    case = [name for name in Case.__struct_fields__ if name not in ("replicate", "task")]
    promised = ["phase", "metric", "unit", "median", "low", "high", "processes", "samples"]
    assert list(row)[: len(case) + len(promised)] == case + promised
    assert (row["model"], row["median"], row["low"], row["high"]) == ("vgg11", 0.1, 0.1, 0.1)
    assert (row["processes"], row["samples"]) == (2, 14)


def test_processes_of_several_directories_are_pooled(tmp_path: Path) -> None:
    first = planted_records.write(tmp_path / "a", planted_records.replicates(CASE, [0.1, 0.11]))
    second = planted_records.write(tmp_path / "b", planted_records.replicates(CASE, [0.12]))
    assert _only(summarise([first, second])).medians == pytest.approx((0.1, 0.11, 0.12))


def test_a_case_takes_the_mean_of_what_its_good_processes_took(tmp_path: Path) -> None:
    records = [
        msgspec.structs.replace(record, seconds=seconds)
        for record, seconds in zip(
            planted_records.replicates(CASE, [0.1, 0.1, 0.1, 0.1]), (4.0, 7.0, None, 90.0), strict=True
        )
    ]
    records[-1] = msgspec.structs.replace(records[-1], status="timeout", measurements=[])
    assert summarise([planted_records.write(tmp_path / "a", records)]).seconds == {
        CASE.without_replicate(): 5.5
    }
    older = planted_records.replicates(CASE, [0.1])
    assert summarise([planted_records.write(tmp_path / "b", older)]).seconds == {}


def test_the_last_record_of_a_process_counts(tmp_path: Path) -> None:
    crashed = planted_records.record(CASE, status="crashed", reason="killed")
    again = planted_records.record(CASE, planted_records.time("forward", 0.2))
    summary = summarise([planted_records.write(tmp_path, [crashed, again])])
    assert _only(summary).median == 0.2
    assert summary.outcomes == ()
    failed = summarise([planted_records.write(tmp_path, [again, crashed])])
    assert failed.figures == ()
    assert [(o.status, o.reason, o.processes) for o in failed.outcomes] == [("crashed", "killed", 1)]


def test_invalid_records_are_failures_and_never_figures(tmp_path: Path) -> None:
    bad = planted_records.record(
        CASE, planted_records.time("forward", 0.1), status="invalid", reason="recompiled"
    )
    summary = summarise([planted_records.write(tmp_path, [bad])])
    assert summary.figures == ()
    assert summary.outcomes[0].status == "invalid"


def _pair(tmp_path: Path, second: msgspec.Struct) -> Summary:
    one = planted_records.record(
        CASE, planted_records.time("forward", 0.1), environment=planted_records.GPU_MACHINE
    )
    assert isinstance(second, type(one))
    return summarise(
        [planted_records.write(tmp_path / "a", [one]), planted_records.write(tmp_path / "b", [second])]
    )


def test_other_effective_precision_is_not_merged(tmp_path: Path) -> None:
    other = planted_records.record(
        CASE,
        planted_records.time("forward", 0.2),
        environment=planted_records.GPU_MACHINE,
        effective=Effective(precision={"conv": "tf32", "matmul": "ieee"}),
    )
    assert [f.medians for f in _pair(tmp_path, other).figures] == [(0.1,), (0.2,)]


def test_other_inputs_of_a_users_own_are_not_merged_and_every_table_says_which(tmp_path: Path) -> None:
    records = [
        planted_records.record(
            msgspec.structs.replace(CASE, model="net.py:make", replicate=number),
            planted_records.time("forward", 0.1 * number),
            planted_records.fact("model", "parameters", 5, "count"),
            effective=Effective(inputs=inputs),
        )
        for number, inputs in ((1, "8x12 int64"), (2, "8x24 int64"))
    ]
    folder = planted_records.write(tmp_path, records)
    assert [f.medians for f in summarise([folder]).figures if f.metric == "wall_time"] == [(0.1,), (0.2,)]
    text = formats.render("md", build([folder]))
    assert text.count("| 8x12 int64 |") == text.count("| 8x24 int64 |") == 1  # what it costs
    assert text.count("inputs=8x12 int64") == text.count("inputs=8x24 int64") >= 1
    assert "224 px" not in text
    assert "3x224x224" not in text


def test_other_software_is_not_merged(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(planted_records.GPU_MACHINE, libraries={"torch": "2.12.0"})
    summary = _pair(
        tmp_path, planted_records.record(CASE, planted_records.time("forward", 0.2), environment=newer)
    )
    assert [(f.medians, f.machine) for f in summary.figures] == [((0.1,), ("A",)), ((0.2,), ("B",))]
    assert list(summary.environments) == ["A", "B"]


def test_another_commit_is_merged_and_shown(tmp_path: Path) -> None:
    other = msgspec.structs.replace(planted_records.GPU_MACHINE, commit="def")
    summary = _pair(
        tmp_path, planted_records.record(CASE, planted_records.time("forward", 0.2), environment=other)
    )
    assert _only(summary).machine == ("A", "B")
    assert _only(summary).levels is None


def _moved(records: list[Record], **changes: Any) -> list[Record]:
    """The records on another machine."""
    machine = msgspec.structs.replace(planted_records.MACHINE, **changes)
    return [msgspec.structs.replace(record, environment=machine) for record in records]


def test_processes_of_two_hosts_are_not_independent(tmp_path: Path) -> None:
    """One figure of two machines: its interval has one degree of freedom, however many processes they ran."""
    times = {"lab": (0.100, 0.101, 0.102), "other": (0.110, 0.111, 0.112)}
    runs = [
        planted_records.write(tmp_path / host, _moved(planted_records.replicates(CASE, medians), host=host))
        for host, medians in times.items()
    ]
    figure = _only(summarise(runs))
    means = [float(oracle.gmean(medians)) for medians in times.values()]
    logs = np.log(means)
    low, high = np.exp(oracle.t.interval(0.95, 1, logs.mean(), oracle.sem(logs)))
    assert figure.interval is not None
    assert figure.interval.kind == "across-machines"
    assert (figure.median, figure.interval.low, figure.interval.high) == pytest.approx(
        (oracle.gmean(means), low, high)
    )
    assert (len(figure.medians), figure.machine) == (6, ("A", "B"))
    assert figure.independent == pytest.approx(means)
    assert [unit.node for unit in figure.units] == ["lab"] * 3 + ["other"] * 3
    row = figure.as_row()
    assert (row["machines"], row["gpus"], row["processes"], row["freedom"]) == (2, None, 6, 1.0)
    assert row["process_sd"] == pytest.approx(0.0095, rel=0.1)


def test_a_process_that_saw_no_gpu_is_no_second_machine(tmp_path: Path) -> None:
    blind = planted_records.record(
        CASE, planted_records.time("forward", 0.2), environment=planted_records.MACHINE
    )
    summary = _pair(tmp_path, blind)
    assert summary.environments == {"A": planted_records.GPU_MACHINE}
    assert _only(summary).medians == (0.1, 0.2)


def _on(environment: Environment, **changes: Any) -> Environment:
    """The machine with its GPU of that identity and those settings."""
    assert environment.gpu is not None
    gpu = msgspec.structs.replace(environment.gpu, **({"uuid": "GPU-1111"} | changes))
    return msgspec.structs.replace(environment, gpu=gpu)


def _two(tmp_path: Path, one: Record, other: Record) -> Summary:
    return summarise(
        [planted_records.write(tmp_path / "a", [one]), planted_records.write(tmp_path / "b", [other])]
    )


def _cuda(environment: Environment, seconds: float, readings: GpuReadings | None = None) -> Record:
    case = msgspec.structs.replace(CASE, device="cuda")
    made = planted_records.record(case, planted_records.time("forward", seconds), environment=environment)
    return msgspec.structs.replace(made, gpu_readings=readings)


@pytest.mark.parametrize(
    "changes",
    [
        {"power_limit_watts": 350.0},
        {"application_sm_clock_mhz": 1410},
        {"locked_clocks_mhz": 1200},
        {"ecc_mode": False},
        {"mig_mode": True},
        {"driver": "580.1"},
    ],
)
def test_one_gpu_set_in_two_ways_is_never_pooled(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = {
        "power_limit_watts": 700.0,
        "application_sm_clock_mhz": 1755,
        "ecc_mode": True,
        "mig_mode": False,
    }
    one = _on(planted_records.GPU_MACHINE, **settings)
    other = _on(planted_records.GPU_MACHINE, **(settings | changes))
    summary = _two(tmp_path, _cuda(one, 0.1), _cuda(other, 0.2))
    assert [(f.medians, f.machine) for f in summary.figures] == [((0.1,), ("A",)), ((0.2,), ("B",))]


def test_what_was_read_of_a_gpu_decides_nothing(tmp_path: Path) -> None:
    machine = _on(planted_records.GPU_MACHINE)
    cool = GpuReadings(index=0, sm_clock_mhz=1980, temperature_celsius=40, pci_bus_id="0000:3b:00.0")
    worn = GpuReadings(
        index=1,
        sm_clock_mhz=1410,
        temperature_celsius=80,
        ecc_errors=EccErrors(
            corrected_volatile=9, uncorrected_volatile=1, corrected_aggregate=9, uncorrected_aggregate=1
        ),
        absent={"driver_model": "Not Supported"},
    )
    summary = _two(tmp_path, _cuda(machine, 0.1, cool), _cuda(machine, 0.2, worn))
    assert (_only(summary).medians, _only(summary).machine) == ((0.1, 0.2), ("A",))


@pytest.mark.parametrize(("uuid", "pooled"), [("GPU-1111", True), (None, False)])
def test_what_chose_the_gpu_matters_only_where_nothing_says_which_it_was(
    tmp_path: Path, uuid: str | None, pooled: bool
) -> None:
    """As CUDA_VISIBLE_DEVICES does in records from before the UUID was kept."""
    machine = _on(planted_records.GPU_MACHINE, uuid=uuid)
    variables = {
        "CUDA_VISIBLE_DEVICES": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }
    chosen = msgspec.structs.replace(machine, variables=variables)
    summary = _two(tmp_path, _cuda(machine, 0.1), _cuda(chosen, 0.2))
    assert [f.medians for f in summary.figures] == ([(0.1, 0.2)] if pooled else [(0.1,), (0.2,)])
    assert list(summary.environments) == (["A"] if pooled else ["A", "B"])


def test_old_records_of_one_gpu_name_are_pooled_as_before(tmp_path: Path) -> None:
    machine = planted_records.GPU_MACHINE
    assert _only(_two(tmp_path, _cuda(machine, 0.1), _cuda(machine, 0.2))).medians == (0.1, 0.2)


def test_the_processor_beside_two_gpus_is_the_machine_of_both(tmp_path: Path) -> None:
    one, twin = (_on(planted_records.GPU_MACHINE, uuid=uuid) for uuid in ("GPU-1111", "GPU-2222"))
    blind = planted_records.record(CASE, planted_records.time("forward", 0.3))
    records = [_cuda(one, 0.1), _cuda(twin, 0.2), blind]
    summary = summarise(
        [planted_records.write(tmp_path, records[:1]), planted_records.write(tmp_path / "b", records[1:])]
    )
    machines = {f.case.device: f.machine for f in summary.figures}
    assert machines == {"cuda": ("A", "B"), "cpu": ("A", "B")}
    assert {f.case.device: len(set(f.units)) for f in summary.figures} == {"cuda": 2, "cpu": 1}


def test_a_warning_over_several_cases_is_listed_once(tmp_path: Path) -> None:
    cases = [Case(model=model) for model in ("vgg11", "vgg13")]
    records = [
        planted_records.record(
            case, planted_records.time("forward", 0.1), warnings=[CaseWarning("steal", f"{share}%")]
        )
        for case, share in zip(cases, (2, 3), strict=True)
    ]
    (warned,) = summarise([planted_records.write(tmp_path, records)]).warnings
    assert (warned.label, warned.example, warned.processes) == ("steal", CaseWarning("steal", "2%"), 2)
    assert [case.model for case in warned.cases] == ["vgg11", "vgg13"]


def test_models_stand_in_the_catalogues_order_and_others_in_their_natural_one_behind(tmp_path: Path) -> None:
    others = ["torchvision:resnet50", "torchvision:resnet18", "torchvision:resnet101"]
    models = ["vgg16-bn", "vgg19", *others, "vgg11", "alexnet", "lenet5"]
    records = [
        planted_records.record(Case(model=model), planted_records.time("forward", 0.1)) for model in models
    ]
    summary = summarise([planted_records.write(tmp_path, records)])
    expected = ["lenet5", "alexnet", "vgg11", "vgg19", "vgg16-bn"]
    expected += ["torchvision:resnet18", "torchvision:resnet50", "torchvision:resnet101"]
    assert [figure.case.model for figure in summary.figures] == expected
