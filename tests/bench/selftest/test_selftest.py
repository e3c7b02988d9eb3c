"""The self-test must find a harness that is wrong: its mutants fail the checks that are for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from bench import selftest
from bench.cli import selftest as checking
from bench.devices.fake import Event, FakeDevice
from bench.schema.check import Answer, Check, Status, answered, between, exactly, repeatedly
from bench.selftest import groups, known_flops, known_queues, known_times, known_verdicts
from bench.stats import verdicts
from bench.timing.timers import DeviceTimer, HostTimer, WallTimer
from models.catalogue import MODELS
from models.closed_form import cost
from models.errors import UserError
from reports import formats
from reports.pages import selftest_report as reporting
from tests.planted.commands import Command, is_one_sentence


@pytest.fixture(scope="module")
def rows() -> list[Check]:
    """All rows of this machine, through a child, as the command has them."""
    return selftest.rows("auto")


@pytest.mark.alone
@pytest.mark.slow
def test_this_machine_gives_the_known_answers(rows: list[Check]) -> None:
    assert [row for row in rows if row.status == "fail"] == []


@pytest.mark.alone
@pytest.mark.slow
def test_every_kind_of_known_answer_is_there_once(rows: list[Check]) -> None:
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert {name.partition(":")[0] for name in names} == {
        "cpu", "simulated", "flops", "sampling", "verdict", "cuda"
    }  # fmt: skip
    simulated = [name.partition(":")[2] for name in names if name.startswith("simulated")]
    assert [name.partition(":")[2] for name in names if name.startswith("cuda")] == simulated


@pytest.mark.alone
@pytest.mark.slow
def test_without_a_gpu_its_checks_are_skipped_with_the_reason(rows: list[Check]) -> None:
    cuda = [row for row in rows if row.name.startswith("cuda:")]
    statuses = {row.status for row in cuda}
    assert len(statuses) == 1
    assert statuses == {"pass"} or all("CUDA" in row.measured for row in cuda)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean 'cuda'"):
        selftest.rows("cudda")


def test_a_child_that_dies_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "SELFTEST", "os:abort")
    (row,) = selftest.rows("cpu")
    assert (row.name, row.status, row.expected) == ("cpu: checks", "fail", "answers")
    assert row.measured


class Harness:
    """A rig on a simulated queue, whose parts can be made wrong."""

    def __init__(self) -> None:
        self.rig = known_queues.simulated("rig")

    def failing(self) -> set[str]:
        rows = answered(known_queues.checks(self.rig))
        return {row.name.removeprefix("rig: ") for row in rows if row.status == "fail"}


def test_a_right_harness_passes_on_a_simulated_queue() -> None:
    assert Harness().failing() == set()


def test_events_that_count_the_wait_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is stamped when the host records it, not when the device reaches it."""

    def record(device: FakeDevice) -> Event:
        return Event(device, device.now)

    monkeypatch.setattr(FakeDevice, "record", record)
    assert "2N of device work against N" in Harness().failing()


def test_a_clock_of_the_wrong_scale_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elapsed milliseconds taken for seconds: ratios are right, and wall time is not."""
    right = FakeDevice.elapsed
    monkeypatch.setattr(FakeDevice, "elapsed", lambda device, start, end: 1e3 * right(device, start, end))
    assert {"host sleep inside a step, wall time", "a timer that does not synchronize is caught"} <= (
        Harness().failing()
    )


def test_a_wall_timer_that_forgets_to_synchronise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful = known_queues.ForgetfulTimer.time
    monkeypatch.setattr(WallTimer, "time", lambda timer, *given: forgetful(timer, *given))
    assert {"a timer that does not synchronize is caught", "host sleep inside a step, wall time"} <= (
        Harness().failing()
    )


def test_a_host_timer_that_waits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(timer: Any, calls: Sequence[Any], before: Any, repeats: int) -> tuple[float, ...]:
        return WallTimer(timer._queue).time(calls, before, repeats)

    monkeypatch.setattr(HostTimer, "time", waiting)
    assert Harness().failing() == {"host time does not wait"}


def test_a_missing_shield_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceTimer, "_shield", lambda timer, shield, calls, setup, repeats: setup())
    assert Harness().failing() == {"host sleep inside a step, shielded"}


def test_events_around_the_preparation_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def around_all(timer: Any, calls: Sequence[Any], before: Any, repeats: int) -> tuple[float, ...]:
        start = timer._queue.record()
        before()
        for call in calls:
            call()
        end = timer._queue.record()
        timer._queue.synchronise()
        return (timer._queue.elapsed(start, end), 0.0)[: len(calls)]

    monkeypatch.setattr(DeviceTimer, "time", around_all)
    assert "host sleep outside the events" in Harness().failing()


def test_a_peak_that_is_not_reset_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    harness.rig.allocate(2**30)
    monkeypatch.setattr(FakeDevice, "reset_peak", lambda device: None)
    assert harness.failing() == {"memory of a known size"}


def failing(checks: dict[str, Any]) -> set[str]:
    return {row.name for row in answered(checks) if row.status == "fail"}


def test_macs_taken_for_flops_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On LeNet-5, which takes no memory to speak of in this process: 416,520 MACs at 28 pixels."""
    monkeypatch.setattr(known_flops, "_NETWORK", "lenet5")
    assert failing(dict(known_flops.checks())) == set()
    right = cost(MODELS["lenet5"], channels=1, image=28, classes=10, batch=1)
    halved = structs.replace(
        right, flops_forward=right.flops_forward // 2, flops_backward=right.flops_backward // 2
    )
    monkeypatch.setattr("bench.selftest.known_flops.cost", lambda *given, **sizes: halved)
    assert failing(dict(known_flops.checks())) == {"flops: lenet5, forward", "flops: lenet5, backward"}


