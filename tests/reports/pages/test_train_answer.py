"""The first screen of training runs: what the seeds support is said, and what they do not is not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec import structs

from bench.plan import training_runs
from bench.runner.plan_file import PLAN
from bench.schema.case import Case
from bench.schema.merged import MERGED
from bench.schema.record import Record
from reports import formats
from reports.analysis.learned import together
from reports.analysis.learned import training_runs as runs_of
from reports.cells import readable
from reports.document import Answer
from reports.pages.run_answer import RunFound
from reports.pages.run_report import build
from reports.pages.train_answer import answer
from reports.summary.pooling import summarise
from tests.planted import planted_learning, planted_records
from tests.planted.planted_learning import DIGITS, VGG, diverged, learned, seeds
from tests.planted.shown_cells import rows_of

LENET = structs.replace(VGG, model="lenet5")
DEEP = structs.replace(VGG, model="vgg11")
BEST, CLOSE, LOWER = (0.981, 0.982, 0.980), (0.980, 0.982, 0.979), (0.930, 0.931, 0.929)


def told(folder: Path, records: Iterable[Record]) -> Answer:
    summary = summarise([planted_records.write(folder, records)])
    return answer(RunFound(summary=summary, reached=(), directories=[folder]), runs_of(summary))[1]


def test_the_most_accurate_is_named_with_what_cannot_be_told_from_it(tmp_path: Path) -> None:
    records = [*seeds(VGG, BEST), *seeds(DEEP, CLOSE), *seeds(LENET, LOWER)]
    first = told(tmp_path, records).headlines[0]
    assert first.startswith("Highest test accuracy on digits: VGG-small 98.1% ±")
    assert "not distinguishable from VGG-11 98.0% ±" in first
    assert "; lower: LeNet-5 93.0% ±" in first


def test_a_clear_winner_is_alone(tmp_path: Path) -> None:
    first = told(tmp_path, [*seeds(VGG, BEST), *seeds(LENET, LOWER)]).headlines[0]
    assert first.startswith("Highest test accuracy on digits: VGG-small 98.1% ±")
    assert "not distinguishable" not in first


def test_seeds_that_scatter_rank_nothing(tmp_path: Path) -> None:
    records = [*seeds(VGG, (0.90, 0.95, 0.99)), *seeds(LENET, (0.91, 0.93, 0.96))]
    first = told(tmp_path, records).headlines[0]
    assert first == (
        "None of 2 cases is clearly the most accurate on digits: 93% test accuracy (1 case not resolved)."
    )
    assert "highest" not in first


def test_one_seed_each_ranks_nothing(tmp_path: Path) -> None:
    found = told(tmp_path, [*seeds(VGG, (0.98,)), *seeds(LENET, (0.93,))])
    assert found.headlines[0].endswith("several seeds each, none of which diverged.")
    assert "† 2 cases with one seed." in found.warnings


def test_the_first_at_the_target_is_claimed_only_where_times_differ(tmp_path: Path) -> None:
    apart = [*seeds(VGG, BEST, rate=100.0), *seeds(LENET, CLOSE, rate=4000.0)]
    assert any(
        each.startswith("First at 90%: LeNet-5, after 0.75") and "not distinguishable" not in each
        for each in told(tmp_path / "apart", apart).headlines
    )
    alike = [
        *(learned(VGG, [0.5, 0.95], number=n, rate=rate) for n, rate in ((1, 90.0), (2, 110.0))),
        *(learned(LENET, [0.5, 0.95], number=n, rate=rate) for n, rate in ((1, 95.0), (2, 120.0))),
    ]
    [first] = [each for each in told(tmp_path / "alike", alike).headlines if each.startswith("First")]
    assert "not distinguishable: VGG-small" in first


def test_a_better_case_of_one_seed_is_counted_beside_the_ranking(tmp_path: Path) -> None:
    """The table shows its 99.5% and its 3 s, with a mark, above what the sentences call the best."""
    records = [*seeds(VGG, BEST), *seeds(LENET, LOWER), *seeds(DEEP, (0.995,), rate=1000.0)]
    found = told(tmp_path, records)
    accuracy, first = (each for each in found.headlines if each.startswith(("Highest", "First")))
    for sentence in (accuracy, first):
        assert sentence.endswith("; not ranked: 1 case with one seed or diverged seeds.")
    assert found.table is not None
    row = next(row for row in rows_of(found.table) if row["network"] == "VGG-11")
    assert (row["to target (s)"], row["training (s)"]) == ("3.000 †", "4.000 †")


def test_what_is_not_ranked_has_the_digits_of_its_intervals(tmp_path: Path) -> None:
    records = [*seeds(VGG, (0.98, 0.6, 0.3)), *seeds(LENET, (0.995,))]
    (sentence,) = (each for each in told(tmp_path, records).headlines if "not ranked" in each)
    assert sentence == (
        "2 cases on digits: 99.5% test accuracy (1 case not resolved); not ranked, since that takes two "
        "cases of several seeds each, none of which diverged."
    )


def test_an_accuracy_that_its_seeds_do_not_show_is_no_number(tmp_path: Path) -> None:
    """98, 60 and 30%: their mean is 63% ±85, which is no accuracy, and has no bar and no claim."""
    found = told(tmp_path, seeds(VGG, (0.98, 0.6, 0.3)))
    assert found.headlines[0].startswith("VGG-small on digits: test accuracy not resolved (3 seeds, ")
    assert found.chart is None
    assert found.table is not None
    row = dict(zip(found.table.columns, map(readable, found.table.rows[0]), strict=True))
    assert row["test accuracy (%)"] == "not resolved"
    both = told(tmp_path / "both", [*seeds(VGG, (0.98, 0.6, 0.3)), *seeds(LENET, (0.9, 0.5, 0.99))])
    assert both.headlines[0] == (
        "Accuracy on digits is not resolved in any of 2 cases: seeds differ too much."
    )


def test_a_network_at_chance_is_named_and_in_no_ranking_chart_or_row(tmp_path: Path) -> None:
    lost = structs.replace(VGG, model="vgg19-bn")
    found = told(tmp_path, [*seeds(VGG, BEST), *seeds(LENET, LOWER), learned(lost, [0.1, 0.1417])])
    assert (
        "! VGG-19-BN learned nothing: 14.2%, guessing is 10% (1 seed, left out of rankings)."
        in found.warnings
    )
    assert not any("VGG-19-BN" in headline for headline in found.headlines)
    assert found.table is not None
    assert "VGG-19-BN" not in {row[0] for row in found.table.rows}
    assert found.chart is None or "VGG-19-BN" not in {row.label for row in found.chart.rows}
    assert found.next_step is not None
    assert found.next_step.command == (
        "convbench train vgg19-bn --set epochs=4 --set lr=0.05 --set warmup_epochs=0 --set schedule=constant "
        f"--set init=kaiming --batch 128 --threads 2 --target 0.9 --seeds 5 --resume --out {tmp_path}"
    ).replace("--set epochs=4 ", "").replace(" --threads 2", _threads())


@pytest.mark.parametrize("name", [PLAN, MERGED])
def test_no_seeds_are_added_to_a_shard_or_to_merged_runs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    step = told(tmp_path, [*seeds(VGG, BEST), learned(LENET, [0.1, 0.1417])]).next_step
    assert step is not None
    assert step.command.endswith("--seeds 5 --out runs/train")


def _threads() -> str:
    """The planted runs have two threads, which is what this machine may use or not."""
    from bench.host.cpu_cores import usable_cores

    return "" if usable_cores() == 2 else " --threads 2"


def test_diverged_seeds_are_named_and_their_network_is_not_ranked(tmp_path: Path) -> None:
    records = [*seeds(VGG, BEST), *seeds(LENET, LOWER), *seeds(DEEP, (0.99, 0.99)), diverged(DEEP, 3)]
    found = told(tmp_path, records)
    assert "! 1 of 3 seeds of VGG-11 diverged (excluded from means)." in found.warnings
    assert not any("VGG-11" in headline for headline in found.headlines)


@pytest.mark.parametrize(
    ("finals", "words"),
    [
        (BEST, "VGG-small in amp-bf16 is as accurate as in fp32"),
        (LOWER, "VGG-small in amp-bf16 is less accurate than in fp32"),
        ((0.93, 0.98, 0.99), "VGG-small in amp-bf16 against fp32: undecided; differences below"),
    ],
)
def test_a_precision_is_told_as_its_verdict_says(
    tmp_path: Path, finals: tuple[float, ...], words: str
) -> None:
    half = structs.replace(VGG, precision="amp-bf16")
    found = told(tmp_path, [*seeds(VGG, (0.9805, 0.9818, 0.9801)), *seeds(half, finals)])
    assert any(each.startswith(words) for each in found.headlines)


def test_runs_are_split_by_dataset_threads_and_machine(tmp_path: Path) -> None:
    fashion = structs.replace(VGG, task=structs.replace(DIGITS, dataset="fashion-mnist"))
    single = structs.replace(LENET, threads=1)
    other = structs.replace(planted_records.MACHINE, cpu="Another CPU")
    elsewhere = [structs.replace(record, environment=other) for record in seeds(DEEP, BEST)]
    records = [*seeds(VGG, BEST), *seeds(fashion, BEST), *seeds(single, BEST), *elsewhere]
    summary = summarise([planted_records.write(tmp_path, records)])
    assert [len(runs) for runs in together(runs_of(summary)).values()] == [1, 1, 1, 1]


def test_a_case_of_which_all_seeds_diverged_joins_its_like(tmp_path: Path) -> None:
    summary = summarise([planted_records.write(tmp_path, [*seeds(VGG, BEST), diverged(LENET, 1)])])
    [runs] = together(runs_of(summary)).values()
    assert {run.subject.case.model for run in runs} == {"vgg-small", "lenet5"}


def test_everything_planted_fits_on_a_screen(tmp_path: Path) -> None:
    found = told(tmp_path, planted_learning.example())
    assert 1 <= len(found.headlines) <= 5
    assert found.table is not None
    assert len(found.table.rows) <= 9


@pytest.mark.parametrize("recipe", ["quick", "textbook", "modern"])
def test_the_options_of_a_run_ask_for_the_same_run(recipe: str) -> None:
    from bench.cli.train import _overrides

    request = training_runs.TrainingRequest(
        axes={"model": ("vgg16",), "precision": ("amp-bf16",), "batch": (7,), "device": ("cpu",)},
        dataset="fashion-mnist",
        recipe=recipe,
        overrides={"lr": "0.5", "augment": "crop+flip", "normalise": "no"},
        target=0.85,
        seed=3,
    )
    [case] = training_runs.cases(request, 3)
    words = training_runs.options_of(case)
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    assigned = [value for option, value in zip(words[::2], words[1::2], strict=True) if option == "--set"]
    again = training_runs.TrainingRequest(
        axes={
            "model": ("vgg16",),
            "precision": (pairs["--precision"],),
            "batch": (int(pairs["--batch"]),),
            "device": ("cpu",),
        },
        dataset=pairs["--dataset"],
        recipe=pairs.get("--recipe", "quick"),
        overrides=_overrides(assigned, {}),
        target=float(pairs["--target"]),
        seed=int(pairs["--first-seed"]),
    )
    assert training_runs.cases(again, 3) == [case]


def test_a_case_without_departures_needs_no_option() -> None:
    request = training_runs.TrainingRequest(axes={"model": ("lenet5",)})
    from bench.host.cpu_cores import usable_cores

    [case] = training_runs.cases(request, usable_cores())
    assert training_runs.options_of(case) == ()


def test_case_names_are_those_people_use(tmp_path: Path) -> None:
    half: Case = structs.replace(VGG, precision="amp-bf16")
    found = told(tmp_path, [*seeds(VGG, BEST), *seeds(half, BEST)])
    assert found.table is not None
    assert [row[0] for row in found.table.rows] == ["VGG-small, fp32", "VGG-small, amp-bf16"]


def test_a_report_of_training_runs_alone_begins_with_them(tmp_path: Path) -> None:
    records = [*seeds(VGG, BEST), *seeds(LENET, LOWER)]
    alone = build([planted_records.write(tmp_path / "alone", records)])
    assert alone.answer is not None
    assert "VGG-small 98.1%" in alone.answer.headlines[0]
    assert {"accuracy", "training-speed", "epochs"} <= {part.name for part in alone.parts}
    mixed = build([planted_records.write(tmp_path / "mixed", [*records, *planted_records.example()])])
    assert mixed.answer is not None
    assert "Highest test accuracy" not in " ".join(mixed.answer.headlines)


def test_the_first_screen_is_at_most_24_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.formats.terminal.PLAIN_WIDTH", 100)
    few = [*seeds(VGG, BEST), *seeds(LENET, LOWER), *seeds(DEEP, CLOSE)]
    for name, records in (("few", few), ("example", planted_learning.example())):
        text = formats.render("terminal", build([planted_records.write(tmp_path / name, records)]))
        assert len(text.splitlines()) <= 24, text
