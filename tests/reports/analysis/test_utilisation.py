"""Shares of planted ceilings, and what holds a step back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import MatrixProduct
from bench.schema.phases import Phase
from bench.schema.record import Effective, Measurement, Record
from bench.stats.estimates import Interval
from reports import formats
from reports.analysis.measured_ceilings import Rate, ceilings_of
from reports.analysis.utilisation import Utilisation, reached
from reports.document import Document, Table
from reports.pages.run_report import build
from reports.summary.figures import Figure, ReadBack
from reports.summary.pooling import summarise
from reports.summary.subjects import subject_of
from tests.planted import planted_records
from tests.planted.planted_ceilings import ceilings, step
from tests.planted.shown_cells import row_of

CPU = Case(model="vgg11", batch=8, threads=2)
CUDA = structs.replace(CPU, device="cuda")
TRAINING = structs.replace(CPU, workload="training")


def found(tmp_path: Path, *records: Record) -> dict[tuple[str, str], Utilisation]:
    """By phase and metric, of the only case that is no ceiling."""
    summary = summarise([planted_records.write(tmp_path, records)])
    return {
        (each.time.phase, each.time.metric): each for each in reached(summary.figures, ceilings_of(summary))
    }


def inference(
    tmp_path: Path, flops: float, moved: float, seconds: float = 0.1, *, measured: Record | None = None
) -> Utilisation:
    one = step(CPU, planted_records.time("forward", seconds), flops=flops, moved=moved)
    return found(tmp_path, one, measured or ceilings())["forward", "wall_time"]


def gpu(device: float, wall: float, host: float, *, warnings: tuple[CaseWarning, ...] = ()) -> list[Record]:
    clocks = {"device_time": device, "wall_time": wall, "host_time": host}
    times = [planted_records.time("forward", seconds, metric) for metric, seconds in clocks.items()]
    place = planted_records.GPU_MACHINE
    return [
        step(CUDA, *times, flops=60e9, moved=2e9, warnings=warnings, environment=place),
        ceilings(flops_per_second=1e12, bytes_per_second=100e9, device="cuda", environment=place),
    ]


def test_utilisation_is_the_rate_over_the_ceiling(tmp_path: Path) -> None:
    each = inference(tmp_path, flops=6e9, moved=2e8)
    assert each.utilisation is not None
    assert each.bandwidth_share is not None
    assert each.utilisation.value == pytest.approx(0.6)
    assert each.bandwidth_share.value == pytest.approx(0.2)
    assert each.intensity == pytest.approx(30)
    assert each.attainable_seconds == pytest.approx(0.06)


def test_its_interval_is_the_times_and_the_ceilings(tmp_path: Path) -> None:
    each = inference(tmp_path, flops=6e9, moved=2e8)
    assert each.utilisation is not None
    interval = each.utilisation.interval
    assert interval is not None
    # +3% and -3% on both sides: log(1.03) and log(1/0.97) in quadrature
    assert interval.high / 0.6 == pytest.approx(1.0434, abs=1e-4)
    assert interval.kind == "within-process"


@pytest.mark.parametrize(
    ("flops", "moved", "label", "why"),
    [
        (6e9, 2e8, "compute-bound", "60% of peak compute, 20% of peak bandwidth"),
        (2e9, 6e8, "memory-bound", "20% of peak compute, 60% of peak bandwidth"),
        # more than the bandwidth of a copy: it fits into the caches
        (2e9, 2e9, "memory-bound", "20% of peak compute, 200% of peak bandwidth"),
        (1.6e9, 1e6, "compute-bound", "16% of peak compute, <1% of peak bandwidth"),
        (1.4e9, 1.4e8, "host-bound", "14% of peak compute, 14% of peak bandwidth"),
    ],
)
def test_the_bound_of_a_processor(tmp_path: Path, flops: float, moved: float, label: str, why: str) -> None:
    bound = inference(tmp_path, flops, moved).bound
    assert bound is not None
    assert (bound.label, bound.why) == (label, why)


LAUNCHING = CaseWarning("launch-bound", "x")


@pytest.mark.parametrize(
    ("device", "wall", "host", "warnings", "label", "why"),
    [
        (
            0.1,
            0.105,
            0.02,
            (),
            "compute-bound",
            "57% of peak compute, 19% of peak bandwidth",
        ),
        (0.1, 0.125, 0.02, (), "host-bound", "wall time is 1.25 x device time"),
        (
            0.1,
            0.125,
            0.106,
            (CaseWarning("launch-bound", "x"),),
            "launch-bound",
            "host time is 1.06 x device time",
        ),
        # a step that waits for the device inside: only its tag says whether launches hold it back
        (0.1, 0.105, 0.104, (CaseWarning("unshielded", "x"),), "compute-bound", None),
    ],
)
def test_the_bound_of_a_gpu(
    tmp_path: Path,
    device: float,
    wall: float,
    host: float,
    warnings: tuple[CaseWarning, ...],
    label: str,
    why: str | None,
) -> None:
    each = found(tmp_path, *gpu(device, wall, host, warnings=warnings))["forward", "wall_time"]
    assert each.bound is not None
    assert each.bound.label == label
    assert why is None or each.bound.why == why


def test_a_small_share_on_a_gpu_is_not_the_hosts(tmp_path: Path) -> None:
    each = found(tmp_path, *gpu(1.0, 1.01, 0.1))["forward", "device_time"]
    assert each.bound is not None
    assert each.bound.label == "compute-bound"
    assert each.utilisation is not None
    assert each.utilisation.value == pytest.approx(0.06)


def training() -> Record:
    """Forward 2 GFLOP in 0.1 s, backward 4 GFLOP in 0.2 s, an optimizer that moves 0.5 GB in 0.1 s."""
    seconds: dict[Phase, float] = {"forward": 0.1, "backward": 0.2, "optimizer": 0.1, "step": 0.4}
    moved: dict[Phase, float] = {"forward": 1e8, "backward": 2e8, "optimizer": 5e8}
    return planted_records.record(
        TRAINING,
        *(planted_records.time(phase, each) for phase, each in seconds.items()),
        planted_records.fact("forward", "flops", 2e9, "FLOP"),
        planted_records.fact("backward", "flops", 4e9, "FLOP"),
        *(planted_records.fact(phase, "bytes_moved", each) for phase, each in moved.items()),
    )


def test_a_step_does_what_its_phases_do(tmp_path: Path) -> None:
    by_phase = {phase: each for (phase, _), each in found(tmp_path, training(), ceilings()).items()}
    assert by_phase["step"].flops == 6e9
    assert by_phase["step"].bytes == 8e8
    labels = {phase: each.bound.label for phase, each in by_phase.items() if each.bound}
    assert labels == {
        "forward": "compute-bound",
        "backward": "compute-bound",
        "optimizer": "memory-bound",
        "step": "memory-bound",
    }
    optimizer = by_phase["optimizer"]
    assert (optimizer.flops, optimizer.utilisation) == (0, None)
    assert optimizer.bandwidth_share is not None
    assert optimizer.bandwidth_share.value == pytest.approx(0.5)


def test_a_step_of_which_a_phase_was_not_counted_is_not_judged(tmp_path: Path) -> None:
    record = training()
    kept = [m for m in record.measurements if (m.phase, m.metric) != ("backward", "flops")]
    whole = found(tmp_path, structs.replace(record, measurements=kept), ceilings())["step", "wall_time"]
    assert (whole.flops, whole.utilisation, whole.bound) == (None, None, None)
    assert whole.bandwidth_share is not None


def test_phases_of_a_gpu_wait_for_launches_by_their_own_host_time(tmp_path: Path) -> None:
    """The wall's clock waits for the device between the phases: of a phase alone it shows no idle GPU."""

    def times(phase: Phase, device: float, host: float, wall: float = 1.02) -> list[Measurement]:
        values = {"device_time": device, "wall_time": device * wall, "host_time": host}
        return [planted_records.time(phase, seconds, metric) for metric, seconds in values.items()]

    record = structs.replace(training(), case=structs.replace(TRAINING, device="cuda"))
    counted = [m for m in record.measurements if m.unit != "s"]
    timed = [
        *times("forward", 0.1, 0.01, wall=1.2),
        *times("optimizer", 0.1, 0.095),
        *times("step", 0.3, 0.2),
    ]
    record = structs.replace(record, measurements=counted + timed, environment=planted_records.GPU_MACHINE)
    place = found(tmp_path, record, ceilings(device="cuda", environment=planted_records.GPU_MACHINE))
    labels = {phase: each.bound.label for (phase, metric), each in place.items() if each.bound}
    assert labels == {"forward": "compute-bound", "optimizer": "launch-bound", "step": "memory-bound"}


