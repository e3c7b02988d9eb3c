"""The answer of a search: every sentence from planted findings, and a command that can be repeated."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.plan.axes import Value
from bench.schema.agreement import Agreement
from bench.schema.case import Case
from bench.schema.ceiling_product import MatrixProduct
from bench.schema.record import Effective
from bench.stats import verdicts
from bench.stats.estimates import Interval
from bench.studies.ab.pair_rows import CasePair, PairRow
from bench.studies.best.search_result import Findings
from bench.studies.best.strategy import CandidateResult, Failure
from reports import formats
from reports.cells import Quantity, brief
from reports.document import Answer
from reports.pages import best_report
from reports.pages.best_answer import in_words, speed
from reports.pages.best_report import document
from reports.summary.pooling import summarise
from reports.tables.case_command import run_command
from tests.planted import planted_records
from tests.planted.commands import Command
from tests.planted.planted_learning import VGG, seeds
from tests.planted.shown_cells import rows_of

PLAIN = Case(model="vgg16", batch=8, threads=2, replicate=0)
WINNER = structs.replace(PLAIN, precision="bf16", layout="channels-last", engine="compile", tuning="freezing")
RIVAL = structs.replace(WINNER, tuning="")
SLOW = structs.replace(PLAIN, precision="fp16")
MATMUL = MatrixProduct(4096, 4096, 4096)
READ_BACK = Effective(
    precision={"conv": "ieee", "matmul": "ieee", "conv_output": "bfloat16", "linear_output": "bfloat16"}
)
FLOPS = 240e9


def one(case: Case, seconds: float, samples: int = 10, *, given_up: bool = False) -> CandidateResult:
    interval = Interval(0.98 * seconds, 1.02 * seconds, "within-process")
    return CandidateResult(case=case, seconds=seconds, interval=interval, samples=samples, given_up=given_up)


TRIED = (
    one(PLAIN, 1.2),
    CandidateResult(case=SLOW, failure=Failure("timeout", "over 60 s")),
    one(structs.replace(PLAIN, layout="channels-last"), 1.5, 6, given_up=True),
    one(RIVAL, 0.18),
    one(WINNER, 0.16),
)


def pair(a: Case, b: Case, ratios: Sequence[float]) -> PairRow:
    """The whole step of `b` at these ratios to that of `a`, pair by pair."""
    import math

    verdict = verdicts.interim_verdict([math.log(ratio) for ratio in ratios], last=True)
    assert verdict is not None
    return PairRow(
        case_pair=CasePair(a=a, b=b),
        phase="forward",
        metric="wall_time",
        decides=True,
        a=1.0,
        b=1.0,
        verdict=verdict,
    )


EIGHTH = (0.12, 0.125, 0.13, 0.125, 0.12, 0.13, 0.125, 0.125)
FOUND = Findings(
    tried=TRIED,
    winner=WINNER,
    plain=PLAIN,
    pairs=(pair(PLAIN, WINNER, EIGHTH),),
    excluded={"amp-fp16": "this CPU has no fp16"},
    agreement=Agreement(images=64, agreeing=60, near_ties=9, relative_error=0.0123),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The winner at 0.16 s and a bf16 product at 4 TFLOP/s."""
    return under_peak(tmp_path / "best", 4e12)


def under_peak(folder: Path, flops_per_second: float) -> Path:
    """The winner, which computes 1.5 TFLOP/s, and a bf16 product."""
    ceiling = Case(model="ceilings", workload="ceiling", precision="bf16", threads=2)
    return planted_records.write(
        folder,
        [
            planted_records.record(
                structs.replace(WINNER, replicate=1),
                planted_records.time("forward", 0.16),
                planted_records.fact("forward", "flops", FLOPS, "FLOP"),
                effective=READ_BACK,
            ),
            planted_records.record(
                ceiling,
                structs.replace(planted_records.time("product", 1.0), product=MATMUL),
                structs.replace(
                    planted_records.fact("product", "flops", flops_per_second, "FLOP"), product=MATMUL
                ),
            ),
        ],
    )


