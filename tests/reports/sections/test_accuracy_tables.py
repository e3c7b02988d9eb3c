"""What a report says of planted training runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.schema.case import Case
from bench.schema.record import Record
from bench.schema.training_task import Recipe
from reports import formats
from reports.cells import Scalar
from reports.document import Document, Table
from reports.pages.run_report import build
from reports.sections.accuracy_tables import COMPILE_NOTE
from reports.sections.recipe_words import OWN_INIT_NOTE, SMOOTHING_NOTE, recipe_words
from reports.summary.pooling import summarise
from tests.planted import planted_learning, planted_records
from tests.planted.commands import ROOT
from tests.planted.golden import Golden
from tests.planted.planted_learning import DIGITS, TEXTBOOK, VGG, diverged, learned, seeds
from tests.planted.shown_cells import row_of

GOLDEN = ROOT / "tests" / "golden" / "learning.md"
FINALS = (0.972, 0.969, 0.975)


def report(tmp_path: Path, records: Iterable[Record]) -> Document:
    return build([planted_records.write(tmp_path, records)])


def table(document: Document, title: str) -> Table:
    return next(table for table in document.tables if table.title.startswith(title))


def row(found: Table, number: int = 0) -> dict[str, Scalar]:
    return row_of(found, number)


def test_markdown_is_the_golden_one(tmp_path: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command has the folder, and the options in which the runs differ from this machine's usual."""
    monkeypatch.setattr("bench.host.cpu_cores.usable_cores", lambda: 2)
    monkeypatch.setattr("bench.devices.auto", lambda: "cpu")
    document = structs.replace(report(tmp_path, planted_learning.example()), pictures="plots")
    golden.check(GOLDEN, formats.render("md", document).replace(str(tmp_path), "runs/1"))


def test_accuracy_is_the_mean_of_the_last_epochs_with_students_interval(tmp_path: Path) -> None:
    found = row(table(report(tmp_path, seeds(VGG, FINALS)), "Accuracy"))
    _, high = oracle.t.interval(0.95, 2, np.mean(FINALS), oracle.sem(FINALS))
    half = 100 * (high - np.mean(FINALS))
    assert found["test accuracy (%)"] == f"97.2 ±{half:.1f}"
    assert (found["lowest seed (%)"], found["train accuracy (%)"]) == ("96.90", "97.70")
    assert (found["seeds"], found["epochs"]) == (3, 4)


def test_speeds_and_times_to_the_target(tmp_path: Path) -> None:
    """10 s an epoch; 90% of the images are right after the third of four epochs, as 0.95 x 0.97 is more."""
    document = report(tmp_path, seeds(VGG, FINALS))
    found = row(table(document, "Training speed"))
    assert (found["images/s (training steps)"], found["images/s (with data loading)"]) == pytest.approx(
        (125.0, 100.0)
    )
    assert (found["training (s)"], found["to target (s)"]) == ("40.00 ±0%", "30.00 ±0%")
    assert found["peak memory (MiB)"] == 64.0
    assert "target 90%" in table(document, "Training speed").shared
    assert "energy to target (J)" not in found


def test_energy_to_the_target(tmp_path: Path) -> None:
    case = structs.replace(VGG, device="cuda")
    record = learned(case, [0.5, 0.92, 0.95], joules=150.0)
    found = row(table(report(tmp_path, [record]), "Training speed"))
    assert found["energy to target (J)"] == pytest.approx(300.0)


def test_seeds_that_never_reach_the_target_are_counted(tmp_path: Path) -> None:
    some = seeds(VGG, (0.972, 0.85, 0.975))
    assert (
        row(table(report(tmp_path / "some", some), "Training speed"))["to target (s)"] == "30 (2 of 3 seeds)"
    )
    none = seeds(VGG, (0.85, 0.86))
    assert row(table(report(tmp_path / "none", none), "Training speed"))["to target (s)"] == "not reached"
    aimless = structs.replace(VGG, task=structs.replace(DIGITS, target=None))
    assert (
        "to target (s)"
        not in table(report(tmp_path / "no", seeds(aimless, FINALS)), "Training speed").columns
    )


