"""The first screen of a comparison: what it says of planted runs, and what it must not say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Record
from reports import formats
from reports.compare.compare_report import RunComparison, build
from reports.compare.short_form import short_form
from reports.document import Answer
from tests.planted import planted_ceilings, planted_records
from tests.planted.planted_records import replicates
from tests.planted.shown_cells import rows_of

CPU = Case(model="vgg11", batch=8, threads=2)
CPU_ROW = CPU.without_replicate()
LENET = Case(model="lenet5", image=28, channels=1, classes=10, threads=2)
QUIET = (0.100, 0.101, 0.099, 0.1005, 0.0995)
NOISY = (0.100, 0.120, 0.085, 0.110, 0.095)
WILD = (0.002, 0.9)


def times(factor: float, base: Sequence[float] = QUIET) -> list[float]:
    return [seconds * factor for seconds in base]


def batch(size: int) -> Case:
    return structs.replace(CPU, batch=size)


def run(*cases: tuple[Case, Sequence[float]]) -> list[Record]:
    return [record for case, medians in cases for record in replicates(case, medians)]


def compare(tmp_path: Path, base: list[Record], new: list[Record], **how: Any) -> RunComparison:
    return build(
        [planted_records.write(tmp_path / "base", base)],
        [planted_records.write(tmp_path / "new", new)],
        **how,
    )


def answer(comparison: RunComparison) -> Answer:
    found = comparison.document.answer
    assert found is not None
    return found


def said(comparison: RunComparison) -> str:
    return " ".join(answer(comparison).headlines)


def test_a_slowdown_is_the_first_sentence(tmp_path: Path) -> None:
    base = run((batch(1), QUIET), (batch(2), QUIET), (batch(4), QUIET))
    new = run((batch(1), QUIET), (batch(2), times(1.12)), (batch(4), QUIET))
    found = compare(tmp_path, base, new)
    assert found.document.title == "1 slower, 2 equivalent"
    assert answer(found).headlines == (
        "1 of 3 times changed: VGG-11 inference, batch 2 is 12.0% slower (9.8% to 14.3%).",
        "2 are equivalent within 2%.",
    )
    assert answer(found).about.endswith("· same machine and versions · 5 processes a side")
    table = answer(found).table
    assert table is not None
    (row,) = rows_of(table)
    assert (row["case"], row["verdict"]) == ("VGG-11 inference, batch 2", "▲ slower")
    assert str(row["change"]).startswith("+12.0% (+9")
    assert "2 equivalent rows are hidden (--all)." in table.notes


def test_a_speed_up_is_told_as_less_time_and_a_large_one_as_a_factor(tmp_path: Path) -> None:
    base = run((batch(1), QUIET), (batch(2), QUIET))
    new = run((batch(1), times(0.9)), (batch(2), times(0.25)))
    first, *_ = answer(compare(tmp_path, base, new)).headlines
    assert first.startswith(
        "2 of 2 times changed (2 faster): VGG-11 inference, batch 2 is faster, at 4.00x (3.92x to 4.08x) the "
        "speed; VGG-11 inference, batch 1 is faster, in 10"
    )
    assert first.endswith("less time.")


def test_changes_in_both_directions_are_counted_apart(tmp_path: Path) -> None:
    base = run((batch(1), QUIET), (batch(2), QUIET))
    new = run((batch(1), times(0.9)), (batch(2), times(1.2)))
    found = compare(tmp_path, base, new)
    assert found.document.title == "1 slower, 1 faster"
    assert "2 of 2 times changed (1 slower, 1 faster): VGG-11 inference, batch 2 is 20" in said(found)


def test_equivalent_times_are_no_news_and_no_change_is_claimed(tmp_path: Path) -> None:
    base = run((batch(1), QUIET), (batch(2), QUIET))
    found = compare(tmp_path, base, base)
    assert answer(found).headlines == ("No time changed: both are equivalent within 2%.",)
    assert answer(found).table is None
    for word in ("slower", "faster"):
        assert word not in said(found)
    table = answer(compare(tmp_path / "all", base, base, show_all=True)).table
    assert table is not None
    assert [row["verdict"] for row in rows_of(table)] == ["= equivalent"] * 2


def test_inconclusive_is_never_called_equal(tmp_path: Path) -> None:
    """Processes that scatter by 15% cannot show 3%: neither a change nor its absence is claimed."""
    base, new = (
        run((batch(1), NOISY), (batch(2), NOISY)),
        run((batch(1), times(1.03, NOISY)), (batch(2), NOISY)),
    )
    found = compare(tmp_path, base, new)
    (sentence,) = answer(found).headlines
    assert sentence.startswith("Undecided: both times are inconclusive; changes below ")
    assert sentence.endswith("may have gone unseen.")
    assert found.document.title == "Both times are inconclusive"
    for word in ("equivalent", "No time changed", "slower", "faster"):
        assert word not in sentence


def test_a_mixture_says_how_many_are_open_beside_what_changed(tmp_path: Path) -> None:
    base = run((batch(1), QUIET), (batch(2), NOISY), (batch(4), QUIET))
    new = run((batch(1), times(1.3)), (batch(2), NOISY), (batch(4), QUIET))
    _, others = answer(compare(tmp_path, base, new)).headlines
    assert others.startswith("1 is equivalent within 2%; 1 is inconclusive: changes below ")


def test_no_absurd_figure_is_printed(tmp_path: Path) -> None:
    """Two processes that are 450 times apart say nothing of a ratio."""
    base, new = run((CPU, WILD)), run((CPU, times(1.1, WILD)))
    found = compare(tmp_path, base, new, plain_intervals=True)
    table = answer(found).table
    assert table is not None
    (row,) = rows_of(table)
    assert (row["BASE, ms"], row["NEW, ms"], row["change"]) == ("?", "?", "not resolved")
    text = formats.render("terminal", structs.replace(found.document, whole=True))
    assert "e+" not in text
    assert "even a tenfold change may have gone unseen" in said(found)


def test_one_process_a_side_claims_nothing(tmp_path: Path) -> None:
    found = compare(tmp_path, run((CPU, (0.1,))), run((CPU, (0.2,))))
    assert said(found) == (
        "VGG-11 inference, batch 8 is undecided: one process on a side does not show how processes differ."
    )
    table = answer(found).table
    assert table is not None
    assert rows_of(table)[0]["change"] == "+100% †"


def test_what_one_process_hides_is_not_said_of_all(tmp_path: Path) -> None:
    base, new = run((batch(1), NOISY), (batch(2), QUIET)), run((batch(1), NOISY), (batch(2), (0.2,)))
    sentence = said(compare(tmp_path, base, new))
    assert sentence.startswith("Undecided: both times are inconclusive; changes below ")
    assert sentence.endswith("% may have gone unseen; 1 has one process on a side.")


def test_a_change_of_an_unresolved_side_is_no_number(tmp_path: Path) -> None:
    """Two runs of BASE that differ twofold, and one of NEW: 68% would follow from a figure that is not
    known."""
    one, other, new = (
        planted_records.write(tmp_path / name, run((CPU, medians)))
        for name, medians in (("one", QUIET), ("other", times(2.0)), ("new", times(2.4)))
    )
    failed = planted_records.record(CPU, status="oom", reason="out of memory")
    found = build([one, other], [new, planted_records.write(tmp_path / "failed", [failed])])
    table = answer(found).table
    assert table is not None
    (row,) = rows_of(table)
    assert (row["BASE, ms"], row["change"]) == ("?", "?")
    (whole,) = (each for each in found.document.tables if each.title == "Time")
    assert rows_of(whole)[0]["change"] == "?"


def test_nothing_in_common_names_the_nearest_mismatch(tmp_path: Path) -> None:
    small = structs.replace(CPU, image=64)
    found = compare(
        tmp_path, run((small, QUIET), (LENET, QUIET)), run((structs.replace(CPU, image=28), QUIET))
    )
    assert found.is_empty
    assert found.document.title == "Nothing was compared"
    assert answer(found).headlines == (
        "Nothing was compared. No case is on both sides. Nearest mismatch (VGG-11 inference, batch 8): "
        "image 64 px in BASE, 28 px in NEW.",
    )
    (table,) = (table for table in found.document.tables if table.title == "Not compared")
    assert table.notes[0].endswith("image 64 px in BASE, 28 px in NEW.")


def test_equal_peaks_are_no_comparison_of_networks(tmp_path: Path) -> None:
    """A whole suite measures the machine's peak on both sides: the gate must not pass for that alone."""
    peak = planted_ceilings.ceilings()
    base, new = run((structs.replace(CPU, image=64), QUIET)), run((structs.replace(CPU, image=28), QUIET))
    found = compare(tmp_path, [peak, *base], [peak, *new], fail_on="slower")
    assert found.is_empty
    assert found.document.title == "Nothing was compared"
    assert "image 64 px in BASE, 28 px in NEW" in said(found)
    assert found.gate is not None
    assert found.gate.reasons == ("nothing was compared",)