def test_the_ceiling_is_that_of_the_dtype_that_did_the_work(tmp_path: Path) -> None:
    case = structs.replace(CPU, precision="amp-bf16")
    effective = Effective(
        precision={"weights": "float32", "conv_output": "bfloat16", "linear_output": "bfloat16"}
    )
    amp = structs.replace(
        step(case, planted_records.time("forward", 0.1), flops=6e9, moved=2e8), effective=effective
    )
    slow, fast = ceilings(), ceilings(flops_per_second=300e9, precision="bf16")
    each = found(tmp_path, amp, slow, fast)["forward", "wall_time"]
    assert each.dtype == "bf16"
    assert each.utilisation is not None
    assert each.utilisation.value == pytest.approx(0.2)


def test_ceilings_of_other_threads_are_not_taken(tmp_path: Path) -> None:
    each = inference(tmp_path, flops=6e9, moved=2e8, measured=ceilings(threads=1))
    assert (each.utilisation, each.bandwidth_share, each.bound, each.attainable_seconds) == (
        None,
        None,
        None,
        None,
    )
    assert each.intensity == pytest.approx(30)


def figure(seconds: float) -> Figure:
    interval = Interval(seconds * 0.98, seconds * 1.03, "across-processes")
    return Figure(
        case=CPU,
        effective=ReadBack(),
        machine=("A",),
        phase="forward",
        metric="wall_time",
        unit="s",
        median=seconds,
        interval=interval,
        medians=(seconds, seconds),
        replicates=(1, 2),
        runs=(0, 0),
        pairs=(None, None),
        samples=2,
        tags=(),
    )


