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
from reports.cells import readable
from reports.pages import best_report
from reports.pages.best_answer import command_of, in_words
from reports.pages.best_report import document
from reports.summary.pooling import summarise
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
    ceiling = Case(model="ceilings", workload="ceiling", precision="bf16", threads=2)
    return planted_records.write(
        tmp_path / "best",
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
                structs.replace(planted_records.fact("product", "flops", 4e12, "FLOP"), product=MATMUL),
            ),
        ],
    )


def answer(found: Findings, folder: Path, trained: Sequence[Path] = ()) -> list[str]:
    return list(best_report.build(found, folder, trained).text)


def test_the_answer_says_what_how_fast_how_sure_and_how_much_is_left(folder: Path) -> None:
    text = answer(FOUND, folder)
    assert text[0] == (
        "Of 5 configurations of vgg16 (inference, batch 8, cpu) the fastest is bf16, channels-last, compile, "
        "freezing, 2 threads, 50.00 images/s."
    )
    assert text[1].startswith("It is 8.0")
    assert " as fast as eager fp32 at the same batch, by 8 interleaved pairs of processes (99.75" in text[1]
    utilised = next(line for line in text if "TFLOP/s" in line)
    assert "37.50% of the fastest product in bf16 measured here (matmul:4096x4096x4096, " in utilised
    assert "4.000 TFLOP/s, 2 threads)" in utilised
    assert "62.50% are left" in utilised
    outputs = next(line for line in text if "outputs" in line)
    assert (
        "relative error 0.012; the same class for 60 of 64. For 9 fp32's choice is so near a tie" in outputs
    )


def test_the_interval_of_the_speed_is_the_inverse_of_that_of_the_time(folder: Path) -> None:
    (row,) = FOUND.pairs
    assert row.verdict.low is not None
    assert row.verdict.high is not None
    sentence = answer(FOUND, folder)[1]
    low, high = (float(word) for word in sentence.split("(")[1].split(")")[0].split(" to "))
    assert low == pytest.approx(1 / row.verdict.high, rel=1e-3)
    assert high == pytest.approx(1 / row.verdict.low, rel=1e-3)


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((0.7, 1.5, 0.9, 1.2), "interval); that does not tell them apart."),
        ((1.001, 0.999) * 4, "interval), which is the same within 2%."),
        (EIGHTH, "interval)."),
    ],
)
def test_pairs_that_do_not_tell_it_from_eager_fp32_say_so(
    folder: Path, ratios: Sequence[float], words: str
) -> None:
    text = answer(structs.replace(FOUND, pairs=(pair(PLAIN, WINNER, ratios),)), folder)
    assert text[1].endswith(words)


def test_one_configuration_and_no_ties_are_said_plainly(folder: Path) -> None:
    agreement = Agreement(images=64, agreeing=64, near_ties=0, relative_error=1e-7)
    text = answer(structs.replace(FOUND, tried=(one(WINNER, 0.16),), agreement=agreement, pairs=()), folder)
    assert text[0].startswith("Of 1 configuration of vgg16 ")
    assert any(line.endswith("the same class for 64 of 64.") for line in text)


def test_an_interval_that_says_nothing_is_not_printed(folder: Path) -> None:
    """Two pairs that differ: at 99.75% their t interval spans a factor of e^127."""
    text = answer(structs.replace(FOUND, pairs=(pair(PLAIN, WINNER, (0.1, 0.2)),)), folder)
    assert "It is 7.071 times (an interval too wide to print) as fast" in text[1]


def test_without_pairs_nothing_is_called_confirmed(folder: Path) -> None:
    text = answer(structs.replace(FOUND, pairs=(), is_complete=False), folder)
    assert "The budget was spent before all was tried" in text[1]
    assert text[2].startswith("In one process each it is 7.500 times as fast")
    assert "no time to confirm" in text[2]


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((0.8, 0.81, 0.79) * 2, "as fast as bf16, channels-last, compile, 2 threads, by 6 interleaved pairs"),
        ((1.001, 0.999) * 4, "bf16, channels-last, compile, 2 threads is as fast within 2%"),
        ((0.7, 1.5, 0.9, 1.2), "may be as fast: 4 interleaved pairs"),
        ((0.9,), "may be as fast: one pair of processes"),
    ],
)
def test_a_rival_is_told_as_its_pairs_judge_it(folder: Path, ratios: Sequence[float], words: str) -> None:
    text = answer(structs.replace(FOUND, pairs=(pair(RIVAL, WINNER, ratios), *FOUND.pairs)), folder)
    assert any(words in line for line in text)