def shown(found: Findings, folder: Path, trained: Sequence[Path] = ()) -> Answer:
    made = best_report.build(found, folder, trained).answer
    assert made is not None
    return made


def answer(found: Findings, folder: Path, trained: Sequence[Path] = ()) -> list[str]:
    return list(shown(found, folder, trained).headlines)


def test_the_answer_says_what_how_fast_how_sure_and_how_much_is_left(folder: Path) -> None:
    text = answer(FOUND, folder)
    assert text[0].startswith(
        "VGG-16 inference, batch 8: 160 ms †, 50.0 images/s with bf16, channels-last, compile, freezing, "
        "2 threads. 8.0x as fast as fp32 eager ("
    )
    assert text[0].endswith(", 8 pairs).")
    assert text[1] == "Limit: 38% of this CPU's measured bf16 peak (4.00 TFLOP/s, 2 threads)."
    assert text[2].startswith(
        "Outputs: same class as fp32 eager for 60 of 64 random images; 9 of 64 images are near ties in "
        "fp32, so their class may flip (relative error 0.012). Accuracy after training: not measured. "
        "To measure it: convbench train vgg16 --precision fp32,bf16 --seeds 5"
    )


def test_the_interval_of_the_speed_is_the_inverse_of_that_of_the_time(folder: Path) -> None:
    (row,) = FOUND.pairs
    times = speed(row)
    assert times is not None
    assert row.verdict.low is not None
    assert row.verdict.high is not None
    assert (times.low, times.high) == pytest.approx((1 / row.verdict.high, 1 / row.verdict.low))
    sentence = answer(FOUND, folder)[0]
    low, high = (float(word) for word in sentence.split("eager (")[1].split("x,")[0].split("x to "))
    assert (low, high) == pytest.approx((times.low, times.high), rel=0.02)


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((0.7, 1.5, 0.9, 1.2), "Not distinguishable from fp32 eager (4 pairs)."),
        ((1.001, 0.999) * 4, "As fast as fp32 eager within 2% (8 pairs)."),
        ((0.1,), "Not confirmed against fp32 eager: a single pair."),
        (
            (1.2, 1.21, 1.19) * 3,
            "Slower than fp32 eager in 9 pairs, though faster in the search: not confirmed.",
        ),
    ],
)
def test_a_speed_up_that_pairs_do_not_support_is_not_claimed(
    folder: Path, ratios: Sequence[float], words: str
) -> None:
    found = structs.replace(FOUND, pairs=(pair(PLAIN, WINNER, ratios),))
    assert answer(found, folder)[0].endswith(f"2 threads. {words}")
    assert "x as fast" not in answer(found, folder)[0]


def test_one_configuration_and_no_ties_are_said_plainly(folder: Path) -> None:
    agreement = Agreement(images=64, agreeing=64, near_ties=0, relative_error=1e-7)
    made = shown(structs.replace(FOUND, tried=(one(WINNER, 0.16),), agreement=agreement, pairs=()), folder)
    assert made.about.endswith("1 configuration")
    assert any("for 64 of 64 random images (relative error 1e-07)." in line for line in made.headlines)


def test_an_interval_that_says_nothing_is_not_printed(folder: Path) -> None:
    """Two pairs that differ: at 99.75% their t interval spans a factor of e^127."""
    text = answer(structs.replace(FOUND, pairs=(pair(PLAIN, WINNER, (0.1, 0.2)),)), folder)
    assert text[0].endswith("Not distinguishable from fp32 eager (2 pairs).")


def test_without_pairs_nothing_is_called_confirmed(folder: Path) -> None:
    made = shown(structs.replace(FOUND, pairs=(), is_complete=False), folder)
    assert "7.5x † as fast as fp32 eager in one process each, not confirmed" in made.headlines[0]
    assert made.warnings.startswith("The budget ended the search before everything was tried")


