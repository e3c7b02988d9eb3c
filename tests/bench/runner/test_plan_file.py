"""The plan that a folder keeps: what a resumed run does with it, and what is refused; no child is started."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench import devices, record_lines
from bench.host import environment
from bench.plan.suite_plan import Asked
from bench.runner import case_server, execute, machines, plan_file
from bench.runner.execute import RunResult, run_kept
from bench.runner.plan_file import PLAN, plan_for
from bench.schema.case import Case
from bench.schema.kept_plan import PLAN_SCHEMA, Machine
from bench.schema.migrations import decode_record
from bench.schema.record import Environment, Measurement, Record
from bench.store import RECORDS, read_records
from models.errors import UserError
from tests.planted import planted_records
from tests.planted.standing_server import StandingServer

TWO = Asked(given={"model": ("lenet5", "vgg11"), "device": ("cpu",)}, until="5%", ceilings=False)
NOTHING = Asked()
OFF = {"lenet5": 0.001, "vgg11": 0.05}
"""How far the processes of a network are off in turn: vgg11 needs several at 5%, lenet5 two."""


class Clock:
    """Seconds that pass only where a process runs."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A machine whose processes take 10 s each and have planted times, and whose clock runs only then."""
    found = Clock()

    def attempted(case: Case, *_: object, facts: bool) -> Record:
        found.now += 10.0
        turn = 1 if case.replicate % 2 else -1
        median = 0.01 * (1 + turn * OFF[case.model])
        samples = [0.999 * median, median, 1.001 * median]
        timed = Measurement(phase="forward", metric="wall_time", unit="s", samples=samples)
        record = planted_records.record(case, timed, environment=environment.describe())
        return structs.replace(record, seconds=10.0)

    monkeypatch.setattr(devices, "auto", lambda: "cpu")
    monkeypatch.setattr(case_server, "Server", lambda **_: StandingServer(object()))
    monkeypatch.setattr(execute, "unrunnable", lambda planned, server: {})
    monkeypatch.setattr(execute, "attempt", attempted)
    monkeypatch.setattr("bench.runner.execute.time", found)
    return found


def ignore(progress: object) -> None:
    """For a run whose progress nobody follows."""


def go(out: Path, asked: Asked = NOTHING, *, resume: bool = False, budget: float | None = None) -> RunResult:
    plan = plan_for(asked, out, resume=resume)
    return run_kept(plan, out, resume=resume, budget_seconds=budget, on_progress=ignore)


def recorded(out: Path) -> list[tuple[str, int]]:
    return [(each.case.model, each.case.replicate) for each in read_records(out / RECORDS)]


def test_a_run_goes_on_until_its_target_and_resuming_it_then_adds_nothing(
    clock: Clock, tmp_path: Path
) -> None:
    result = go(tmp_path, TWO)
    done = recorded(tmp_path)
    assert sorted(done)[:2] == [("lenet5", 1), ("lenet5", 2)]
    assert len(done) == len(set(done)) > 6
    assert (result.remaining, result.wide, result.statuses) == (0, [], {"ok": len(done)})
    assert go(tmp_path, resume=True).wide == []
    assert recorded(tmp_path) == done


@pytest.mark.parametrize("seconds", [5, 15, 25, 35, 45, 65])
def test_a_budget_ends_it_anywhere_and_resume_goes_on_with_the_folders_name_alone(
    clock: Clock, tmp_path: Path, seconds: float
) -> None:
    """The order is that of a run that was not interrupted. Of the first rounds one more process begins in the
    last of the time; of the later ones none that would not end in it."""
    go(tmp_path / "whole", TWO)
    stopped = go(tmp_path / "run", TWO, budget=seconds)
    first, in_time = 4, seconds // 10
    assert len(recorded(tmp_path / "run")) == max(min(first, in_time + 1), in_time)
    assert stopped.remaining or stopped.wide
    assert go(tmp_path / "run", resume=True).wide == []
    assert recorded(tmp_path / "run") == recorded(tmp_path / "whole")