@pytest.mark.parametrize("always", [True, False])
def test_a_stopping_rule_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch, always: bool) -> None:
    """One that stops at once, and one that never does."""
    monkeypatch.setattr("bench.timing.sampling.estimates.interval_is_narrow", lambda *given: always)
    assert "sampling: stops at its target" in failing(dict(known_verdicts.checks()))


def test_a_verdict_that_is_blind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "_word", lambda *given: "equivalent")
    assert failing(dict(known_verdicts.checks())) == {
        "verdict: a slowdown of 5%, through records and compare"
    }


def test_an_additivity_check_that_never_speaks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.timing.latency.additivity", lambda parts, whole: None)
    checks = {name: check for name, check in known_times.checks().items() if "add up" in name}
    assert failing(checks) == {"cpu: phases that do not add up are caught"}


def test_a_check_that_raises_has_failed_and_the_others_still_run() -> None:
    def broken() -> Answer:
        raise RuntimeError("no such clock")

    rows = answered({"broken": broken, "fine": lambda: Answer(True, "1", "1")})
    assert [(row.name, row.status) for row in rows] == [("broken", "fail"), ("fine", "pass")]
    assert rows[0].measured == "RuntimeError: no such clock"


def test_a_check_is_made_again_only_while_it_fails() -> None:
    answers = iter([False, True, False])
    again = repeatedly(lambda: Answer(next(answers), "", ""), attempts=3)
    assert again().passed
    assert next(answers) is False
    always = repeatedly(lambda: Answer(False, "", ""), attempts=3)
    assert not always().passed


@pytest.mark.parametrize(("value", "passed"), [(0.0199, False), (0.02, True), (0.025, True), (0.0251, False)])
def test_ranges_are_told_in_the_unit_of_people(value: float, passed: bool) -> None:
    answer = between(value, 0.02, 0.025, "ms", 1e3)
    assert (answer.passed, answer.expected, answer.measured) == (
        passed,
        "20 to 25 ms",
        f"{1e3 * value:.4g} ms",
    )


def test_exact_numbers_must_all_be_there() -> None:
    assert exactly({"a": 10, "b": 10}, 10, "FLOP").passed
    assert not exactly({"a": 10, "b": 9}, 10, "FLOP").passed
    assert not exactly({"a": 10, "b": None}, 10, "FLOP").passed


@pytest.mark.alone
@pytest.mark.slow
def test_the_rows_of_the_document_are_the_checks(rows: list[Check]) -> None:
    document = reporting.document(rows)
    assert [row["name"] for row in document.rows] == [row.name for row in rows]
    assert set(document.rows[0]) == {"name", "status", "expected", "measured"}
    assert "| cpu: memory of a known size " in formats.render("md", document)


def test_one_failure_condemns_and_a_skipped_check_does_not() -> None:
    passed = Check(name="a", status="pass", expected="1", measured="1")
    skipped = Check(name="b", status="skipped", expected="", measured="no GPU")
    failed = Check(name="c", status="fail", expected="1", measured="2")
    assert not reporting.failed([passed, skipped])
    assert reporting.failed([passed, failed])
    answer = reporting.document([passed, passed, failed]).answer
    assert answer is not None
    assert answer.headlines == (
        "2 of 3 checks passed. Do not trust measurements on this machine until all checks pass.",
    )
    assert answer.table is not None
    assert [row[0] for row in answer.table.rows] == ["c"]
    assert reporting.verdict([passed, skipped]) == (
        "1 of 1 checks passed. 1 skipped: they cannot run on this machine."
    )


@pytest.mark.cuda
def test_cuda_gives_the_known_answers() -> None:
    rows = msgspec.json.decode(groups.answer(msgspec.json.encode("cuda")), type=list[Check])
    assert [row for row in rows if row.status != "pass"] == []


def test_a_device_that_was_named_and_is_not_here_is_a_sentence(command_line: Command) -> None:
    """All that concerns it would be skipped, and the harness pass for trustworthy there."""
    answer = command_line("selftest", "--device", "mps")
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert "mps" in answer.err


@pytest.mark.parametrize(("status", "code"), [("pass", 0), ("skipped", 0), ("fail", 1)])
def test_the_command_says_whether_the_harness_can_be_trusted(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    status: Status,
    code: int,
) -> None:
    planted = [Check(name="a", status=status, expected="1", measured="2")]
    monkeypatch.setattr(selftest, "rows", lambda device, gpu: planted)
    folder = tmp_path / "new" / "folder"
    assert checking.selftest("cpu", out=folder, format_="json") == code
    shown = msgspec.json.decode(capsys.readouterr().out)
    assert shown["rows"] == [{"name": "a", "status": status, "expected": "1", "measured": "2"}]
    assert msgspec.json.decode((folder / "selftest.json").read_bytes()) == shown
    assert "| a " in (folder / "selftest.md").read_text()
