"""A job for each node, what becomes of it, and who measures the rest."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.fleet import cancelling, dispatch, fleet_folder, job_files, node_states
from bench.fleet.dispatch import Dispatch
from bench.fleet.job_files import JobFiles, KeptJob
from bench.record_lines import read_records
from bench.run_folders import named_run
from bench.schema.fleet_plan import FleetPlan, NodeState
from bench.store import RECORDS
from models.errors import UserError
from tests.planted.planted_executor import Fate, PlantedExecutor, fleet_plan, measure


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits."""
    for name in ("GRACE_SECONDS", "HOPELESS_SECONDS", "_SOONEST", "_LATEST"):
        monkeypatch.setattr(dispatch, name, 0.0)


def begun(folder: Path, *nodes: str, **site: object) -> FleetPlan:
    plan = fleet_plan(*nodes, **site)
    fleet_folder.write(folder, plan)
    return plan


def ran(
    folder: Path,
    plan: FleetPlan,
    executor: PlantedExecutor,
    *,
    resume: bool = False,
    down: dict[str, str] | None = None,
) -> dict[str, NodeState]:
    """How the nodes stand at the end; what the files alone say must be the same."""
    states = Dispatch(folder, plan, executor, lambda states, trouble: None).run(down or {}, resume=resume)
    assert states == node_states.states_of(folder)
    return {state.node: state for state in states}


def processes(folder: Path) -> collections.Counter[object]:
    """How often each process has a record that was measured, by node."""
    found: collections.Counter[object] = collections.Counter()
    for run in named_run(folder).run_folders:
        node = run.relative_to(folder / "nodes").parts[0]
        found.update((node, each.case) for each in read_records(run / RECORDS) if each.status == "ok")
    return found


