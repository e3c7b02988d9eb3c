"""The largest batch: searches over planted laws of memory, whose answers are known, and one real one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from bench.forkserver.client import Server
from bench.schema.case import Case
from bench.schema.record import Record, Status
from bench.store import RECORDS, read_records
from bench.studies.max_batch.batch_search import (
    CLOSE,
    MEMORY_ONLY,
    MOST_IMAGES,
    MOST_TRIES,
    LargestBatch,
    MemoryLine,
    fit,
    largest_batch,
    limit_of,
    peak_of,
)
from models.errors import UserError
from reports.pages import max_batch_report as reporting
from tests.planted import planted_records
from tests.planted.commands import Command, is_one_sentence

MIB = 2**20
ON_CPU = Case(model="vgg16", workload="training")
ON_GPU = Case(model="vgg16", workload="training", device="cuda")

Law = Callable[[int], float]
"""From a batch to the peak of its step, in MiB."""


class World:
    """A machine on which peaks follow a law, and batches from `fails_at` on fail. Remembers what was run."""

    def __init__(self, law: Law, fails_at: int | None = None, status: Status = "oom") -> None:
        self._law, self._fails_at, self._status = law, fails_at, status
        self.batches: list[int] = []

    def measure(self, case: Case) -> Record:
        self.batches.append(case.batch)
        if self._fails_at is not None and case.batch >= self._fails_at:
            return planted_records.record(case, status=self._status, reason="planted")
        metric = "peak_allocated" if case.device == "cuda" else "peak_resident"
        return planted_records.record(
            case, planted_records.fact("step", metric, int(self._law(case.batch) * MIB))
        )


def answer(world: World, limit: float, case: Case = ON_GPU) -> LargestBatch:
    found = largest_batch(case, int(limit * MIB), world.measure)
    assert len(world.batches) == len(found.tries) <= MOST_TRIES
    assert len(set(world.batches)) == len(world.batches), "a batch was run twice"
    return found


def test_a_line_is_predicted_exactly_and_verified_by_running_it_and_more() -> None:
    world = World(lambda batch: 500 + 10 * batch)
    found = answer(world, 4000)
    assert (found.predicted, found.verified, found.peak) == (350, 350, 4000 * MIB)
    assert found.line == MemoryLine(500 * MIB, 10 * MIB)
    assert found.refused == 357  # the next that is 2% larger
    assert found.remark is None
    assert len(world.batches) <= 6


def test_on_a_cpu_nothing_is_run_that_is_not_expected_to_fit() -> None:
    world = World(lambda batch: 500 + 10 * batch)
    found = answer(world, 4000, ON_CPU)
    assert (found.predicted, found.verified, found.refused) == (350, 350, None)
    assert max(world.batches) == 350


def test_memory_that_fails_before_its_peak_reaches_the_limit_is_met_from_below() -> None:
    """As fragmentation does: 343 images fail although the line says 350."""
    found = answer(World(lambda batch: 500 + 10 * batch, fails_at=343), 4000)
    assert found.predicted == 350
    assert found.verified is not None
    assert found.refused is not None
    assert found.verified < 343 <= found.refused
    assert found.refused - found.verified <= CLOSE * found.verified + 1


def test_a_line_that_bends_is_followed() -> None:
    """To 40 images another phase has the peak."""
    found = answer(World(lambda batch: max(1000, 200 + 20 * batch)), 6000, ON_CPU)
    assert found.verified == 290


def test_a_step_in_the_law_contradicts_the_line() -> None:
    """An algorithm that takes 3 GiB from 64 images on."""

    def law(batch: int) -> float:
        return 200 + 10 * batch + (3072 if batch >= 64 else 0)

    found = answer(World(law), 5000)
    assert found.predicted is None
    assert found.verified == 172
    assert found.line is None


@pytest.mark.parametrize(("limit", "verified", "batches"), [(90, None, [2, 1]), (115, 1, [2, 1])])
def test_where_not_even_two_images_fit(limit: int, verified: int | None, batches: list[int]) -> None:
    world = World(lambda batch: 100 + 10 * batch)
    found = answer(world, limit)
    assert found.verified == verified
    assert found.remark == (None if verified else "not even one image fits")
    assert world.batches == batches


def test_where_the_first_batch_runs_out_of_memory_one_image_is_tried() -> None:
    world = World(lambda batch: 100, fails_at=1)
    assert answer(world, 1000).verified is None
    assert world.batches == [2, 1]


def test_the_axis_ends_before_the_memory() -> None:
    found = answer(World(lambda batch: 10 + batch / 1000), 8000)
    assert found.verified == MOST_IMAGES
    assert found.remark is not None
    assert "65,536 images is the most" in found.remark


def test_a_run_that_crashed_ends_the_search_with_what_is_known() -> None:
    found = answer(World(lambda batch: 500 + 10 * batch, fails_at=300, status="crashed"), 4000)
    assert found.verified is not None
    assert found.verified < 300
    assert found.remark == "batch size 350 gave no answer: planted"


def test_a_record_without_a_peak_ends_it_too() -> None:
    found = largest_batch(ON_GPU, MIB, lambda case: planted_records.record(case))
    assert (found.verified, found.remark) == (
        None,
        "batch size 2 gave no answer: its memory was not measured",
    )


def test_no_run_begins_when_the_budget_is_spent() -> None:
    world = World(lambda batch: 500 + 10 * batch)
    found = largest_batch(ON_GPU, 4000 * MIB, world.measure, lambda: len(world.batches) < 3)
    assert len(world.batches) == 3
    assert found.verified == max(world.batches)
    assert found.remark is not None
    assert "budget" in found.remark


@example(fixed=0, per_image=176.0, alive=1.0, steeper=20.0, limit=3500, on_cpu=False)  # no image fits
@given(
    fixed=st.integers(0, 3000),
    per_image=st.floats(0.05, 200),
    alive=st.floats(0.3, 1),
    steeper=st.floats(1, 20),
    limit=st.integers(3500, 80_000),
    on_cpu=st.booleans(),
)
def test_whatever_the_law_the_answer_is_close_to_the_truth(
    fixed: int, per_image: float, alive: float, steeper: float, limit: int, on_cpu: bool
) -> None:
    """A line that bends upwards once, where another phase of the step overtakes, in which less of the fixed
    part is alive. On a CPU no run takes more than twice the limit, however steep that is."""

    def law(batch: int) -> float:
        return max(fixed + per_image * batch, alive * fixed + steeper * per_image * batch)

    truth = _largest(lambda batch: int(law(batch) * MIB), limit * MIB)
    found = answer(World(law), limit, ON_CPU if on_cpu else ON_GPU)
    if found.remark is None:
        assert (found.verified or 0) <= truth <= (found.verified or 0) * (1 + CLOSE) + 1
    elif found.verified is None:
        assert truth == 0
    else:
        assert found.verified == truth == MOST_IMAGES
    if on_cpu:
        later = [each.peak for each in found.tries[1:] if each.peak is not None]
        assert max(later, default=0) <= 2 * limit * MIB


def _largest(law: Law, limit: int) -> int:
    low, high = 0, MOST_IMAGES
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if law(middle) <= limit else (low, middle - 1)
    return low


def test_the_line_is_exact_and_refuses_what_contradicts_it() -> None:
    assert fit([]) is None
    assert fit([(2, 120)]) is None
    assert fit([(8, 180), (2, 120)]) == MemoryLine(100, 10)
    assert fit([(4, 140), (2, 120), (8, 180)]) == MemoryLine(100, 10)
    assert fit([(4, 140), (2, 150), (8, 180)]) is None
    line = fit([(1, 110), (3, 130)])
    assert line is not None
    assert [line.largest(limit) for limit in (99, 100, 119, 120, 10**9)] == [0, 0, 1, 2, MOST_IMAGES]
    assert MemoryLine(100, 0).largest(100) == MOST_IMAGES
    assert MemoryLine(100, 0).largest(99) == 0


@pytest.mark.parametrize(
    ("text", "case", "limit"),
    [
        (None, ON_CPU, 800 * MIB),
        (None, ON_GPU, 1000 * MIB),
        ("50%", ON_CPU, 500 * MIB),
        ("600MiB", ON_CPU, 600 * MIB),
        ("0.5GiB", ON_GPU, 512 * MIB),
        ("6 MB", ON_GPU, 6_000_000),
    ],
)
def test_a_limit_is_a_size_or_a_share_of_what_is_free(text: str | None, case: Case, limit: int) -> None:
    assert limit_of(text, 1000 * MIB, case) == limit


@pytest.mark.parametrize("text", ["", "4", "4GIB", "-1GiB", "0GiB", "120%", "0%", "1e9B", "all", "2GiB"])
def test_no_other_limit_is_taken(text: str) -> None:
    with pytest.raises(UserError, match="--memory"):
        limit_of(text, 1000 * MIB, ON_CPU)


def test_the_peak_is_that_of_the_whole_step() -> None:
    facts = [
        planted_records.fact("forward", "peak_allocated", 7),
        planted_records.fact("step", "peak_allocated", 9),
    ]
    reserved = planted_records.fact("step", "peak_reserved", 20)
    assert peak_of(planted_records.record(ON_GPU, reserved, *facts)) == 9
    assert peak_of(planted_records.record(ON_GPU, reserved)) == 20  # a replayed graph allocates nothing
    assert peak_of(planted_records.record(Case(model="vgg16"), *facts)) == 7
    assert peak_of(planted_records.record(ON_GPU)) is None


def test_the_report_has_the_answers_and_all_that_was_run() -> None:
    world = World(lambda batch: 500 + 10 * batch)
    found = [answer(world, 4000), answer(World(lambda batch: 5000), 4000, ON_CPU)]
    document = reporting.document(found)
    answers, runs = document.tables
    first = dict(zip(answers.columns, answers.rows[0], strict=True))
    assert first["device"] == "cuda"
    assert (first["predicted"], first["verified"], first["verified - predicted"]) == (350, 350, 0)
    assert (first["limit (MiB)"], first["peak (MiB)"]) == (4000, 4000)
    assert (first["fixed (MiB)"], first["per image (MiB)"]) == (500, 10)
    assert len(runs.rows) == len(world.batches) + 2
    row, none = document.rows
    assert (row["batch"], row["verified"], row["predicted"]) == (350, 350, 350)
    assert (row["fixed_bytes"], row["bytes_per_image"]) == (500 * MIB, 10 * MIB)
    assert (row["peak_bytes"], row["limit_bytes"]) == (4000 * MIB, 4000 * MIB)
    assert (none["batch"], none["verified"], none["peak_bytes"]) == (0, None, None)


def test_the_headline_says_what_fits_and_what_does_not() -> None:
    """Of what was not refused nothing is said, and of what failed no batch size."""
    fits = answer(World(lambda batch: 500 + 10 * batch), 4000)
    nothing = answer(World(lambda batch: 5000), 4000, ON_CPU)
    told = reporting.document([fits, nothing]).answer
    assert told is not None
    first, second = told.headlines
    assert "batch 350 fits in 3.91 GiB (peak 3.91 GiB)" in first
    assert ("does not" in first) == (fits.refused is not None)
    assert second.endswith("not even one image fits.")
    assert "fits in" not in second
    assert told.next_step is not None
    assert "--batch 350" in told.next_step.command
    alone = reporting.document([nothing]).answer
    assert alone is not None
    assert alone.next_step is None


def test_a_dry_run_of_max_batch_measures_nothing(command_line: Command, tmp_path: Path) -> None:
    asked = (
        "max-batch",
        "lenet5",
        "--device",
        "cpu",
        "--memory",
        "1GiB",
        "--dry-run",
        "--out",
        tmp_path / "x",
    )
    found = command_line(*asked)
    assert (found.code, found.err) == (0, "")
    assert "Finds the largest batch size of 1 case in 1GiB: at most 20 batch sizes run per case" in found.out
    assert not (tmp_path / "x").exists()


@pytest.fixture
def sized(command_line: Command, monkeypatch: pytest.MonkeyPatch, learning_server: Server) -> Command:
    """`convbench max-batch lenet5` on the CPU, with the server of these tests, as starting one takes
    seconds."""
    monkeypatch.setattr(
        "bench.studies.max_batch.batch_runs.Server", lambda preload: nullcontext(learning_server)
    )
    return lambda *arguments: command_line(
        "max-batch", "lenet5", "--device", "cpu", "--threads", 1, "--format", "json", *arguments
    )


@pytest.mark.alone
@pytest.mark.slow
def test_lenet_on_this_machine(sized: Command, tmp_path: Path) -> None:
    """Its peak is measured at the batch that is said to fit, within the limit and close to it; a search that
    is resumed runs nothing again."""
    out = tmp_path / "out"
    limit = 160 * MIB
    asked = ("--workload", "training", "--memory", "160MiB", "--out", out)
    [row] = sized(*asked).rows()
    records = list(read_records(out / RECORDS))
    assert {record.case.batch for record in records} >= {2, row["verified"]}
    assert all(record.protocol == MEMORY_ONLY for record in records)
    assert not [m for record in records for m in record.measurements if m.metric == "wall_time"]
    peak = next(peak_of(record) for record in records if record.case.batch == row["verified"])
    assert peak == row["peak_bytes"]
    # what a process's heap has not given back differs by a fifth from one process to the next
    assert 0.6 * limit < row["peak_bytes"] <= limit
    assert 0.5 * row["predicted"] < row["verified"] < 2 * row["predicted"]
    assert (out / "report.md").read_text().startswith("# Largest batch size that fits")
    again = sized(*asked, "--resume")
    assert again.code == 0
    assert again.rows() == [row]
    assert len(list(read_records(out / RECORDS))) == len(records)
    refused = sized(*asked, "--image", 64, "--resume")
    assert refused.code == 2
    assert "which is no part of this search: choose another folder" in refused.err


@pytest.mark.slow
def test_nothing_fits_is_exit_code_1(sized: Command, tmp_path: Path) -> None:
    found = sized("--memory", "1B", "--out", tmp_path / "out")
    assert found.code == 1
    assert found.rows()[0]["verified"] is None


@pytest.mark.slow
def test_a_spent_budget_is_exit_code_3(sized: Command, tmp_path: Path) -> None:
    found = sized("--budget", "1e-9", "--out", tmp_path / "out")
    assert found.code == 3
    assert "time budget used up before 1 of 1 answers were verified. Continue with: " in found.err
    assert sized("--memory", "160MiB", "--out", tmp_path / "out", "--resume").code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--memory", "many"), "--memory must be a size"),
        (("--memory", "9999GiB"), "--memory must be at most the"),
        (("--batch", "4"), "unknown option '--batch'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    sized: Command, tmp_path: Path, arguments: tuple[str, str], words: str
) -> None:
    found = sized(*arguments, "--out", tmp_path / "out")
    assert found.code == 2
    assert is_one_sentence(found.err)
    assert words in found.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_folder_that_holds_a_run_is_refused(sized: Command, tmp_path: Path) -> None:
    planted_records.write(tmp_path, [planted_records.record(structs.replace(ON_CPU, batch=2))])
    found = sized("--memory", "1B", "--out", tmp_path)
    assert found.code == 2
    assert is_one_sentence(found.err)
