"""Two planted runs compared: what is found, what is refused, and what a gate says."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scipy import stats as oracle

from bench.schema.case import Case
from bench.schema.record import Effective, Measurement, Record
from bench.stats import verdicts
from models.errors import UserError
from reports import formats
from reports.compare.compare_report import RunComparison, build
from reports.compare.comparison_rows import ComparisonRow
from reports.compare.gate import gate_fails, gate_reasons
from reports.document import Answer, Table
from tests.planted import planted_records
from tests.planted.shown_cells import row_of, rows_of

CPU = Case(model="vgg11", batch=8, threads=2)
BASE = (0.100, 0.101, 0.099, 0.1005, 0.0995)
PROMISED = [
    *(name for name in Case.__struct_fields__ if name not in ("replicate", "task")),
    *("phase", "metric", "base", "new", "ratio", "low", "high", "verdict", "detectable", "n_base", "n_new"),
]


def times(factor: float) -> list[float]:
    return [seconds * factor for seconds in BASE]


def facts(case: Case, *measurements: Measurement, count: int = 2, **fields: object) -> list[Record]:
    """The same measurements in every process."""
    records = [
        planted_records.record(msgspec.structs.replace(case, replicate=n + 1), *measurements)
        for n in range(count)
    ]
    return [msgspec.structs.replace(record, **fields) for record in records]


def compare(tmp_path: Path, base: list[Record], new: list[Record]) -> RunComparison:
    return build(
        [planted_records.write(tmp_path / "base", base)], [planted_records.write(tmp_path / "new", new)]
    )


def only(comparison: RunComparison) -> ComparisonRow:
    (row,) = comparison.rows
    return row


def answer(comparison: RunComparison) -> Answer:
    found = comparison.document.answer
    assert found is not None
    return found


def table(comparison: RunComparison, title: str) -> Table:
    return next(table for table in comparison.document.tables if table.title == title)


def test_a_slowdown_in_json(tmp_path: Path) -> None:
    comparison = compare(
        tmp_path, planted_records.replicates(CPU, BASE), planted_records.replicates(CPU, times(1.05))
    )
    (row,) = json.loads(formats.render("json", comparison.document))["rows"]
    assert list(row)[: len(PROMISED)] == PROMISED
    assert (row["model"], row["phase"], row["metric"]) == ("vgg11", "forward", "wall_time")
    assert (row["verdict"], row["n_base"], row["n_new"]) == ("slower", 5, 5)
    assert row["base"] == pytest.approx(oracle.gmean(BASE))
    assert row["ratio"] == pytest.approx(1.05)
    assert 1 < row["low"] < 1.05 < row["high"]


def test_the_table_is_read_by_people(tmp_path: Path) -> None:
    comparison = compare(
        tmp_path, planted_records.replicates(CPU, BASE), planted_records.replicates(CPU, times(1.05))
    )
    time = table(comparison, "Time")
    row = row_of(time)
    assert (row["what"], row["verdict"]) == ("forward wall", "▲ slower")
    assert "5 processes on each side" in time.shared
    assert (row["BASE, ms"], row["NEW, ms"]) == ("100.0 ±1.1%", "105.0 ±1.1%")
    assert row["change"] == "+5.0% (+2.9% to +7.2%)"
    assert "Runs made at different times also differ" in " ".join(comparison.document.text)


@pytest.mark.parametrize(
    ("metric", "growth", "verdict"),
    [
        ("weights", 1.0, "equivalent"),
        ("weights", 1.01, "equivalent"),
        ("weights", 1.03, "slower"),
        ("ledger_peak", 0.97, "faster"),
        ("peak_resident", 1.019, "equivalent"),
        ("peak_resident", 1.04, "inconclusive"),
        ("peak_resident", 1.06, "slower"),
    ],
)
def test_of_sizes_one_process_a_side_is_enough(
    tmp_path: Path, metric: str, growth: float, verdict: str
) -> None:
    """A record has them of one process of a case; of a resident peak 5% and less may be chance."""
    base, new = (
        facts(CPU, planted_records.fact("model", metric, 2**30 * factor), count=1) for factor in (1, growth)
    )
    comparison = compare(tmp_path, base, new)
    row = only(comparison)
    assert (row.verdict, row.n_base, row.n_new) == (verdict, 1, 1)
    assert row.ratio == pytest.approx(growth)
    assert gate_fails(comparison, "slower") == (verdict == "slower")
    assert (row.reason is not None) == (verdict == "inconclusive")


def test_sizes_of_one_process_and_of_several_are_compared(tmp_path: Path) -> None:
    """An older run has them of each; where its processes differ there is no exact answer."""
    older = facts(CPU, planted_records.fact("model", "weights", 4096), count=3)
    newer = facts(CPU, planted_records.fact("model", "weights", 4096), count=1)
    row = only(compare(tmp_path / "equal", older, newer))
    assert (row.verdict, row.n_base, row.n_new) == ("equivalent", 3, 1)
    (first, *_) = facts(CPU, planted_records.fact("model", "weights", 8192), count=1)
    mixed = [first, *older[1:]]
    assert only(compare(tmp_path / "mixed", mixed, newer)).verdict == "inconclusive"


def test_a_peak_on_an_accelerator_needs_processes(tmp_path: Path) -> None:
    """Which algorithms a library chose, and so its workspace, is another matter in each."""
    on_gpu = msgspec.structs.replace(CPU, device="cuda")
    side = facts(on_gpu, planted_records.fact("step", "peak_allocated", 2**30), count=1)
    assert only(compare(tmp_path / "peak", side, side)).reason == verdicts.ONE_PROCESS
    base, new = (
        facts(on_gpu, planted_records.fact("step", "ledger_workspace", size), count=1) for size in (8, 9)
    )
    row = only(compare(tmp_path / "ledger", base, new))
    assert (row.verdict, row.detectable) == ("inconclusive", None)
    assert "come from one process" in (row.reason or "")
    assert only(compare(tmp_path / "equal", base, base)).verdict == "equivalent"


def test_larger_memory_is_slower_in_json_and_larger_in_the_table(tmp_path: Path) -> None:
    base = facts(
        CPU,
        planted_records.fact("step", "peak_allocated", 2**30),
        planted_records.fact("model", "weights", 4096),
    )
    new = facts(
        CPU,
        planted_records.fact("step", "peak_allocated", 2**31),
        planted_records.fact("model", "weights", 4096),
    )
    comparison = compare(tmp_path, base, new)
    assert [row.verdict for row in comparison.rows] == ["slower", "equivalent"]
    memory = table(comparison, "Memory")
    [shown] = rows_of(memory)
    assert (shown["what"], shown["BASE, MiB"], shown["NEW, MiB"]) == (
        "step peak allocated",
        "1,024 ±0%",
        "2,048 ±0%",
    )
    assert (shown["verdict"], shown["change"]) == ("▲ larger", "+100%")
    assert "1 identical rows hidden (--all shows them)." in memory.notes
    assert gate_fails(comparison, "slower")


def test_counts_are_equal_or_different(tmp_path: Path) -> None:
    flops = planted_records.fact("forward", "flops", 1000, "FLOP")
    base = facts(CPU, planted_records.fact("model", "parameters", 10, "count"), flops)
    new = facts(CPU, planted_records.fact("model", "parameters", 11, "count"), flops)
    comparison = compare(tmp_path, base, new)
    assert [(row.metric, row.verdict) for row in comparison.rows] == [
        ("parameters", "different"),
        ("flops", "equal"),
    ]
    assert table(comparison, "Counts that differ").rows == (("vgg11", "parameters", 10, 11),)
    assert not gate_fails(comparison, "slower")
    assert gate_fails(comparison, "any")


def test_one_process_is_inconclusive(tmp_path: Path) -> None:
    comparison = compare(
        tmp_path, planted_records.replicates(CPU, [0.1]), planted_records.replicates(CPU, [0.2, 0.2])
    )
    row = only(comparison)
    assert (row.verdict, row.low) == ("inconclusive", None)
    assert row.ratio == pytest.approx(2)
    assert "one process" in str(row.reason)
    assert not gate_fails(comparison, "any")


def test_several_runs_on_each_side_count_as_runs(tmp_path: Path) -> None:
    """Processes within 0.1% of each other, runs 5% apart: the processes alone would be sure of it."""
    runs = {
        name: planted_records.write(
            tmp_path / name, planted_records.replicates(CPU, [mean * 0.999, mean * 1.001])
        )
        for name, mean in {"b1": 0.100, "b2": 0.105, "n1": 0.104, "n2": 0.109}.items()
    }
    row = only(build([runs["b1"], runs["b2"]], [runs["n1"], runs["n2"]]))
    assert (row.verdict, row.n_base, row.n_new) == ("inconclusive", 2, 2)
    assert row.ratio == pytest.approx(math.sqrt(0.104 * 0.109 / 0.100 / 0.105), rel=1e-5)
    pooled = only(build([runs["b1"]], [runs["n1"], runs["n2"]]))
    assert (pooled.n_base, pooled.n_new) == (2, 4)


def test_rows_on_one_side_are_listed(tmp_path: Path) -> None:
    other = msgspec.structs.replace(CPU, batch=16)
    oom = planted_records.record(other, status="oom", reason="out of memory")
    base = planted_records.replicates(CPU, BASE) + planted_records.replicates(other, BASE)
    comparison = compare(tmp_path, base, [*planted_records.replicates(CPU, BASE), oom])
    missing = [row for row in comparison.rows if row.verdict is None]
    assert [(row.case.batch, row.new, row.reason) for row in missing] == [
        (16, None, "only in BASE; NEW: oom")
    ]
    assert table(comparison, "Not compared").rows[0][:2] == ("only in BASE; NEW: oom", other.id)
    assert table(comparison, "Failed and skipped cases").rows[0][:3] == ("NEW", "oom", "out of memory")
    assert gate_reasons(comparison, "slower") == (
        "VGG-11 inference, batch 16 was measured in BASE and failed in NEW",
    )


def test_another_precision_read_back_is_not_compared(tmp_path: Path) -> None:
    new = [
        msgspec.structs.replace(
            record, effective=Effective(precision={"conv": "tf32", "matmul": "ieee", "new_fact": "1"})
        )
        for record in planted_records.replicates(CPU, times(0.5))
    ]
    comparison = compare(tmp_path, planted_records.replicates(CPU, BASE), new)
    assert {row.verdict for row in comparison.rows} == {None}
    assert {row.reason for row in comparison.rows} == {"precision read back differs: conv ieee / tf32"}
    assert gate_reasons(comparison, "slower") == ("nothing was compared",)


def test_a_side_of_two_versions_is_not_compared(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(planted_records.MACHINE, libraries={"torch": "2.12.0"})
    mixed = [
        msgspec.structs.replace(record, environment=newer if number % 2 else planted_records.MACHINE)
        for number, record in enumerate(planted_records.replicates(CPU, BASE))
    ]
    comparison = compare(tmp_path, mixed, planted_records.replicates(CPU, BASE))
    assert all("several conditions" in str(row.reason) for row in comparison.rows)


def test_environments_are_shown_field_by_field(tmp_path: Path) -> None:
    changed = msgspec.structs.replace(
        planted_records.GPU_MACHINE, libraries={"torch": "2.12.0"}, variables={"OMP_NUM_THREADS": "1"}
    )
    new = [msgspec.structs.replace(r, environment=changed) for r in planted_records.replicates(CPU, BASE)]
    base = [
        msgspec.structs.replace(r, environment=planted_records.GPU_MACHINE)
        for r in planted_records.replicates(CPU, BASE)
    ]
    comparison = compare(tmp_path, base, new)
    assert set(table(comparison, "Where the environments differ").rows) == {
        ("torch", "2.11.0", "2.12.0"),
        ("OMP_NUM_THREADS", None, "1"),
    }
    assert only(comparison).verdict == "equivalent"


def _gpu_side(**identity: Any) -> list[Record]:
    gpu = msgspec.structs.replace(planted_records.GPU, **identity)
    machine = msgspec.structs.replace(planted_records.MACHINE, gpu=gpu)
    cuda = msgspec.structs.replace(CPU, device="cuda")
    return [
        msgspec.structs.replace(record, environment=machine)
        for record in planted_records.replicates(cuda, BASE)
    ]


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (
            {"uuid": "GPU-2222"},
            "BASE and NEW ran on different GPUs (GPU UUID GPU-1111 / GPU-2222). "
            "Every GPU ratio includes this difference.",
        ),
        (
            {"uuid": "GPU-1111", "power_limit_watts": 350.0, "locked_clocks_mhz": 1200},
            "BASE and NEW ran with different GPU settings (power limit 700 W / 350 W; "
            "locked SM clock none / 1200 MHz). Every GPU ratio includes this difference.",
        ),
        ({"uuid": "GPU-1111", "power_limit_watts": 700.0}, None),
        ({}, None),
    ],
)
def test_another_gpu_or_setting_is_said_and_compared_all_the_same(
    tmp_path: Path, new: dict[str, Any], sentence: str | None
) -> None:
    """Where a side's records have no UUID nothing can be said of it."""
    base = _gpu_side(uuid="GPU-1111", power_limit_watts=700.0)
    comparison = compare(tmp_path, base, _gpu_side(**new))
    assert only(comparison).verdict == "equivalent"
    assert answer(comparison).alarms == ((sentence,) if sentence else ())