def test_runs_of_peaks_alone_are_compared(tmp_path: Path) -> None:
    peak = [planted_ceilings.ceilings()]
    found = compare(tmp_path, peak, peak)
    assert not found.is_empty
    assert found.document.title == "Peak: both inconclusive"
    assert said(found) == "Peak: both inconclusive."


def test_the_same_work_under_another_precision_is_no_mismatch_of_cases(tmp_path: Path) -> None:
    """What was read back differs, and no axis does."""
    other = [
        structs.replace(record, effective=structs.replace(record.effective, precision={"conv": "tf32"}))
        for record in run((CPU, QUIET))
        if record.effective is not None
    ]
    found = compare(tmp_path, run((CPU, QUIET)), other)
    assert found.is_empty
    assert "precision read back differs: conv ieee / tf32" in said(found)
    assert "Nearest mismatch" not in said(found)


def test_a_case_that_fails_in_new_is_said_first(tmp_path: Path) -> None:
    oom = planted_records.record(batch(64), status="oom", reason="out of memory")
    found = compare(tmp_path, run((CPU, QUIET), (batch(64), QUIET)), [*run((CPU, QUIET)), oom])
    assert answer(found).headlines[0] == "1 case of BASE failed in NEW: vgg11."
    assert "1 case not compared (only in BASE; NEW: oom 1)" in answer(found).warnings