def test_one_seed_is_marked_and_explained(tmp_path: Path) -> None:
    found = table(report(tmp_path, seeds(VGG, (0.97,))), "Accuracy")
    assert row(found)["test accuracy (%)"] == "97.00 †"
    assert "lowest seed (%)" not in found.columns
    assert any(note.startswith("† one seed") for note in found.notes)


def test_a_seed_that_was_trained_twice_counts_once(tmp_path: Path) -> None:
    """Equal seeds are equal to the last bit on a CPU: taken for two, they would halve the interval."""
    runs = [
        planted_records.write(
            tmp_path / name,
            [structs.replace(record, seconds=seconds) for record in seeds(VGG, FINALS)],
        )
        for name, seconds in (("first", 9.0), ("second", 8.0))
    ]
    once, twice = summarise(runs[:1]), summarise(runs)
    (one,) = (figure for figure in once.figures if figure.metric == "test_accuracy")
    (two,) = (figure for figure in twice.figures if figure.metric == "test_accuracy")
    assert (two.median, two.interval) == (one.median, one.interval)
    assert len(two.medians) == 6


def test_diverged_seeds_are_counted_and_in_no_figure(tmp_path: Path) -> None:
    document = report(tmp_path, [*seeds(VGG, (0.97, 0.96)), diverged(VGG, 3), diverged(VGG, 4, step=9)])
    found = row(table(document, "Accuracy"))
    assert (found["seeds"], found["lowest seed (%)"]) == ("2 of 4 diverged", "96.00")
    assert row(table(document, "Training speed"))["images/s (with data loading)"] == pytest.approx(100.0)
    failures = table(document, "Failures")
    assert [line[1:] for line in failures.rows] == [
        ("diverged", "the loss was not finite at step 37 (epoch 2)"),
        ("diverged", "the loss was not finite at step 9 (epoch 2)"),
    ]
    assert "1 process" in failures.shared


def test_a_case_of_which_every_seed_diverged_has_a_row_all_the_same(tmp_path: Path) -> None:
    document = report(tmp_path, [diverged(VGG, 1), diverged(VGG, 2)])
    found = row(table(document, "Accuracy"))
    assert (found["model"], found["seeds"]) == ("vgg-small", "2 of 2 diverged")
    assert "test accuracy (%)" not in found
    assert document.plots == ()


def test_noise_has_speed_only(tmp_path: Path) -> None:
    document = report(tmp_path, [planted_learning.synthetic(VGG, 120.0)])
    found = table(document, "Training speed on synthetic")
    assert row(found)["images/s (with data loading)"] == pytest.approx(120.0)
    assert not [name for name in found.columns if "accuracy" in name]
    assert not [each for each in document.tables if each.title.startswith(("Accuracy", "Epochs", "Parity"))]
    assert document.plots == ()


def test_epochs_are_means_over_the_seeds(tmp_path: Path) -> None:
    records = [learned(VGG, [0.4, 0.8], number=1, rate=100.0), learned(VGG, [0.6, 0.9], number=2, rate=200.0)]
    found = table(report(tmp_path, records), "Epochs of vgg-small on digits, quick (mean of 2 seeds)")
    assert found.columns == (
        "epoch",
        "train loss",
        "train accuracy (%)",
        "test loss",
        "test accuracy (%)",
        "images/s",
    )
    # losses are planted as 2 x (0.98 - accuracy) + 0.2 and 2 x (1 - accuracy)
    assert found.rows[0] == pytest.approx((1, 1.16, 48.0, 1.0, 50.0, 150.0))
    assert found.rows[1] == pytest.approx((2, 0.46, 83.0, 0.3, 85.0, 150.0))


def test_long_trainings_show_some_epochs_and_the_last(tmp_path: Path) -> None:
    for epochs, expected in ((20, [*range(1, 21)]), (50, [1, *range(3, 50, 3), 50])):
        records = [learned(VGG, [0.5] * epochs)]
        found = table(report(tmp_path / str(epochs), records), "Epochs")
        assert [line[0] for line in found.rows] == expected