positive = st.floats(1e-6, 1e15)


@given(flops=positive, seconds=st.floats(1e-7, 1e3), ceiling=positive)
def test_utilisation_times_ceiling_times_time_are_the_flops(
    flops: float, seconds: float, ceiling: float
) -> None:
    time = figure(seconds)
    interval = Interval(ceiling * 0.99, ceiling * 1.01, "across-processes")
    each = Utilisation(
        subject=subject_of(time),
        time=time,
        flops=flops,
        bytes=flops,
        dtype="fp32",
        arithmetic=Rate(per_second=ceiling, what=MatrixProduct(64, 64, 64), interval=interval, processes=2),
        bandwidth=None,
        bound=None,
    )
    assert each.utilisation is not None
    assert each.utilisation.value * ceiling * seconds == pytest.approx(flops)
    found = each.utilisation.interval
    assert found is not None
    assert found.kind == "across-processes"
    assert found.low < each.utilisation.value < found.high
    # wider than that of the time alone
    assert found.high / found.low > 1.03 / 0.98


def _table(document: Document, title: str) -> Table:
    return next(table for table in document.tables if table.title == title)


def test_the_table_has_shares_bound_and_ceilings(tmp_path: Path) -> None:
    one = step(CPU, planted_records.time("forward", 0.1), flops=6e9, moved=2e8)
    document = build([planted_records.write(tmp_path, [one, ceilings()])])
    table = _table(document, "Share of peak, inference on cpu")
    assert row_of(table) == {
        "model": "vgg11",
        "time (ms)": "100.0 †",
        "GFLOP/s": pytest.approx(60),
        "% of peak compute": "60.00 †",
        "% of peak bandwidth": "20.00 †",
        "FLOP/byte": pytest.approx(30),
        "limit": "compute-bound",
    }
    assert any(
        note == "Measured peak: fp32 100.0 GFLOP/s (matmul:1024x1024x1024); memory 10.00 GB/s (copy:1GiB)."
        for note in table.notes
    )
    assert not any("Bandwidth above 100%" in note for note in table.notes)
    assert not any("peak not measured" in text for text in document.text)