@pytest.mark.parametrize(("budget", "processes"), [(1e-9, 1), (25, 2), (35, 3), (45, 4)])
def test_a_firm_budget_begins_no_process_that_would_end_later_but_the_first(
    clock: Clock, tmp_path: Path, budget: float, processes: int
) -> None:
    """Of a single case; each process takes 10 s. Two seconds of the budget went before the run began."""
    plan = plan_for(structs.replace(TWO, given={**TWO.given, "model": ("vgg11",)}), tmp_path, resume=False)
    result = run_kept(
        plan,
        tmp_path,
        resume=False,
        budget_seconds=budget,
        on_progress=ignore,
        began=clock.now - 2.0,
        is_firm=True,
    )
    assert len(recorded(tmp_path)) == processes
    assert result.remaining or not all(each.is_last for each in result.wide)


def test_the_time_that_a_suite_promises_cuts_no_first_round(clock: Clock, tmp_path: Path) -> None:
    plan = structs.replace(plan_for(TWO, tmp_path, resume=False), budget_seconds=15.0)
    result = run_kept(plan, tmp_path, resume=False, budget_seconds=None, on_progress=ignore)
    assert sorted(recorded(tmp_path)) == [(m, n) for m in ("lenet5", "vgg11") for n in (1, 2)]
    assert (result.remaining, [each.case.model for each in result.wide]) == (0, ["vgg11"])


def test_a_lower_target_adds_processes_only_where_they_are_missing(clock: Clock, tmp_path: Path) -> None:
    go(tmp_path, TWO)
    before = recorded(tmp_path)
    go(tmp_path, Asked(until="4%"), resume=True)
    added = recorded(tmp_path)[len(before) :]
    assert [each for each in added if each[0] == "lenet5"] == [("lenet5", 3)]
    assert {model for model, _ in added[1:]} == {"vgg11"}
    kept = plan_file.read(tmp_path)
    assert kept is not None
    assert kept.until == 0.04


def test_a_run_that_goes_on_reads_each_record_once(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path, TWO, budget=35)
    before = recorded(tmp_path)
    read: list[int] = []

    def decode(line: bytes) -> Record:
        record = decode_record(line)
        read.append(record.sequence)
        return record

    monkeypatch.setattr(record_lines, "decoded", lambda line, *_: decode(line))
    (tmp_path / PLAN).unlink()  # so that the records say where it was begun
    go(tmp_path, TWO, resume=True)
    assert read == list(range(1, len(before) + 1))


def test_a_number_of_processes_takes_the_place_of_the_target(clock: Clock, tmp_path: Path) -> None:
    go(tmp_path, TWO, budget=25)
    go(tmp_path, Asked(replicates=3), resume=True)
    assert sorted(recorded(tmp_path)) == [(m, n) for m in ("lenet5", "vgg11") for n in (1, 2, 3)]
    assert go(tmp_path, resume=True).target is None