def test_parity_with_fp32_and_with_eager(tmp_path: Path) -> None:
    bf16 = structs.replace(VGG, precision="amp-bf16")
    compiled = structs.replace(bf16, engine="compile")
    other = structs.replace(bf16, batch=64)
    records = [
        *seeds(VGG, FINALS),
        *seeds(bf16, (0.971, 0.970, 0.975)),
        *seeds(compiled, (0.95, 0.951, 0.953)),
        *seeds(other, FINALS),
    ]
    found = table(report(tmp_path, records), "Parity")
    assert [(line[1:4], row(found, n)["base"]) for n, line in enumerate(found.rows)] == [
        (("amp-bf16", "eager", "fp32"), "fp32"),
        (("amp-bf16", "compile", "eager"), "eager"),
    ]
    equal, lower = row(found, 0), row(found, 1)
    assert (equal["verdict"], lower["verdict"]) == ("equivalent", "lower")
    test = oracle.ttest_rel((0.95, 0.951, 0.953), (0.971, 0.970, 0.975)).confidence_interval(0.99)
    assert lower["difference (points)"] == f"-2.1 ({100 * test.low:.1f} to {100 * test.high:.1f})"
    assert (lower["compared"], lower["seeds"]) == ("by seed", 3)


def test_parity_is_lost_with_a_seed(tmp_path: Path) -> None:
    fp16 = structs.replace(VGG, precision="amp-fp16")
    for name, gone in (("some", [1]), ("all", [1, 2, 3])):
        left = [record for record in seeds(fp16, FINALS) if record.case.replicate not in gone]
        lost = [diverged(fp16, number) for number in gone]
        found = row(table(report(tmp_path / name, [*seeds(VGG, FINALS), *left, *lost]), "Parity"))
        assert found["verdict"] == "diverged"
        assert found["reason"] == f"amp-fp16: {len(gone)} of 3 seeds diverged"


def test_what_ran_on_other_machines_has_no_parity(tmp_path: Path) -> None:
    newer = structs.replace(planted_records.MACHINE, libraries={"torch": "2.12.0"})
    bf16 = [
        structs.replace(record, environment=newer)
        for record in seeds(structs.replace(VGG, precision="amp-bf16"), FINALS)
    ]
    document = report(tmp_path, [*seeds(VGG, FINALS), *bf16])
    assert not [each for each in document.tables if each.title == "Parity"]


def test_other_tables_are_as_without_training_runs(tmp_path: Path) -> None:
    """lenet5 is timed at one input and trained at another."""
    alone = report(tmp_path / "alone", planted_records.example())
    lenet = structs.replace(VGG, model="lenet5")
    mixed = report(
        tmp_path / "mixed", [*planted_records.example(), *seeds(lenet, FINALS), diverged(lenet, 4)]
    )
    by_title = {each.title: each for each in mixed.tables}
    untouched = [each for each in alone.tables if each.title != "Failures"]
    assert [by_title[each.title] for each in untouched] == untouched
    assert [line for line in mixed.rows if line["workload"] != "accuracy"] == list(alone.rows)