def test_gpu_work_is_the_same_on_a_host_with_other_cores(tmp_path: Path) -> None:
    gpu = msgspec.structs.replace(CPU, device="cuda")
    more = msgspec.structs.replace(gpu, threads=64)
    comparison = compare(
        tmp_path, planted_records.replicates(gpu, BASE), planted_records.replicates(more, BASE)
    )
    assert only(comparison).verdict == "equivalent"
    cpu = msgspec.structs.replace(CPU, threads=64)
    other = compare(
        tmp_path / "cpu", planted_records.replicates(CPU, BASE), planted_records.replicates(cpu, BASE)
    )
    assert {row.reason for row in other.rows} == {"only in BASE", "only in NEW"}


def test_a_gate_corrects_for_many_rows(tmp_path: Path) -> None:
    """p = 0.001 to 0.01 holds alone and not beside 30 rows that say nothing."""
    slow = planted_records.replicates(CPU, times(1.024))
    alone = compare(tmp_path / "alone", planted_records.replicates(CPU, BASE), slow)
    row = only(alone)
    assert (row.verdict, gate_fails(alone, "slower")) == ("slower", True)
    assert 0.001 < (row.p or 0) < 0.01
    quiet = [
        record
        for batch in range(100, 130)
        for record in planted_records.replicates(msgspec.structs.replace(CPU, batch=batch), BASE)
    ]
    many = compare(tmp_path / "many", planted_records.replicates(CPU, BASE) + quiet, slow + quiet)
    assert [row.verdict for row in many.rows].count("slower") == 1
    assert not gate_fails(many, "slower")