def test_every_node_gets_one_job_and_is_complete(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1", "n2", "n3")
    executor = PlantedExecutor(tmp_path, plan)
    states = ran(tmp_path, plan, executor)
    assert executor.submitted == ["planted-n1-1", "planted-n2-1", "planted-n3-1"]
    assert {(state.state, state.done, state.planned) for state in states.values()} == {("complete", 4, 4)}
    assert set(processes(tmp_path).values()) == {1}


@pytest.mark.parametrize(
    ("fate", "state", "reason"),
    [
        ("bad input", "failed", "exit code 2, 1 of 4 processes measured"),
        ("crash", "failed", "exit code 1, 1 process crashed or timed out, 3 of 4 processes measured"),
        ("budget", "out of time", "exit code 3, 1 of 4 processes measured"),
        ("node lost", "node lost", "NODE_FAIL NodeDown, 1 of 4 processes measured"),
        ("timed out", "timed out", "TIMEOUT TimeLimit, 1 of 4 processes measured"),
        ("lost", "job lost", "the scheduler does not know the job, which left no exit code, 0 of 4"),
        ("refused", "refused", "Invalid account"),
        ("hopeless", "node down", "PENDING ReqNodeNotAvail, 0 of 4 processes measured"),
    ],
)
def test_a_gap_is_named_and_resume_measures_it_alone(
    tmp_path: Path, fate: Fate, state: str, reason: str
) -> None:
    plan = begun(tmp_path, "n1", "n2")
    executor = PlantedExecutor(tmp_path, plan, n2=[fate])
    states = ran(tmp_path, plan, executor)
    assert states["n1"].state == "complete"
    assert (states["n2"].state, states["n2"].is_gap) == (state, True)
    assert reason in states["n2"].reason
    before = list(executor.submitted)
    again = ran(tmp_path, plan, executor, resume=True)
    assert executor.submitted[len(before) :] == ["planted-n2-2"]
    assert {each.state for each in again.values()} == {"complete"}
    # What the first attempt measured is in the second's folder too, and nothing was measured twice.
    folders = [tmp_path / "nodes" / "n2" / "2"]
    records = [each for folder in folders for each in read_records(folder / RECORDS)]
    assert len({each.case for each in records}) == len(records) == 4


def test_a_log_is_shown_for_a_gap_only(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1", "n2")
    states = ran(tmp_path, plan, PlantedExecutor(tmp_path, plan, n2=["bad input"]))
    assert states["n1"].log == ()
    assert states["n2"].log == ("convbench: bad input on n2",)


def test_a_case_that_does_not_fit_is_no_gap(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1")
    executor = PlantedExecutor(tmp_path, plan, n1=["oom"])
    state = ran(tmp_path, plan, executor)["n1"]
    assert (state.state, state.failed, state.reason) == ("complete", 1, "1 process failed")
    ran(tmp_path, plan, executor, resume=True)
    assert executor.submitted == ["planted-n1-1"]


def test_what_a_given_up_node_still_writes_completes_it(tmp_path: Path) -> None:
    """NODE_FAIL does not say that the processes of the node are dead."""
    plan = begun(tmp_path, "n1")
    executor = PlantedExecutor(tmp_path, plan, n1=["node lost"])
    assert ran(tmp_path, plan, executor)["n1"].state == "node lost"
    measure(tmp_path / "nodes" / "n1" / "1")
    assert ran(tmp_path, plan, executor, resume=True)["n1"].state == "complete"
    assert executor.submitted == ["planted-n1-1"]


def test_a_first_attempt_may_write_beside_the_second(tmp_path: Path) -> None:
    """Both then have records of the same processes, in folders that readers know as attempts at one plan."""
    plan = begun(tmp_path, "n1")
    ran(tmp_path, plan, PlantedExecutor(tmp_path, plan, n1=["node lost"]))
    state = ran(tmp_path, plan, PlantedExecutor(tmp_path, plan), resume=True)["n1"]
    measure(tmp_path / "nodes" / "n1" / "1")
    assert (state.attempt, state.done, state.planned) == (2, 4, 4)
    assert node_states.states_of(tmp_path) == (state,)
    assert set(processes(tmp_path).values()) == {2}
    assert named_run(tmp_path).is_fleet


def test_a_job_that_runs_is_watched_and_not_submitted_again(tmp_path: Path) -> None:
    """The command that submitted it was killed; another one resumes."""
    plan = begun(tmp_path, "n1", "n2")
    executor = PlantedExecutor(tmp_path, plan, n1=["runs"])
    seen: list[Sequence[str]] = []

    def tell(states: dispatch.States, trouble: str) -> None:
        seen.append([state.state for state in states.values()])
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dispatch(tmp_path, plan, executor, tell).run({}, resume=False)
    assert seen[-1] == ["running", "complete"]
    measure(tmp_path / "nodes" / "n1" / "1")
    JobFiles(tmp_path, "planted-n1-1").path("exit").write_text("0\n")
    assert ran(tmp_path, plan, executor, resume=True)["n1"].state == "complete"
    assert executor.submitted == ["planted-n1-1", "planted-n2-1"]


def test_a_job_without_an_id_is_found_by_its_name(tmp_path: Path) -> None:
    """Killed between the two writes: the scheduler has the job, the folder only the intention."""
    plan = begun(tmp_path, "n1")
    executor = PlantedExecutor(tmp_path, plan)
    ran(tmp_path, plan, executor)
    kept = job_files.kept_jobs(tmp_path)["n1"][0]
    job_files.keep(tmp_path, structs.replace(kept, id=None))
    for ending in ("seen", "exit"):
        JobFiles(tmp_path, kept.name).path(ending).unlink(missing_ok=True)
    state = ran(tmp_path, plan, executor, resume=True)["n1"]
    assert (state.state, state.job) == ("complete", "1")
    assert executor.submitted == ["planted-n1-1"]


def test_a_job_that_was_never_submitted_is_lost_and_submitted_by_resume(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1")
    intended = KeptJob(name="planted-n1-1", node="n1", attempt=1, seconds=60.0, at=0.0)
    job_files.keep(tmp_path, intended)
    executor = PlantedExecutor(tmp_path, plan)
    assert ran(tmp_path, plan, executor, resume=True)["n1"].state == "complete"
    assert executor.submitted == ["planted-n1-2"]


def test_a_scheduler_that_does_not_answer_loses_no_job(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1", "n2")
    executor = PlantedExecutor(tmp_path, plan, n1=["silent"], n2=["runs"])
    troubles: list[str] = []

    def tell(states: dispatch.States, trouble: str) -> None:
        troubles.append(trouble)
        assert not any(state.is_gap for state in states.values())
        if len(troubles) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dispatch(tmp_path, plan, executor, tell).run({}, resume=False)
    assert "connection refused" in troubles


def test_no_more_jobs_at_once_than_allowed(tmp_path: Path) -> None:
    plan = begun(tmp_path, *(f"n{number}" for number in range(7)), jobs_at_once=2)
    executor = PlantedExecutor(tmp_path, plan, n0=["timed out"], n3=["node lost"])
    states = ran(tmp_path, plan, executor)
    assert executor.most_at_once <= 2
    assert len(executor.submitted) == 7
    assert [state.state for state in states.values()].count("complete") == 5


def test_a_node_that_is_down_gets_no_job(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1", "n2")
    executor = PlantedExecutor(tmp_path, plan)
    states = ran(tmp_path, plan, executor, down={"n2": "down*: Not responding"})
    assert executor.submitted == ["planted-n1-1"]
    assert (states["n2"].state, states["n2"].reason) == ("node down", "down*: Not responding")
    assert ran(tmp_path, plan, executor, resume=True)["n2"].state == "complete"


def test_a_folder_that_cannot_be_written_stops_its_own_node_alone(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1", "n2")
    (tmp_path / "nodes" / "n1").write_text("")
    states = ran(tmp_path, plan, PlantedExecutor(tmp_path, plan))
    assert states["n1"].state == "refused"
    assert "cannot use" in states["n1"].reason
    assert states["n2"].state == "complete"
    (tmp_path / "nodes" / "n1").unlink()
    states = ran(tmp_path, plan, PlantedExecutor(tmp_path, plan), resume=True)
    assert {state.state for state in states.values()} == {"complete"}


def test_cancel_ends_what_runs_and_stops_what_submits(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1", "n2", "n3", jobs_at_once=1)
    executor = PlantedExecutor(tmp_path, plan, n1=["runs"])
    ended: list[int] = []

    def tell(states: dispatch.States, trouble: str) -> None:
        if states["n1"].state == "running":
            ended.append(cancelling.cancel(tmp_path, plan, executor)[1])

    states = Dispatch(tmp_path, plan, executor, tell).run({}, resume=False)
    assert ended == [1]
    assert [state.state for state in states] == ["cancelled", "not submitted", "not submitted"]
    assert cancelling.cancel(tmp_path, plan, executor)[1] == 0
    again = ran(tmp_path, plan, executor, resume=True)
    assert {state.state for state in again.values()} == {"complete"}


def test_an_unusual_exit_code_waits_for_what_the_scheduler_says(tmp_path: Path) -> None:
    """A job that Slurm ends at its limit leaves 143 before Slurm calls it TIMEOUT."""
    plan = begun(tmp_path, "n1")
    executor = PlantedExecutor(tmp_path, plan, n1=["runs"])
    seen: list[str] = []

    def tell(states: dispatch.States, trouble: str) -> None:
        seen.append(states["n1"].state)
        JobFiles(tmp_path, "planted-n1-1").path("exit").write_text("143\n")
        if len(seen) == 4:
            executor._of["planted-n1-1"] = "timed out"

    states = Dispatch(tmp_path, plan, executor, tell).run({}, resume=False)
    assert "failed" not in seen
    assert (states[0].state, states[0].exit_code) == ("timed out", 143)


def test_the_clock_of_a_node_is_compared_with_the_folders(tmp_path: Path) -> None:
    plan = begun(tmp_path, "n1")
    executor = PlantedExecutor(tmp_path, plan, n1=["runs"])
    files = JobFiles(tmp_path, "planted-n1-1")

    def tell(states: dispatch.States, trouble: str) -> None:
        files.path("started").write_text("17 0\n")
        now = int(files.path("started").stat().st_mtime)
        files.path("started").write_text(f"17 {now + 3600}\n")
        files.path("exit").write_text("2\n")

    state = Dispatch(tmp_path, plan, executor, tell).run({}, resume=False)[0]
    assert state.clock_seconds == pytest.approx(3600, abs=2)
    assert node_states.has_odd_clock(state)
    assert node_states.clock_in_words(state.clock_seconds or 0) == "60 minutes"


def test_one_command_at_a_time_submits(tmp_path: Path) -> None:
    with (
        dispatch.alone(tmp_path),
        pytest.raises(UserError, match="is at work"),
        dispatch.alone(tmp_path),
    ):
        pass