def test_rows_for_programs_are_flat(tmp_path: Path) -> None:
    document = report(tmp_path, [*planted_records.example(), *seeds(VGG, FINALS)])
    rows = json.loads(formats.render("json", document))["rows"]
    assert not [value for line in rows for value in line.values() if isinstance(value, dict | list)]
    found = next(line for line in rows if line["metric"] == "test_accuracy")
    assert (found["phase"], found["unit"]) == ("epoch", "share")
    assert (found["dataset"], found["recipe"]) == ("digits", "quick")
    assert (found["epochs"], found["target"], found["processes"], found["samples"]) == (4, 0.9, 3, 12)
    assert found["deterministic"] is False
    assert found["median"] == pytest.approx(0.972)
    assert "dataset" not in rows[0]
    header, *lines = csv.reader(io.StringIO(formats.render("csv", document)))
    assert header[-5:] == ["dataset", "recipe", "epochs", "target", "deterministic"]
    assert {len(line) for line in lines} == {len(header)}


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([10.0, 100.0, 107.0, 99.0, 104.0], 102.0), ([10.0, 100.0], 100.0), ([10.0], 10.0)],
)
def test_the_rate_of_a_run_is_the_median_of_its_epochs_after_the_first(
    tmp_path: Path, rates: list[float], expected: float
) -> None:
    """The first epoch warms up."""
    curve = planted_learning.curve("loop_rate", "image/s", rates)
    (figure,) = summarise([planted_records.write(tmp_path, [planted_records.record(VGG, curve)])]).figures
    assert figure.median == expected


def test_what_a_recipe_says_and_was_not_done_is_said(tmp_path: Path) -> None:
    assert VGG.task is not None
    modern = structs.replace(VGG.task.recipe, label_smoothing=0.1, augment=("crop", "flip", "pca"))
    planted_modern = structs.replace(VGG, task=structs.replace(VGG.task, recipe=modern))
    foreign = structs.replace(planted_modern, model="torchvision:resnet18")

    def notes(case: Case) -> tuple[str, ...]:
        folder = (
            tmp_path / case.model.replace(":", "-") / str(len(case.task.recipe.augment if case.task else ()))
        )
        return table(report(folder, seeds(case, FINALS)), "Accuracy").notes

    idle = "flip and pca: skipped on digits, whose images do not allow it."
    assert not {OWN_INIT_NOTE, SMOOTHING_NOTE, idle} & {*notes(VGG)}
    assert notes(planted_modern)[-2:] == (SMOOTHING_NOTE, idle)
    assert notes(foreign)[-3:] == (OWN_INIT_NOTE, SMOOTHING_NOTE, idle)


def test_what_holds_a_compilation_says_so(tmp_path: Path) -> None:
    eager, compiled = (
        planted_learning.synthetic(structs.replace(VGG, engine=e), 9.0) for e in ("eager", "compile")
    )
    assert COMPILE_NOTE not in formats.render("md", report(tmp_path / "eager", [eager]))
    assert COMPILE_NOTE in formats.render("md", report(tmp_path / "both", [eager, compiled]))


def test_recipes_are_told_in_words(tmp_path: Path) -> None:
    modern = Recipe(
        name="modern",
        epochs=30,
        lr=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        warmup_epochs=2.5,
        schedule="cosine",
        label_smoothing=0.1,
        augment=("crop", "flip"),
        init="kaiming",
        normalise=True,
    )
    assert recipe_words(modern) == (
        "SGD, learning rate 0.1 after 2.5 epochs of warm-up (cosine), momentum 0.9, weight decay 0.0005, "
        "label smoothing 0.1, augmentation crop, flip, kaiming initialization, normalized images, 30 epochs"
    )
    assert recipe_words(TEXTBOOK) == (
        "SGD, learning rate 0.05 (constant), no momentum, no weight decay, no augmentation, "
        "xavier initialization, images not normalized, 30 epochs"
    )
    slow = structs.replace(planted_learning.QUICK, lr=0.01)
    alexnet = structs.replace(VGG, model="alexnet", task=structs.replace(DIGITS, recipe=slow))
    notes = table(report(tmp_path, [*seeds(VGG, FINALS), *seeds(alexnet, FINALS)]), "Accuracy").notes
    assert [note.split(",")[:2] for note in notes if note.startswith("quick")] == [
        ["quick for alexnet: SGD", " learning rate 0.01 (constant)"],
        ["quick for vgg-small: SGD", " learning rate 0.05 (constant)"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("format_", formats.for_any())
def test_every_format_shows_training_runs_without_pictures(tmp_path: Path, format_: str) -> None:
    text = formats.render(format_, structs.replace(report(tmp_path, planted_learning.example()), whole=True))
    assert "amp-fp16" in text
    assert ".png" not in text