def test_a_speed_up_fails_only_the_gate_for_any_change(tmp_path: Path) -> None:
    comparison = compare(
        tmp_path, planted_records.replicates(CPU, BASE), planted_records.replicates(CPU, times(0.9))
    )
    assert gate_reasons(comparison, "slower") == ()
    assert gate_reasons(comparison, "any") == (
        "VGG-11 inference, batch 8, forward wall: takes 10.0% (8.1% to 11.8%) less time",
    )


def test_bad_input(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.replicates(CPU, BASE))
    with pytest.raises(UserError, match="are the same run"):
        build([run], [tmp_path / "run" / ".." / "run"])
    with pytest.raises(UserError, match="margin"):
        build([run], [tmp_path], margin=1.5)
    with pytest.raises(UserError, match="no directory"):
        build([run], [tmp_path / "absent"])


def test_every_format_shows_a_comparison(tmp_path: Path) -> None:
    comparison = compare(tmp_path, planted_records.example(), planted_records.example()[:-3])
    for name in formats.for_any():
        shown = formats.render(name, msgspec.structs.replace(comparison.document, whole=True))
        assert "vgg11" in shown or "VGG-11" in shown


def test_disturbed_samples_are_not_compared_and_make_no_process(tmp_path: Path) -> None:
    """A window that was taken again slowed only NEW down; one process has nothing but such a window."""
    disturbed = msgspec.structs.replace(planted_records.time("forward", 9.0), disturbed=True)
    base, new = planted_records.replicates(CPU, BASE), planted_records.replicates(CPU, BASE)
    new = [msgspec.structs.replace(r, measurements=[*r.measurements, disturbed]) for r in new]
    new.append(planted_records.record(msgspec.structs.replace(CPU, replicate=len(BASE) + 1), disturbed))
    row = only(compare(tmp_path, base, new))
    assert (row.metric, row.verdict, row.n_base, row.n_new) == ("wall_time", "equivalent", 5, 5)