@pytest.mark.parametrize(
    ("factor", "fail_on", "words"),
    [
        (
            1.12,
            "slower",
            "Gate --fail-on slower: FAIL (exit 1): VGG-11 inference, batch 8, forward wall: takes 12",
        ),
        (0.9, "slower", "Gate --fail-on slower: PASS."),
        (0.9, "any", "Gate --fail-on any: FAIL (exit 1): VGG-11 inference, batch 8, forward wall: takes 10"),
        (1.0, "any", "Gate --fail-on any: PASS."),
        (
            1.12,
            "inconclusive",
            "Gate --fail-on inconclusive: FAIL (exit 1): VGG-11 inference, batch 8, forward",
        ),
        (1.0, "inconclusive", "Gate --fail-on inconclusive: PASS."),
    ],
)
def test_the_gates_result_is_on_the_first_screen(
    tmp_path: Path, factor: float, fail_on: Any, words: str
) -> None:
    found = compare(tmp_path, run((CPU, QUIET)), run((CPU, times(factor))), fail_on=fail_on)
    assert found.gate is not None
    assert bool(found.gate.reasons) == ("FAIL" in words)
    assert words in said(found)


def test_a_gate_may_refuse_what_it_cannot_tell(tmp_path: Path) -> None:
    one = compare(tmp_path, run((CPU, QUIET[:1])), run((CPU, QUIET[:1])), fail_on="inconclusive")
    assert one.gate is not None
    (reason,) = one.gate.reasons
    assert reason.startswith("VGG-11 inference, batch 8 is inconclusive: one process on a side")


def test_a_slower_row_among_many_may_pass_and_says_so(tmp_path: Path) -> None:
    many = [(batch(size), QUIET) for size in range(100, 130)]
    found = compare(tmp_path, run((CPU, QUIET), *many), run((CPU, times(1.024)), *many), fail_on="slower")
    assert [row.verdict for row in found.rows].count("slower") == 1
    assert (
        "Gate --fail-on slower: PASS: 1 of 31 tests found a change, none significant after correction."
        in said(found)
    )


def test_memory_that_grew_is_told_though_no_time_changed(tmp_path: Path) -> None:
    def side(size: float) -> list[Record]:
        fact = planted_records.fact("step", "peak_allocated", size)
        return [structs.replace(r, measurements=[*r.measurements, fact]) for r in replicates(CPU, QUIET)]

    found = compare(tmp_path, side(2**30), side(2**30 * 1.5))
    assert "VGG-11 inference, batch 8 is equivalent within 2%" in said(found)
    assert (
        "Memory: 1 larger (VGG-11 inference, batch 8, step peak allocated: takes 50% more memory)."
        in said(found)
    )
    table = answer(found).table
    assert table is not None
    assert rows_of(table)[0]["change"] == "takes 50% more memory"