@pytest.mark.parametrize(
    ("ratios", "standing", "is_alike"),
    [
        ((0.8, 0.81, 0.79) * 2, "2", False),
        ((1.001, 0.999) * 4, "=", True),
        ((0.7, 1.5, 0.9, 1.2), "=", True),
        ((0.9,), "=", True),
    ],
)
def test_a_rival_is_told_as_its_pairs_judge_it(
    folder: Path, ratios: Sequence[float], standing: str, is_alike: bool
) -> None:
    made = shown(structs.replace(FOUND, pairs=(pair(RIVAL, WINNER, ratios), *FOUND.pairs)), folder)
    assert made.table is not None
    assert [row["#"] for row in rows_of(made.table)][:3] == ["1", standing, "3"]
    assert "vs fp32 eager" in made.table.columns
    assert any(note.startswith("=: not distinguishable") for note in made.table.notes) == is_alike
    sentence = "Not distinguishable from bf16, channels-last, compile, 2 threads ("
    assert any(line.startswith(sentence) for line in made.headlines) == is_alike


def test_a_rival_that_won_its_pairs_is_the_answer(folder: Path) -> None:
    pairs = (pair(WINNER, RIVAL, (1.2, 1.21, 1.19) * 3), *FOUND.pairs)
    text = answer(structs.replace(FOUND, pairs=pairs), folder)
    assert "bf16, channels-last, compile, 2 threads led in the search; in 9 pairs it is slower." in text


def test_a_plain_winner_claims_nothing(folder: Path) -> None:
    plain = structs.replace(FOUND, winner=PLAIN, pairs=())
    text = answer(plain, folder)
    assert text[0].endswith("Nothing that was tried is faster than fp32 eager.")
    assert not any("Outputs" in line or "Accuracy" in line for line in text)
    alone = answer(structs.replace(plain, tried=(one(PLAIN, 1.2),)), folder)
    assert alone[0].endswith("Only fp32 eager was measured.")


def test_plain_stands_against_itself_without_an_interval(folder: Path) -> None:
    tried = best_report.build(FOUND, folder, ()).tables[0]
    told = {row["configuration"]: row["vs fp32 eager"] for row in rows_of(tried)}
    assert told["fp32, nchw, eager, 2 threads"] == "1.000x"
    assert str(told["bf16, channels-last, compile, freezing, 2 threads"]).startswith("8.0")


def test_headline_and_table_quote_one_figure_over_all_processes(tmp_path: Path) -> None:
    """The search timed the winner at 0.16 s, its two pairs at 0.17 and 0.18: both print the mean of three."""
    found, folder = search_and_pairs(tmp_path, 0.16, (0.17, 0.18))
    made = best_report.build(found, folder, ())
    assert made.answer is not None
    assert made.answer.table is not None
    first = made.answer.table.rows[0]
    mean = (0.16 * 0.17 * 0.18) ** (1 / 3)
    assert isinstance(first[2], Quantity)
    assert first[2].value == pytest.approx(1e3 * mean)
    assert made.rows[0]["seconds"] == pytest.approx(mean)
    assert brief(first[2]).split()[0] in made.answer.headlines[0]
    assert not made.answer.alarms


def test_a_search_that_its_pairs_contradict_is_the_first_line(tmp_path: Path) -> None:
    found, folder = search_and_pairs(tmp_path, 0.16, (1.7, 1.8))
    (alarm,) = shown(found, folder).alarms
    assert alarm.startswith(
        "bf16, channels-last, compile, freezing, 2 threads: 160 ms in the search, 1.70 s to 1.80 s in the "
        "pairs."
    )