def test_more_than_a_ceiling_is_explained(tmp_path: Path) -> None:
    one = step(CPU, planted_records.time("forward", 0.1), flops=6e9, moved=2e9)
    table = _table(
        build([planted_records.write(tmp_path, [one, ceilings()])]), "Share of peak, inference on cpu"
    )
    assert any("Bandwidth above 100%" in note for note in table.notes)


def test_what_is_host_bound_on_a_processor_need_not_be_python(tmp_path: Path) -> None:
    """Pooling and dropout reach a few percent of a copy's bandwidth there, by uncounted arithmetic."""
    one = step(CPU, planted_records.time("forward", 0.1), flops=1e8, moved=1e7)
    table = _table(
        build([planted_records.write(tmp_path, [one, ceilings()])]), "Share of peak, inference on cpu"
    )
    assert any("host-bound: " in note and "pooling and dropout" in note for note in table.notes)
    assert any("of an optimizer those of a fused one" in note for note in table.notes)


def test_training_has_its_phases(tmp_path: Path) -> None:
    document = build([planted_records.write(tmp_path, [training(), ceilings()])])
    table = _table(document, "Share of peak, training on cpu, by phase")
    assert table.rows == (("vgg11", "20% compute-bound", "20% compute-bound", "50% memory-bound"),)
    assert not any("Bandwidth above 100%" in note for note in table.notes)
    assert len(_table(document, "Share of peak, training on cpu").rows) == 1


def test_a_phase_above_its_ceiling_is_explained(tmp_path: Path) -> None:
    slow = ceilings(bytes_per_second=2e9)
    document = build([planted_records.write(tmp_path, [training(), slow])])
    table = _table(document, "Share of peak, training on cpu, by phase")
    assert table.rows[0][-1] == "250% memory-bound"
    assert any("Bandwidth above 100%" in note for note in table.notes)


def test_without_ceilings_a_sentence_says_how_to_get_them(tmp_path: Path) -> None:
    one = step(CPU, planted_records.time("forward", 0.1), flops=6e9, moved=2e8)
    document = build([planted_records.write(tmp_path, [one])])
    assert not [table for table in document.tables if table.title.startswith("Share of peak")]
    assert any("1 of 1 cases" in text and "--ceilings" in text for text in document.text)


def test_every_time_has_its_utilisation_and_bound_in_the_json(tmp_path: Path) -> None:
    records = gpu(0.08, 0.1, 0.02)
    text = formats.render("json", build([planted_records.write(tmp_path, records)]))
    rows = [row for row in msgspec.json.decode(text)["rows"] if row["workload"] == "inference"]
    times = {row["metric"]: row for row in rows if row["metric"] in ("device_time", "wall_time")}
    assert {metric: row["utilisation"] for metric, row in times.items()} == {
        "device_time": pytest.approx(0.75),
        "wall_time": pytest.approx(0.6),
    }
    assert {row["bound"] for row in times.values()} == {"host-bound"}
    assert times["wall_time"]["intensity"] == pytest.approx(30)
    assert not any("bound" in row for row in rows if row["metric"] == "host_time")