def test_a_rival_that_won_its_pairs_is_the_answer(folder: Path) -> None:
    pairs = (pair(WINNER, RIVAL, (1.2, 1.21, 1.19) * 3), *FOUND.pairs)
    text = answer(structs.replace(FOUND, pairs=pairs), folder)
    assert any(
        "It is faster than bf16, channels-last, compile, 2 threads, which led" in line for line in text
    )


def test_a_plain_winner_claims_nothing(folder: Path) -> None:
    text = answer(structs.replace(FOUND, winner=PLAIN, pairs=()), folder)
    assert "It is eager fp32 itself: nothing that was tried is faster." in text
    assert any("Its precision is fp32" in line for line in text)


def test_plain_stands_against_itself_without_an_interval(folder: Path) -> None:
    (tried,) = [
        found for found in best_report.build(FOUND, folder, ()).tables if found.title == "What was tried"
    ]
    column = tried.columns.index("against eager fp32")
    told = [readable(row[column]) for row in tried.rows]
    assert "1.000x" in told
    assert any("x ±" in one or "x -" in one for one in told)


def test_what_was_not_measured_is_said_and_never_called_equal(folder: Path) -> None:
    unknown = structs.replace(FOUND, agreement="the outputs were not compared: out of memory")
    text = answer(unknown, folder)
    assert any("is not known: the outputs were not compared: out of memory." in line for line in text)
    (accuracy,) = [line for line in text if "learns as well" in line]
    assert "was not measured" in accuracy
    assert "convbench train vgg16 --precision fp32,bf16 --seeds 5 --out TRAINED" in accuracy
    without = planted_records.write(
        folder.parent / "bare", [planted_records.record(WINNER, planted_records.time("forward", 0.16))]
    )
    assert any("was not measured: it needs" in line for line in answer(FOUND, without))


def test_nothing_measured_is_told_with_its_reasons(tmp_path: Path) -> None:
    failed = Findings(tried=(CandidateResult(case=PLAIN, failure=Failure("oom", "no memory")),))
    made = document(
        failed, summarise([planted_records.write(tmp_path, [planted_records.record(PLAIN)])]), None
    )
    assert made.text == ("No configuration could be measured: the table says why.",)
    assert "oom: no memory" in made.tables[0].rows[0]


def test_all_that_was_tried_stands_in_the_order_of_speed(folder: Path) -> None:
    made = best_report.build(FOUND, folder, ())
    tried, left_out = made.tables
    assert left_out.rows == (("amp-fp16", "this CPU has no fp16"),)
    columns = {name: [row[name] for row in rows_of(tried)] for name in tried.columns}
    assert columns["images/s"] == pytest.approx([50.0, 8 / 0.18, 8 / 1.2, 8 / 1.5, None])
    assert [str(cell).split()[0] for cell in columns["against eager fp32"]] == [
        *("7.500x", "6.667x", "1.000x", "0.8000x", "None"),
    ]
    assert columns["remark"] == [None, None, None, "given up", "timeout: over 60 s"]
    assert columns["samples"] == [10, 10, 10, 6, None]
    assert [row["is_winner"] for row in made.rows] == [True, False, False, False, False]
    assert made.rows[0]["speedup"] == pytest.approx(7.5)
    for name in ("md", "terminal", "json", "csv"):
        assert "given" in formats.render(name, made)


COMMANDS = (
    WINNER,
    structs.replace(PLAIN, workload="training", tuning="fused-optimizer", seed=3),
    Case(model="lenet5", image=32, channels=3, classes=7, batch=2, replicate=0),
    Case(model="alexnet+norm=lrn", image=224, batch=4, threads=2, replicate=0),
)


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.id)
def test_the_command_plans_this_case_and_no_other(case: Case, convbench: Command) -> None:
    program, *arguments = shlex.split(command_of(case))
    assert (program, arguments[-2:]) == ("convbench", ["--out", "RUN"])
    planned = convbench(*arguments, "--dry-run", "--format", "json")
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
    assert any(
        line.startswith(
            "Accuracy of bf16 against fp32 after training: digits, recipe quick: equivalent, -0.50"
        )
        for line in text
    )
    assert any("was not measured; this would" in line for line in answer(FOUND, folder, [trained]))


def test_the_command_names_the_gpu_that_was_chosen() -> None:
    assert command_of(WINNER, "GPU-2222").endswith(" --gpu GPU-2222 --out RUN")
    assert "--gpu" not in command_of(WINNER)