def test_the_next_command_says_how_long_it_takes_and_the_table_how_much_memory(folder: Path) -> None:
    """Of the winner's own process: what it held at most, and what it took."""
    kept = [
        planted_records.record(
            structs.replace(WINNER, replicate=1),
            planted_records.time("forward", 0.16),
            planted_records.fact("forward", "peak_resident", 700 * 2**20),
        )
    ]
    timed = [structs.replace(each, seconds=20.0) for each in kept]
    made = shown(FOUND, planted_records.write(folder.parent / "timed", timed))
    assert made.table is not None
    assert [row["memory (MiB)"] for row in rows_of(made.table)][:2] == ["700", None]
    assert made.next_step is not None
    assert made.next_step.about.startswith("runs this configuration, about ")


def search_and_pairs(tmp_path: Path, searched: float, paired: Sequence[float]) -> tuple[Findings, Path]:
    """The winner in one process of the search, and in one of each pair with the plain case."""
    folder = planted_records.write(
        tmp_path / "best",
        [
            planted_records.record(
                structs.replace(WINNER, replicate=1), planted_records.time("forward", searched)
            )
        ],
    )
    for side, case, times in (("a", PLAIN, [1.2] * len(paired)), ("b", WINNER, paired)):
        records = [
            structs.replace(
                planted_records.record(
                    structs.replace(case, replicate=number), planted_records.time("forward", seconds)
                ),
                pair=number,
            )
            for number, seconds in enumerate(times, 1)
        ]
        planted_records.write(folder / "pairs-1" / side, records)
    tried = (one(PLAIN, 1.2), one(WINNER, searched))
    return structs.replace(FOUND, tried=tried), folder


def test_what_took_longer_than_its_budget_says_so(folder: Path) -> None:
    late = shown(structs.replace(FOUND, seconds=31, budget_seconds=20), folder)
    assert late.about.endswith("5 configurations in 31 s of a budget of 20 s")
    assert "The search took 11 s more than its budget" in late.warnings
    assert (
        "more than its budget"
        not in shown(structs.replace(FOUND, seconds=19, budget_seconds=20), folder).warnings
    )


def test_what_was_not_measured_is_said_and_never_called_equal(folder: Path) -> None:
    unknown = structs.replace(FOUND, agreement="the outputs were not compared: out of memory")
    text = answer(unknown, folder)
    assert text[-1].startswith(
        "Outputs vs fp32 eager: not compared (the outputs were not compared: out of memory)."
    )
    assert "Accuracy after training: not measured" in text[-1]
    without = planted_records.write(
        folder.parent / "bare", [planted_records.record(WINNER, planted_records.time("forward", 0.16))]
    )
    assert any(line.startswith("% of peak: not measured") for line in answer(FOUND, without))


def test_a_winner_above_the_measured_peak_is_the_first_line_and_no_share(tmp_path: Path) -> None:
    found = shown(FOUND, under_peak(tmp_path, 1e12))
    assert found.alarms[0].startswith("The measured bf16 peak is too low: VGG-16 inference, batch 8 reached")
    assert found.headlines[1] == "% of peak: not known, since the measured bf16 peak is too low."


def test_nothing_measured_is_told_with_its_reasons(tmp_path: Path) -> None:
    failed = Findings(tried=(CandidateResult(case=PLAIN, failure=Failure("oom", "no memory")),))
    made = document(
        failed, summarise([planted_records.write(tmp_path, [planted_records.record(PLAIN)])]), None
    )
    assert made.answer is not None
    assert made.answer.headlines == (
        "No configuration could be measured; --section candidates gives the reasons.",
    )
    assert made.answer.table is None
    assert "oom: no memory" in made.tables[0].rows[0]


def test_a_budget_without_time_for_any_configuration_says_so(tmp_path: Path) -> None:
    made = best_report.build(Findings(tried=(), is_complete=False, base=PLAIN), tmp_path, ())
    assert made.title == "VGG-16 inference, batch 8: fastest configuration"
    assert made.answer is not None
    assert made.answer.headlines == (
        "Nothing was measured: the budget ended before the first configuration could start.",
    )
    assert made.answer.next_step is not None
    assert made.answer.next_step.command == (
        "convbench best vgg16 --workload inference --device cpu --batch 8 --budget 600"
    )


