"""The first screen of a run's report: what it claims, and what it must not."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase as Phase_
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bench.plan import ceiling_cases, single_case
from bench.runner import plan_file
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.kept_plan import Shard
from bench.schema.phases import Phase
from bench.schema.record import Record, Status
from bench.stats.estimates import Interval, Ratio
from reports import formats
from reports.cells import Quantity, readable
from reports.document import Answer, Document
from reports.pages.run_headlines import gain
from reports.pages.run_report import build
from reports.tables.case_names import network_name
from tests.planted import planted_records
from tests.planted.planted_ceilings import COPY, PRODUCT, of

VGG = Case(model="vgg16", threads=2, batch=8)
CLOSE = (0.99, 1.0, 1.01)
"""Of three processes, relative to their mean: an interval of a few percent."""
APART = (0.4, 1.0, 2.5)


def timed(case: Case, seconds: float, spread: Sequence[float] = CLOSE) -> list[Record]:
    """A process for each of the spread, with work to compare with a peak."""
    phase: Phase = "forward" if case.workload == "inference" else "step"
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            planted_records.time(phase, seconds * wobble),
            planted_records.fact("forward", "flops", 1e9, "FLOP"),
            planted_records.fact("forward", "bytes_moved", 1e7),
        )
        for number, wobble in enumerate(spread, start=1)
    ]


def peak(flops_per_second: float, spread: Sequence[float] = CLOSE) -> list[Record]:
    """Of the machine in fp32 with two threads; copies are far from any limit."""
    seconds = 0.01
    return [
        planted_records.record(
            structs.replace(ceiling_cases.case("cpu", "fp32", 2), replicate=number),
            *of(PRODUCT, planted_records.time("product", seconds * wobble)),
            *of(PRODUCT, planted_records.fact("product", "flops", flops_per_second * seconds, "FLOP")),
            *of(COPY, planted_records.time("product", seconds * wobble)),
            *of(COPY, planted_records.fact("product", "bytes_moved", 100e9 * seconds)),
        )
        for number, wobble in enumerate(spread, start=1)
    ]


def report(tmp_path: Path, records: Sequence[Record]) -> Document:
    return build([planted_records.write(tmp_path, records)])


def answer(tmp_path: Path, *records: Sequence[Record]) -> Answer:
    found = report(tmp_path, [each for several in records for each in several]).answer
    assert found is not None
    return found


def faster(case: Case = VGG) -> Case:
    return structs.replace(case, precision="bf16", layout="channels-last")


def test_a_speed_up_stands_in_the_headline_with_its_interval_and_its_configuration(tmp_path: Path) -> None:
    """0.2 s over 0.1 s, of three processes each within 1%."""
    (headline,) = answer(tmp_path, timed(VGG, 0.2), timed(faster(), 0.1)).headlines
    assert headline.startswith("VGG-16 inference, batch 8: 100 ms ±")
    assert " with bf16, channels-last, 2.0x as fast as fp32 eager (1.9x to 2.1x); 80.0 images/s" in headline


def test_no_speed_up_is_claimed_where_the_interval_includes_1(tmp_path: Path) -> None:
    found = answer(tmp_path, timed(VGG, 0.101), timed(faster(), 0.1))
    assert "fp32 eager (bf16, channels-last not shown to be faster)" in found.headlines[0]
    assert "as fast as" not in " ".join(found.headlines)
    assert found.table is not None
    assert "vs fp32 eager" not in found.table.columns


def test_no_speed_up_is_claimed_of_single_processes(tmp_path: Path) -> None:
    """Nothing is known of how their next processes would differ."""
    found = answer(tmp_path, timed(VGG, 0.2, [1.0]), timed(faster(), 0.1, [1.0]))
    assert "as fast as" not in " ".join(found.headlines)
    assert "2 cases † have one process: not compared." in found.warnings


def test_a_speed_up_that_is_not_resolved_is_told_by_its_lower_end() -> None:
    known = Ratio(8.06, Interval(6.62, 9.84, "across-processes"))
    assert gain(known, " as fast as fp32 eager") == "8.1x as fast as fp32 eager (6.6x to 9.8x)"
    wide = Ratio(3.0, Interval(1.13, 8.0, "across-processes"))
    assert gain(wide, " as fast as fp32 eager") == "at least 1.1x as fast as fp32 eager"


def test_the_best_of_many_configurations_needs_more_than_the_best_of_one(tmp_path: Path) -> None:
    """The same two configurations: with 20 further candidates their difference may be chance."""
    pair = [*timed(VGG, 0.2, (0.97, 1.0, 1.03)), *timed(faster(), 0.181, (0.97, 1.0, 1.03))]
    assert "as fast as fp32 eager" in answer(tmp_path / "two", pair).headlines[0]
    others = [
        record
        for engine in ("compile", "compile-max-autotune", "compile-reduce-overhead")
        for precision in ("fp32", "bf16", "amp-bf16")
        for layout in ("nchw", "channels-last")
        for record in timed(
            structs.replace(VGG, engine=engine, precision=precision, layout=layout), 0.4, (0.97, 1.0, 1.03)
        )
    ]
    assert "none of 19 others shown to be faster" in answer(tmp_path / "many", pair + others).headlines[0]


def test_an_unresolved_time_is_named_and_never_a_number(tmp_path: Path) -> None:
    found = answer(tmp_path, timed(VGG, 0.2, APART))
    assert found.headlines == ("Not resolved: VGG-16 inference; repeated processes differ too much.",)
    assert found.chart is None
    assert found.table is not None
    row = dict(zip(found.table.columns, map(readable, found.table.rows[0]), strict=True))
    assert row["time (ms)"].startswith("not resolved")
    assert row["images/s"] == "?"


def test_the_share_of_the_peak_needs_a_resolved_peak(tmp_path: Path) -> None:
    """A GFLOP in 0.1 s are 10 of 20 GFLOP/s."""
    (headline,) = answer(tmp_path / "known", timed(VGG, 0.1), peak(20e9)).headlines
    assert "compute-bound, 50% of this CPU's fp32 peak" in headline
    (rough,) = answer(tmp_path / "rough", timed(VGG, 0.1), peak(20e9, (0.93, 1.0, 1.07))).headlines
    assert "compute-bound, about 50% of this CPU's fp32 peak" in rough
    unknown = answer(tmp_path / "unknown", timed(VGG, 0.1), peak(20e9, APART))
    assert unknown.headlines[0].endswith("images/s, share of peak not resolved.")
    assert unknown.table is not None
    assert "% of peak" not in unknown.table.columns


def test_a_network_above_the_measured_peak_is_the_first_line(tmp_path: Path) -> None:
    """Two figures of one report that cannot both be right."""
    (alarm,) = answer(tmp_path / "low", timed(VGG, 0.1), peak(5e9)).alarms
    assert alarm.startswith("The measured fp32 peak is too low: VGG-16 inference, batch 8 reached at least ")
    assert not answer(tmp_path / "high", timed(VGG, 0.1), peak(20e9)).alarms


def test_a_peak_that_is_too_low_is_measured_again_before_anything_else(tmp_path: Path) -> None:
    """What a search or more processes would add rests on it too."""
    step = answer(tmp_path, timed(VGG, 0.1), peak(5e9)).next_step
    assert step is not None
    assert step.command == "convbench ceilings --device cpu --threads 2 --precision fp32 --replicates 3"
    assert step.purpose == "measures the peak again"
    fine = answer(tmp_path / "fine", timed(VGG, 0.1), peak(20e9)).next_step
    assert fine is not None
    assert fine.command.startswith("convbench best vgg16")


def test_the_first_line_names_the_processor_and_the_gpu_where_both_were_used(tmp_path: Path) -> None:
    gpu = [
        structs.replace(record, environment=planted_records.GPU_MACHINE)
        for record in timed(structs.replace(VGG, device="cuda"), 0.01)
    ]
    cpu = [structs.replace(each, environment=planted_records.GPU_MACHINE) for each in timed(VGG, 0.1)]
    both = answer(tmp_path / "both", cpu, gpu)
    assert both.about.startswith("Test GPU and Test CPU, 2 cores")
    alone = answer(tmp_path / "alone", gpu)
    assert alone.about.startswith("Test GPU · torch")


def test_a_network_whose_times_are_all_zero_is_named_and_not_dropped_silently(tmp_path: Path) -> None:
    found = answer(tmp_path, timed(VGG, 0.1), timed(Case(model="lenet5", threads=2), 0.0))
    assert found.warnings.startswith("1 case left out, as all times are 0: LeNet-5 inference, batch 1.")


def test_what_is_incomplete_or_not_measured_yet_is_on_the_first_screen(tmp_path: Path) -> None:
    incomplete = [
        structs.replace(record, warnings=[CaseWarning("incomplete", "ledger: planted")])
        for record in timed(VGG, 0.1)
    ]
    folder = planted_records.write(tmp_path, incomplete)
    plan_file.write(folder, single_case.plan_of("lenet5", {"device": ("cpu",)}, until="5%"))
    found = build([folder]).answer
    assert found is not None
    assert found.warnings.startswith(
        "1 case not measured yet. 1 case with missing figures (incomplete): --section warnings."
    )


def test_the_same_case_on_two_machines_is_told_with_its_machine(tmp_path: Path) -> None:
    other = structs.replace(planted_records.MACHINE, host="other", cpu="Other CPU")
    there = [structs.replace(record, environment=other) for record in timed(VGG, 0.02)]
    shown = build(
        [
            planted_records.write(tmp_path / "here", timed(VGG, 0.1)),
            planted_records.write(tmp_path / "there", there),
        ]
    ).answer
    assert shown is not None
    assert [line.split(":")[0] for line in shown.headlines] == [
        "VGG-16 inference, batch 8 on machine A",
        "VGG-16 inference, batch 8 on machine B",
    ]
    assert shown.chart is not None
    assert [row.label for row in shown.chart.rows] == ["VGG-16 machine A", "VGG-16 machine B"]
    assert shown.table is not None
    assert shown.table.notes == ("machines A, B, ...: --section system",)


def test_single_processes_are_counted_by_the_marks_of_the_table(tmp_path: Path) -> None:
    """Beside cases of several processes a single one has a borrowed interval, which has another mark."""
    names = ("lenet5", "alexnet", "vgg11", "vgg13", "vgg19")
    several = [timed(structs.replace(VGG, model=name), 0.1, (1.0, 1.01, 0.99, 1.02)) for name in names]
    shown = answer(tmp_path, *several, timed(VGG, 0.1, (1.0,)))
    assert "§" in shown.headlines[0]
    assert shown.warnings == "1 case § has one process: not compared."


def test_warnings_are_counted_by_what_a_reader_must_do(tmp_path: Path) -> None:
    drifting = [structs.replace(each, warnings=[CaseWarning("drifting")]) for each in timed(VGG, 0.1)]
    failed = planted_records.record(structs.replace(VGG, batch=4096), status="oom", reason="too large")
    found = answer(tmp_path, drifting, [failed])
    assert found.warnings == (
        "1 case failed: VGG-16 inference, batch 4096 (oom). ! 1 case may not repeat (drifting 1)."
    )


def test_several_failures_are_counted_by_status_with_the_part_that_lists_them(tmp_path: Path) -> None:
    ends: tuple[tuple[int, Status], ...] = ((1024, "oom"), (2048, "oom"), (64, "crashed"))
    failed = [
        planted_records.record(structs.replace(VGG, batch=batch), status=status, reason="planted")
        for batch, status in ends
    ]
    found = answer(tmp_path, timed(VGG, 0.1), failed)
    assert found.warnings == "3 cases failed (oom 2, crashed 1): --section failures."


@pytest.mark.parametrize(
    ("spread", "command"),
    [((1.0,), "--until 5%"), (APART, "--replicates 20"), (CLOSE, "--ceilings")],
)
def test_the_next_command_is_for_the_worst_defect(
    tmp_path: Path, spread: Sequence[float], command: str
) -> None:
    """Complete, as the folder keeps its plan."""
    case = Case(model="lenet5", image=28, channels=1, classes=10, threads=1)
    folder = planted_records.write(tmp_path, timed(case, 0.001, spread))
    plan = single_case.plan_of("lenet5", {"device": ("cpu",), "threads": (1,)}, until="5%")
    plan_file.write(folder, plan)
    found = build([folder]).answer
    assert found is not None
    assert found.next_step is not None
    assert found.next_step.command == f"convbench run --resume --out {folder} {command}"


def test_a_shard_is_not_asked_for_more_processes(tmp_path: Path) -> None:
    """They are dealt out: `--resume --until` would be refused."""
    case = Case(model="lenet5", image=28, channels=1, classes=10, threads=1)
    folder = planted_records.write(tmp_path, timed(case, 0.001, APART))
    plan = single_case.plan_of("lenet5", {"device": ("cpu",), "threads": (1,)}, until="5%")
    plan_file.write(folder, structs.replace(plan, replicates=8, until=None, shard=Shard(index=0, count=2)))
    found = build([folder]).answer
    assert found is not None
    assert found.next_step is not None
    assert "--resume" not in found.next_step.command


def test_a_case_that_the_plan_has_and_the_records_lack_is_counted(tmp_path: Path) -> None:
    folder = planted_records.write(tmp_path, timed(VGG, 0.1))
    plan_file.write(folder, single_case.plan_of("lenet5", {"device": ("cpu",)}, until="5%"))
    found = build([folder]).answer
    assert found is not None
    assert "1 of 2 cases" in found.about
    assert found.next_step is not None
    assert found.next_step.command == f"convbench run --resume --out {folder}"


def test_what_most_readers_look_for_is_on_the_first_screen(tmp_path: Path) -> None:
    """Of fifteen networks the table shows some: VGG-16 among them."""
    models = ("lenet5", "alexnet", "alexnet-96", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11-bn", "vgg13-bn")
    records = [record for model in models for record in timed(Case(model=model, threads=2), 0.1)]
    records += [r for m in models for r in timed(Case(model=m, workload="training", threads=2), 0.1)]
    found = report(tmp_path, records)
    assert found.answer is not None
    assert found.answer.table is not None
    assert "VGG-16" in [row[0] for row in found.answer.table.rows]
    assert len(formats.render("terminal", found).splitlines()) <= 24


cases = st.builds(
    Case,
    model=st.sampled_from(("lenet5", "alexnet", "vgg11", "vgg16", "vgg19-bn", "torchvision:resnet18")),
    workload=st.sampled_from(("inference", "training")),
    precision=st.sampled_from(("fp32", "bf16")),
    engine=st.sampled_from(("eager", "compile")),
    batch=st.sampled_from((1, 8, 128)),
    threads=st.sampled_from((1, 2)),
)
runs = st.dictionaries(
    cases,
    st.tuples(
        st.floats(1e-3, 2),
        st.lists(st.floats(0.3, 3), min_size=1, max_size=5),
        st.lists(st.sampled_from(("drifting", "contended", "steal", "bimodal")), max_size=2),
    ),
    min_size=1,
    max_size=14,
)


@given(runs)
@settings(max_examples=25, deadline=None, phases=(Phase_.explicit, Phase_.reuse, Phase_.generate))
def test_the_first_screen_fits_and_prints_no_unresolved_figure(
    planted: dict[Case, tuple[float, list[float], list[str]]],
) -> None:
    """Whatever was measured: 24 lines of 100 columns, and every number on them is resolved."""
    records = [
        structs.replace(record, warnings=[CaseWarning(label) for label in labels])  # type: ignore[arg-type]
        for case, (seconds, spread, labels) in planted.items()
        for record in timed(case, seconds, spread)
    ]
    with TemporaryDirectory() as folder:
        found = report(Path(folder), records)
    lines = formats.render("terminal", found).splitlines()
    assert len(lines) <= 24
    assert max(map(len, (line for line in lines if not line.startswith("Next: ")))) <= 100
    shown = found.answer
    assert shown is not None
    _prints_nothing_unresolved(found, shown)


def _prints_nothing_unresolved(found: Document, shown: Answer) -> None:
    for bar in (bar for row in (shown.chart.rows if shown.chart else ()) for bar in row.bars):
        assert bar is None or (bar.is_resolved and not bar.unresolved)
    unresolved = {row["model"]: row for row in found.rows if row.get("state") == "not resolved"}
    known = ("resolved", "about", "one process")
    resolved = {row["model"] for row in found.rows if row.get("state") in known}
    for model in unresolved.keys() - resolved:
        name = network_name(str(model))
        assert not any(line.startswith(f"{name} ") for line in shown.headlines)
        for row in shown.table.rows if shown.table else ():
            if row[0] == name:
                assert "?" in map(readable, row)
                times = [cell for cell in row if isinstance(cell, Quantity) and not cell.unresolved]
                assert all(readable(cell).startswith("not resolved") for cell in times)


def test_at_80_columns_nothing_is_wider_and_the_figure_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns one can do without go first; the next command stays on one line, to be pasted."""
    models = ("alexnet", "vgg11", "vgg16", "vgg19-bn")
    records = [
        record
        for model in models
        for workload in ("inference", "training")
        for record in timed(Case(model=model, workload=workload, threads=2), 0.1)
    ]
    found = report(tmp_path, [*records, *peak(20e9)])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    text = re.sub(r"\x1b\[[0-9;]*m", "", formats.render("terminal", found))
    assert max(len(line) for line in text.splitlines() if not line.startswith("Next: ")) <= 80
    assert "VGG-16" in text
    assert "100 ±" in text


def test_parts_come_in_the_order_of_questions_and_the_appendix_last(tmp_path: Path) -> None:
    """What one came for, then what it rests on; any of it alone by its name."""
    found = report(tmp_path, planted_records.example())
    names = [part.name for part in found.parts]
    assert names[:6] == ["latency", "training", "speed-ups", "failures", "memory", "system"]
    assert [part.in_appendix for part in found.parts] == sorted(part.in_appendix for part in found.parts)
    only = formats.render("terminal", found.only("memory"))
    assert "Memory, training on cpu (MiB)" in only
    assert "Inference on cpu" not in only.replace("Memory, inference on cpu", "")