def test_a_kill_between_the_plan_and_the_first_record_loses_nothing(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def killed(*_: object, facts: bool) -> Record:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(execute, "attempt", killed)
        with pytest.raises(KilledError):
            go(tmp_path, TWO)
    assert recorded(tmp_path) == []
    assert go(tmp_path, resume=True).wide == []
    (tmp_path / RECORDS).unlink()  # or the file of records was not there yet
    assert go(tmp_path, resume=True).wide == []


def test_the_plan_is_on_the_disk_before_the_first_process(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[bool] = []

    def attempted(case: Case, *_: object, facts: bool) -> Record:
        there.append((tmp_path / PLAN).exists())
        return planted_records.record(case)

    monkeypatch.setattr(execute, "attempt", attempted)
    go(tmp_path, TWO)
    assert set(there) == {True}
    assert [path.name for path in tmp_path.glob(".*") if path.name != ".lock"] == []


def test_the_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    nets = tmp_path / "nets.py"
    nets.write_text("def build(): ...\n")
    asked = Asked(
        given={"model": ("lenet5", f"{nets}:build"), "input": ("3x64x80",), "device": ("cpu",)},
        until=0.03,
        target_ci="2%",
        time_limit=45,
        lock_clocks_mhz=1000,
    )
    plan = structs.replace(plan_for(asked, tmp_path, resume=False), machine=machines.here(None, []))
    plan_file.write(tmp_path, plan)
    assert plan_file.read(tmp_path) == plan
    assert (plan.until, plan.protocol.target_ci, plan.protocol.time_limit_seconds) == (0.03, 0.02, 45.0)


@pytest.mark.parametrize(
    ("asked", "option", "has"),
    [
        (Asked(given={"batch": (8,)}), "--batch is 1 in", "got 8"),
        (Asked(given={"model": ("lenet5",)}), "--model is lenet5, vgg11 in", "got lenet5"),
        (Asked(given={"model": ("vgg16", "lenet5", "vgg11")}), "--model is lenet5, vgg11 in", "got"),
        (Asked(given={"input": ("3x64x80",)}), "--input is 1x28x28, 3x224x224 in", "got 3x64x80"),
        (Asked(suite="standard"), "--suite is quick in", "got standard"),
        (Asked(target_ci="2%"), "--target-ci is 0.01 in", "got 0.02"),
        (Asked(time_limit=5), "--time-limit is 600.0 in", "got 5.0"),
        (Asked(flush_l2=True), "--flush-l2 is no in", "got yes"),
        (Asked(gpu="GPU-1"), "--gpu is none in", "got GPU-1"),
        (Asked(lock_clocks_mhz=900), "--lock-clocks is none in", "got 900"),
    ],
)
def test_another_option_is_refused_with_what_the_folder_has(
    clock: Clock, tmp_path: Path, asked: Asked, option: str, has: str
) -> None:
    go(tmp_path, TWO, budget=15)
    before = (tmp_path / PLAN).read_bytes(), (tmp_path / RECORDS).read_bytes()
    with pytest.raises(UserError) as refused:
        go(tmp_path, asked, resume=True)
    said = str(refused.value)
    assert option in said
    assert has in said
    assert "With --resume only --replicates, --until, --budget and --ceilings may change" in said
    assert ((tmp_path / PLAN).read_bytes(), (tmp_path / RECORDS).read_bytes()) == before


def test_the_command_that_began_a_run_goes_on_with_it(clock: Clock, tmp_path: Path) -> None:
    """Every option says what the plan has."""
    go(tmp_path, TWO, budget=15)
    assert go(tmp_path, TWO, resume=True).wide == []
    assert go(tmp_path, structs.replace(TWO, suite="quick"), resume=True).wide == []


def test_a_suite_file_that_was_edited_is_refused(clock: Clock, tmp_path: Path) -> None:
    suite, out = tmp_path / "mine.toml", tmp_path / "run"
    text = 'replicates = 2\n[[cases]]\nmodel = "lenet5"\ndevice = "cpu"\n'
    suite.write_text(text)
    asked = Asked(suite=str(suite))
    go(out, asked, budget=5)
    suite.write_text(text + "batch = [1, 8]\n")
    with pytest.raises(UserError, match=r"mine.toml with these options no longer matches the plan of"):
        go(out, asked, resume=True)
    moved = tmp_path / "moved.toml"
    moved.write_text(text)
    go(out, structs.replace(asked, suite=str(moved)), resume=True, budget=5)
    assert go(out, resume=True).remaining == 0
    assert recorded(out) == [("lenet5", 1), ("lenet5", 2)]


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        ("replicates = 3", "asks for --replicates 3, and the plan of .* has --replicates 2: pass --repl"),
        ("until = 0.03", "asks for --until 3%, and the plan of .* has --replicates 2: pass --until 3% to"),
    ],
)
def test_another_number_of_processes_in_the_suites_file_is_no_silent_change(
    clock: Clock, tmp_path: Path, edited: str, words: str
) -> None:
    """The folder keeps its plan until an option says otherwise."""
    suite, out = tmp_path / "mine.toml", tmp_path / "run"
    text = '\n[[cases]]\nmodel = "lenet5"\ndevice = "cpu"\n'
    suite.write_text("replicates = 2" + text)
    asked = Asked(suite=str(suite))
    go(out, asked, budget=5)
    suite.write_text(edited + text)
    with pytest.raises(UserError, match=words):
        go(out, asked, resume=True)
    go(out, structs.replace(asked, replicates=2), resume=True)
    assert recorded(out) == [("lenet5", 1), ("lenet5", 2)]