def test_all_that_was_tried_stands_in_the_order_of_speed(folder: Path) -> None:
    made = best_report.build(FOUND, folder, ())
    tried, left_out = made.tables
    assert left_out.rows == (("amp-fp16", "this CPU has no fp16"),)
    columns = {name: [row[name] for row in rows_of(tried)] for name in tried.columns}
    assert columns["images/s"] == pytest.approx([50.0, 8 / 0.18, 8 / 1.2, 8 / 1.5, None])
    assert [str(cell).split()[0][:3] for cell in columns["vs fp32 eager"]] == [
        "8.0",
        "6.6",
        "1.0",
        "0.8",
        "Non",
    ]
    assert columns["remark"] == [None, None, None, "given up", "timeout: over 60 s"]
    assert columns["samples"] == [10, 10, 10, 6, None]
    assert [row["is_winner"] for row in made.rows] == [True, False, False, False, False]
    assert made.rows[0]["speedup"] == pytest.approx(7.5)
    for name in ("md", "json", "csv"):
        assert "given" in formats.render(name, made)
    assert "Fastest 4 of 5" in formats.render("terminal", made)


COMMANDS = (
    WINNER,
    structs.replace(PLAIN, workload="training", tuning="fused-optimizer", seed=3),
    Case(model="lenet5", image=32, channels=3, classes=7, batch=2, replicate=0),
    Case(model="alexnet+norm=lrn", image=224, batch=4, threads=2, replicate=0),
)


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.id)
def test_the_command_plans_this_case_and_no_other(case: Case, command_line: Command) -> None:
    program, *arguments = shlex.split(run_command(case))
    assert program == "convbench"
    planned = command_line(*arguments, "--dry-run", "--format", "json")
    assert planned.code == 0, planned.err
    rows = planned.rows()
    axes: dict[str, Value] = {axis: getattr(case, axis) for axis in ("tuning", "image", "threads", "seed")}
    assert {row["model"] for row in rows} == {case.model}
    assert {row["replicate"] for row in rows} == set(range(1, len(rows) + 1))
    for row in rows:
        assert row["skipped"] is None
        for axis, value in axes.items():
            assert row[axis] == value
        for axis in ("workload", "device", "precision", "layout", "engine", "batch", "channels", "classes"):
            assert row[axis] == getattr(case, axis)


def test_a_configuration_in_words() -> None:
    assert in_words(PLAIN) == "fp32, nchw, eager, 2 threads"
    cuda = structs.replace(PLAIN, device="cuda", tuning="cudnn-heuristics+freezing", engine="compile")
    assert in_words(cuda) == "fp32, nchw, compile, cudnn-heuristics, freezing"


def test_training_runs_say_whether_the_precision_learns_as_well(folder: Path) -> None:
    """Three seeds each, at 98% in fp32 and half a point less in bf16; those of other models say nothing."""
    finals = (0.981, 0.98, 0.979)
    bf16 = structs.replace(VGG, precision="bf16")
    trained = planted_records.write(
        folder.parent / "trained", [*seeds(VGG, finals), *seeds(bf16, [each - 0.005 for each in finals])]
    )
    winner = structs.replace(WINNER, model="vgg-small")
    found = structs.replace(FOUND, winner=winner, tried=(one(winner, 0.1),), pairs=())
    text = answer(found, folder, [trained])
    assert "Accuracy of bf16 vs fp32: equivalent on digits, recipe quick at -0.5 (" in text[-1]
    assert "Accuracy after training: not measured" in answer(FOUND, folder, [trained])[-1]


def test_the_command_names_the_gpu_that_was_chosen() -> None:
    assert run_command(WINNER, "GPU-2222").endswith(" --gpu GPU-2222")
    assert "--gpu" not in run_command(WINNER)