DRIFT = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7)
"""What a machine that slows down does to pair after pair."""
WOBBLE = (1.002, 0.998, 1.001, 0.999, 1.003, 0.997, 1.0, 1.0)


def interleaved(seconds: Sequence[float], first: int = 1) -> list[Record]:
    """Processes with these medians, numbered as pairs."""
    return [
        msgspec.structs.replace(record, pair=number)
        for number, record in enumerate(planted_records.replicates(CPU, seconds), start=first)
    ]


def drifting(factor: float) -> list[float]:
    """NEW where the factor is not 1: 3% then stands against 0.2% within and 70% between pairs."""
    wobble = WOBBLE if factor != 1 else (1.0,) * len(DRIFT)
    return [0.1 * drift * factor * w for drift, w in zip(DRIFT, wobble, strict=True)]


def test_pairs_see_what_drift_hides(tmp_path: Path) -> None:
    base, new = drifting(1), drifting(1.03)
    row = only(compare(tmp_path / "paired", interleaved(base), interleaved(new)))
    logs = [math.log(y / x) for x, y in zip(base, new, strict=True)]
    expected = oracle.ttest_1samp(logs, 0.0).confidence_interval(0.99)
    assert (row.verdict, row.paired, row.n_base, row.n_new) == ("slower", True, 8, 8)
    assert row.low is not None
    assert row.high is not None
    assert (math.log(row.low), math.log(row.high)) == pytest.approx((expected.low, expected.high))
    alone = only(
        compare(tmp_path / "not", planted_records.replicates(CPU, base), planted_records.replicates(CPU, new))
    )
    assert (alone.verdict, alone.paired) == ("inconclusive", False)
    assert alone.ratio == pytest.approx(row.ratio)