def test_a_target_and_a_number_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"give --replicates .* or --until .* not both"):
        plan_for(structs.replace(TWO, replicates=2), tmp_path, resume=False)


@pytest.mark.parametrize("bad", ["5", "0", "-5%", "x", "", "nan", "101%", True, 0])
def test_a_bad_target_is_a_sentence(tmp_path: Path, bad: object) -> None:
    with pytest.raises(UserError, match="--until must be a number above 0 and up to 1, got"):
        plan_for(structs.replace(TWO, until=bad), tmp_path, resume=False)


def test_a_folder_without_a_plan_resumes_with_the_plan_spelled_out(clock: Clock, tmp_path: Path) -> None:
    """As one of before: by its name alone nothing is begun in it."""
    go(tmp_path, TWO, budget=15)
    (tmp_path / PLAN).unlink()
    with pytest.raises(UserError, match=r"has no plan.json. Give --resume the suite or the options"):
        go(tmp_path, resume=True)
    assert go(tmp_path, TWO, resume=True).wide == []
    assert (tmp_path / PLAN).exists()
    with pytest.raises(UserError, match=r"typo is not a run folder \(no records.jsonl\)"):
        go(tmp_path / "typo", resume=True)
    assert not (tmp_path / "typo").exists()


def damaged(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        plan = json.loads(text)
        change(plan)
        return json.dumps(plan)

    return changed


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda text: "", "is damaged"),
    "torn": (lambda text: text[: len(text) // 2], "is damaged"),
    "no plan": (lambda text: "[1]", "is damaged"),
    "deep": (lambda text: "[" * 100_000, "is damaged"),
    "newer": (damaged(lambda plan: plan.update(schema=PLAN_SCHEMA + 1)), "was written by a newer convbench"),
    "unknown field": (damaged(lambda plan: plan.update(more=1)), "is damaged"),
    "no cases": (damaged(lambda plan: plan.update(cases=[])), "it has no cases"),
    "twice": (damaged(lambda plan: plan.update(cases=plan["cases"] * 2)), "or a case twice"),
    "both rules": (damaged(lambda plan: plan.update(replicates=3)), "either replicates or until"),
    "no rule": (damaged(lambda plan: plan.update(until=None)), "either replicates or until"),
    "bad target": (damaged(lambda plan: plan.update(until=0)), "until must be a number"),
    "many": (damaged(lambda plan: plan.update(until=None, replicates=10**9)), "replicates must be a whole"),
    "bad budget": (damaged(lambda plan: plan.update(budget_seconds=-1)), "budget_seconds must be"),
    "elsewhere": (damaged(lambda plan: plan["cases"][0].update(model="../../etc/passwd")), "etc/passwd"),
    "control": (damaged(lambda plan: plan["cases"][0].update(model="a\u0000.py:f")), "control characters"),
    "device": (damaged(lambda plan: plan["cases"][0].update(device="../cpu")), "unknown device"),
    "engine": (damaged(lambda plan: plan["cases"][0].update(engine="../eager")), "unknown engine"),
    "batch": (damaged(lambda plan: plan["cases"][0].update(batch=0)), "batch must be"),
    "replicate": (damaged(lambda plan: plan["cases"][0].update(replicate=2)), "is not a case of a suite"),
    "protocol": (damaged(lambda plan: plan["protocol"].update(min_samples=0)), "above 0"),
    "machine": (damaged(lambda plan: plan.update(machine={"cpu": 3})), "is damaged"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_plan_that_no_run_wrote_is_refused_in_one_sentence(clock: Clock, tmp_path: Path, name: str) -> None:
    go(tmp_path, TWO, budget=15)
    change, words = DAMAGES[name]
    (tmp_path / PLAN).write_text(change((tmp_path / PLAN).read_text()))
    before = recorded(tmp_path)
    with pytest.raises(UserError) as refused:
        go(tmp_path, resume=True)
    assert words in str(refused.value)
    assert str(tmp_path / PLAN) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert recorded(tmp_path) == before


def test_a_run_whose_plan_is_damaged_goes_on_without_it(clock: Clock, tmp_path: Path) -> None:
    """As the sentence says."""
    go(tmp_path, TWO, budget=15)
    (tmp_path / PLAN).write_text("{")
    with pytest.raises(UserError, match=r"Delete it and give --resume the options of the first command$"):
        go(tmp_path, TWO, resume=True)
    (tmp_path / PLAN).unlink()
    assert go(tmp_path, TWO, resume=True).wide == []


def test_a_plan_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / PLAN).mkdir()
    with pytest.raises(UserError, match=r"cannot read .*Is a directory"):
        plan_for(Asked(), tmp_path, resume=True)


def test_the_files_of_planned_cases_stay_in_their_folder() -> None:
    """A user's own file may lie anywhere; what its case writes does not."""
    for model in ("../../nets.py:build", "/tmp/nets.py:build", "~/nets.py:build"):
        assert set(Case(model=model).file_name).isdisjoint("/.~")


@pytest.mark.parametrize(
    ("elsewhere", "words"),
    [
        ({"cpu": "Another CPU"}, "was started on the processor Another CPU, and this is"),
        ({"cores_usable": 96}, "a machine whose usable cores were 96"),
    ],
)
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_run_does_not_go_on_on_another_machine(
    clock: Clock, tmp_path: Path, elsewhere: dict[str, Any], words: str, is_kept: bool
) -> None:
    """Whether the plan says where it was begun, or only the records do."""
    go(tmp_path, TWO, budget=15)
    records = list(read_records(tmp_path / RECORDS))
    if is_kept:
        kept = plan_file.read(tmp_path)
        assert kept is not None
        assert kept.machine is not None
        plan_file.write(tmp_path, structs.replace(kept, machine=structs.replace(kept.machine, **elsewhere)))
    else:
        (tmp_path / PLAN).unlink()
        (tmp_path / RECORDS).unlink()
        machine = structs.replace(environment.describe(), **elsewhere)
        planted_records.write(tmp_path, [structs.replace(each, environment=machine) for each in records])
    with pytest.raises(UserError, match=words):
        go(tmp_path, TWO, resume=True)


GPU_RUN = Machine(cpu="Test CPU", cores_usable=2, gpu="GPU-1")


def test_a_run_does_not_go_on_on_another_gpu(tmp_path: Path) -> None:
    other = structs.replace(GPU_RUN, gpu="GPU-2")
    with pytest.raises(UserError, match=r"was started on the GPU GPU-1, and this is GPU-2. Choose another"):
        machines.refuse_other(tmp_path, GPU_RUN, other)
    machines.refuse_other(tmp_path, GPU_RUN, GPU_RUN)
    machines.refuse_other(tmp_path, GPU_RUN, structs.replace(GPU_RUN, gpu=None))
    machines.refuse_other(tmp_path, None, GPU_RUN)


def of_gpu(uuid: str | None) -> Environment:
    return structs.replace(planted_records.MACHINE, gpu=structs.replace(planted_records.GPU, uuid=uuid))


def test_the_machine_of_records_is_that_of_the_first_that_names_one() -> None:
    case = Case(model="lenet5")

    def machine(*environments: Environment | None) -> Machine | None:
        return machines.recorded(planted_records.record(case, environment=each) for each in environments)

    assert machine() is None
    assert machine(None) is None
    assert machine(None, planted_records.MACHINE) == structs.replace(GPU_RUN, gpu=None)
    assert machine(planted_records.MACHINE, of_gpu("GPU-1"), of_gpu("GPU-2")) == GPU_RUN
    assert machine(of_gpu("MIG-1"), of_gpu(None)) == structs.replace(GPU_RUN, gpu=None)