def test_warnings_are_counted_and_names_tell_cases_apart(tmp_path: Path) -> None:
    compiled = structs.replace(CPU, engine="compile")
    base = run((CPU, QUIET), (compiled, QUIET))
    drifting = [
        structs.replace(r, warnings=[CaseWarning("drifting", "planted")]) for r in run((compiled, times(1.2)))
    ]
    found = compare(tmp_path, base, [*run((CPU, QUIET)), *drifting])
    assert answer(found).warnings == "1 row ! (drifting 1): --section time."
    assert "VGG-11 inference, batch 8, compile is 20.0% slower" in said(found)


def test_the_first_line_names_what_both_sides_ran_on(tmp_path: Path) -> None:
    newer = structs.replace(planted_records.MACHINE, libraries={"torch": "2.12.0"})
    new = [structs.replace(record, environment=newer) for record in run((CPU, QUIET))]
    alike = compare(tmp_path / "alike", run((CPU, QUIET)), run((CPU, QUIET)))
    assert "no GPU · torch 2.11.0 · same machine and versions" in answer(alike).about
    other = compare(tmp_path / "other", run((CPU, QUIET)), new)
    assert "no GPU · torch 2.11.0 → 2.12.0" in answer(other).about


def test_another_version_stands_in_the_first_line_and_another_processor_is_an_alarm(tmp_path: Path) -> None:
    newer = structs.replace(planted_records.MACHINE, libraries={"torch": "2.12.0"}, cpu="Other CPU")
    new = [structs.replace(record, environment=newer) for record in run((CPU, QUIET))]
    found = compare(tmp_path, run((CPU, QUIET)), new)
    assert "CPU Test CPU → Other CPU, torch 2.11.0 → 2.12.0" in answer(found).about
    assert answer(found).alarms == (
        "BASE and NEW ran on different CPUs (Test CPU / Other CPU). "
        "Every CPU ratio includes this difference.",
    )


def test_the_short_form_is_the_answer_alone(tmp_path: Path) -> None:
    base, new = run((CPU, QUIET), (batch(1), QUIET)), run((CPU, times(1.12)), (batch(1), QUIET))
    found = compare(tmp_path, base, new)
    text = formats.render("md", short_form(found.document))
    assert text.startswith("# 1 slower, 1 equivalent\n")
    assert len(text.splitlines()) < 30
    assert "Appendix" not in text
    assert "<details>" not in text
    assert "--full" in text
    assert "<details>" in formats.render("md", found.document)


def test_the_first_screen_has_24_lines_of_100_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run of whose 29 cases 27 got slower, and whose gate fails."""
    monkeypatch.chdir(tmp_path)
    many = [(batch(size), QUIET) for size in range(1, 30)]
    slower = [(case, times(1 + 0.01 * at)) for at, (case, _) in enumerate(many)]
    found = compare(Path("runs"), run(*many), run(*slower), fail_on="slower")
    lines = formats.render("terminal", found.document).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines[:-1])) <= 100


def test_programs_still_read_the_ratio_with_all_digits(tmp_path: Path) -> None:
    found = compare(tmp_path, run((CPU, QUIET)), run((CPU, times(1.05))))
    shown = json.loads(formats.render("json", found.document))
    assert shown["headline"] == list(answer(found).headlines)
    assert shown["started_at"] == "2026-01-01T00:00:00Z"
    (row,) = shown["rows"]
    assert row["ratio"] == pytest.approx(1.05)
    assert row["verdict"] == "slower"


SECONDS = st.lists(st.floats(0.001, 10.0), min_size=2, max_size=5)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=SECONDS, new=SECONDS, factor=st.floats(0.5, 2.0))
def test_no_claim_without_its_verdict_and_no_number_without_its_interval(
    tmp_path_factory: pytest.TempPathFactory, base: list[float], new: list[float], factor: float
) -> None:
    """Whatever processes say: sentences use the rows' verdicts, and a time that is not resolved is `?`."""
    folder = tmp_path_factory.mktemp("runs")
    found = compare(folder, run((CPU, base), (LENET, QUIET)), run((CPU, new), (LENET, times(factor))))
    text = said(found)
    verdicts = {row.verdict for row in found.rows}
    for word in ("slower", "faster", "equivalent"):
        assert (word in text) == (word in verdicts)
    table = answer(found).table
    intervals = {
        "VGG-11 inference, batch 8": next(row.base_interval for row in found.rows if row.case == CPU_ROW)
    }
    for shown in rows_of(table) if table else []:
        interval = intervals.get(str(shown["case"]))
        if interval is not None and interval.high / interval.low > 1.25**2:
            assert list(shown.values())[1] == "?"  # in ms or s
    assert "e+" not in formats.render("terminal", structs.replace(found.document, whole=True))