def test_the_text_says_that_pairs_were_used(tmp_path: Path) -> None:
    paired = compare(tmp_path / "paired", interleaved(drifting(1)), interleaved(drifting(1.03))).document
    words = " ".join(paired.text)
    assert "1 of 1 rows with an interval are judged by log ratios of pairs" in words
    assert "different times" not in words
    (row,) = json.loads(formats.render("json", paired))["rows"]
    assert row["paired"] is True
    alone = compare(
        tmp_path / "not", planted_records.replicates(CPU, BASE), planted_records.replicates(CPU, BASE)
    ).document
    assert "log ratios of pairs" not in " ".join(alone.text)


def test_only_pairs_that_both_sides_finished_count(tmp_path: Path) -> None:
    """Pair 1 lacks NEW and pair 8 lacks BASE: with either, the ratio would not be 1.03."""
    base, new = interleaved([5.0, *drifting(1)][:7]), interleaved([*drifting(1.03)[:6], 9.0], first=2)
    row = only(compare(tmp_path, base, new))
    assert (row.n_base, row.n_new, row.verdict) == (6, 6, "slower")
    assert row.ratio == pytest.approx(1.03, abs=0.001)
    assert row.base == pytest.approx(oracle.gmean(drifting(1)[:6]))


@pytest.mark.parametrize("spoil", ["one process without a pair", "a pair twice", "no pair of both"])
def test_what_is_not_interleaved_throughout_is_unpaired(tmp_path: Path, spoil: str) -> None:
    base, new = interleaved(drifting(1)), interleaved(drifting(1.03))
    if spoil == "no pair of both":
        new = interleaved(drifting(1.03), first=101)
    else:
        new[3] = msgspec.structs.replace(new[3], pair=1 if spoil == "a pair twice" else None)
    row = only(compare(tmp_path, base, new))
    assert (row.verdict, row.paired, row.n_new) == ("inconclusive", False, 8)


def test_equal_numbers_of_two_ab_runs_are_no_pairs(tmp_path: Path) -> None:
    before = planted_records.write(tmp_path / "before" / "a", interleaved(drifting(1)))
    after = planted_records.write(tmp_path / "after" / "a", interleaved(drifting(1.03)))
    assert not only(build([before], [after])).paired


def test_paired_rows_agree_with_the_rule_for_pairs(tmp_path: Path) -> None:
    row = only(compare(tmp_path, interleaved(BASE), interleaved(times(1.05)[::-1])))
    ratios = [math.log(y / x) for x, y in zip(BASE, times(1.05)[::-1], strict=True)]
    expected = verdicts.paired(ratios)
    assert (row.low, row.high, row.detectable, row.p) == pytest.approx(
        (expected.low, expected.high, expected.detectable, expected.p)
    )


def test_a_pair_with_a_zero_has_no_ratio(tmp_path: Path) -> None:
    row = only(compare(tmp_path, interleaved(BASE), interleaved([0.0, *BASE[1:]])))
    assert (row.verdict, row.paired, row.ratio, row.reason) == (
        "inconclusive",
        False,
        None,
        verdicts.NO_RATIO,
    )
