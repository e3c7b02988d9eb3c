"""One process of a case says what one says for all: which one is asked, also after a failure or a resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec
import pytest
from msgspec import structs

from bench.forkserver.client import Outcome, Server
from bench.host import cpu_cores, environment
from bench.runner import case_server, execute
from bench.runner.attempt import attempt
from bench.runner.execute import run_plan
from bench.runner.facts import KnownFacts
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Environment, Record
from bench.schema.step_digest import StepDigest
from tests.planted import planted_records
from tests.planted.planted_records import GPU_MACHINE, MACHINE
from tests.planted.standing_server import StandingServer

LENET = Case(model="lenet5", image=28, channels=1, classes=10)
VGG = Case(model="vgg11")


def replicates(case: Case, count: int) -> list[Case]:
    return [structs.replace(case, replicate=number) for number in range(1, count + 1)]


Run = Callable[..., list[tuple[str, int, bool]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """A run whose processes answer at once; which of them was asked for facts, in the order of measuring."""

    def measured(
        cases: Sequence[Case],
        *,
        failing: Sequence[Case] = (),
        incomplete: Sequence[Case] = (),
        machine: Environment = MACHINE,
        resume: bool = False,
    ) -> list[tuple[str, int, bool]]:
        asked: list[tuple[str, int, bool]] = []

        def attempted(
            case: Case, protocol: MeasurementProtocol, described: Environment, *_: object, facts: bool
        ) -> Record:
            asked.append((case.model, case.replicate, facts))
            found = planted_records.record(case, environment=described)
            if case in failing:
                return structs.replace(found, status="crashed", reason="planted")
            return structs.replace(found, facts=facts and case not in incomplete)

        monkeypatch.setattr(case_server, "Server", lambda **_: StandingServer(object()))
        monkeypatch.setattr(execute, "unrunnable", lambda planned, server: {})
        monkeypatch.setattr(environment, "describe", lambda: machine)
        monkeypatch.setattr(execute, "attempt", attempted)
        protocol = MeasurementProtocol()
        run_plan(
            cases, protocol, tmp_path / "run", resume=resume, budget_seconds=None, on_progress=lambda _: None
        )
        return asked

    return measured


def test_the_first_process_of_each_case_is_asked_and_no_other(run: Run) -> None:
    rounds = zip(replicates(LENET, 3), replicates(VGG, 3), strict=True)
    asked = run([case for cases in rounds for case in cases])
    assert asked[:2] == [("lenet5", 1, True), ("vgg11", 1, True)]
    assert [facts for *_, facts in asked[2:]] == [False] * 4


def test_where_it_fails_the_next_one_is_asked(run: Run) -> None:
    cases = replicates(LENET, 4)
    assert [facts for *_, facts in run(cases, failing=cases[:2])] == [True, True, True, False]


def test_where_a_pass_of_the_first_fails_the_next_one_is_asked_and_no_third(run: Run) -> None:
    """Its time counts; what one process says for all is still to be said. Two say that none will."""
    cases = replicates(LENET, 4)
    assert [facts for *_, facts in run(cases, incomplete=cases[:1])] == [True, True, False, False]
    others = replicates(VGG, 4)
    asked = run([*cases, *others], incomplete=others, resume=True)
    assert asked == [("vgg11", number, number <= 2) for number in range(1, 5)]


def test_a_run_that_goes_on_asks_for_what_the_folder_lacks_alone(run: Run) -> None:
    """The first process failed before; the second is in the folder, and of another case nothing."""
    cases = replicates(LENET, 2)
    run(cases, failing=cases[:1])
    more = [*replicates(LENET, 3), VGG]
    assert run(more, resume=True) == [("lenet5", 1, False), ("lenet5", 3, False), ("vgg11", 1, True)]


def test_another_machine_or_version_is_asked_anew(run: Run) -> None:
    """Its processes are never pooled with those before, and would have no sizes."""
    run(replicates(LENET, 1))
    newer = structs.replace(MACHINE, libraries={"torch": "2.12.0"})
    asked = run(replicates(LENET, 3), machine=newer, resume=True)
    assert [facts for *_, facts in asked] == [True, False]


def test_another_commit_of_the_users_is_the_same_machine() -> None:
    known = KnownFacts([planted_records.record(LENET)])
    assert known.of(structs.replace(LENET, replicate=7), structs.replace(MACHINE, commit="other"))
    assert not known.of(VGG, MACHINE)


def test_of_an_earlier_sitting_on_an_accelerator_nobody_knows_which_one_it_was() -> None:
    """The parent has not asked the driver: `--gpu` may have chosen another one of two."""
    on_gpu = planted_records.record(structs.replace(LENET, device="cuda"), environment=GPU_MACHINE)
    assert not KnownFacts([on_gpu]).of(on_gpu.case, MACHINE)
    known = KnownFacts()
    known.learn(on_gpu)
    assert known.of(on_gpu.case, MACHINE)


@pytest.mark.parametrize(
    "record",
    [
        planted_records.record(LENET, status="oom", reason="planted"),
        structs.replace(planted_records.record(LENET), facts=False),
        planted_records.record(structs.replace(LENET, workload="ceiling")),
    ],
    ids=["failed", "not asked", "no timed case"],
)
def test_what_says_nothing_leaves_the_question_open(record: Record) -> None:
    known = KnownFacts([record])
    assert not known.of(record.case, MACHINE)


def test_a_server_is_told_whether_its_children_are_asked_for_facts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def preload(cases: Sequence[Case], *, facts: bool) -> tuple[str, ...]:
        told.append(facts)
        return ()

    monkeypatch.setattr(case_server, "preload", preload)
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: 1)
    first, second, third = replicates(LENET, 3)
    run([first, second, third], failing=[first])
    assert told == [True, True, False]


def test_a_server_that_starts_beside_the_first_expects_that_facts_will_be_known(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def preload(cases: Sequence[Case], *, facts: bool) -> tuple[str, ...]:
        told.append(facts)
        return ()

    monkeypatch.setattr(case_server, "preload", preload)
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: 2)
    run(replicates(LENET, 3))
    assert told == [True, False, False]


def test_ceilings_lack_no_facts() -> None:
    known = KnownFacts()
    assert known.lack([VGG], MACHINE)
    assert not known.lack([Case(model="none", workload="ceiling")], MACHINE)
    known.learn(planted_records.record(VGG, environment=MACHINE))
    assert not known.lack([structs.replace(VGG, replicate=2)], MACHINE)
    assert known.lack([LENET, VGG], MACHINE)


class Asked:
    """A server that keeps the job and answers nothing; `known` are the later fields that it understands."""

    is_foreign = True

    def __init__(self, *known: str) -> None:
        self._known = known
        self.job: dict[str, object] = {}

    def knows(self, field: str) -> bool:
        return field in self._known

    def run(self, question: str, argument: bytes, **_: object) -> Outcome:
        self.job = msgspec.json.decode(argument)
        return Outcome(kind="crashed", reason="planted", seconds=0.0)


@pytest.mark.parametrize(("known", "sent"), [((), {}), (("Job.facts",), {"facts": False})])
def test_an_installation_from_before_is_asked_for_all(
    tmp_path: Path, known: tuple[str, ...], sent: dict[str, object]
) -> None:
    """It would refuse the field, and what it says again is no harm."""
    server = Asked(*known)
    attempt(LENET, MeasurementProtocol(), MACHINE, tmp_path, cast(Server, server), facts=False)
    assert {name: value for name, value in server.job.items() if name == "facts"} == sent


DIGEST = StepDigest(loss="a", gradients="b", weights="c")


def test_a_deterministic_step_is_made_once_for_all_cases_that_share_it() -> None:
    """It is of training in eager mode, whatever the case beside which it is made."""
    known, options = KnownFacts(), RunOptions(step_digest=True)
    training = structs.replace(LENET, workload="training", engine="compile", replicate=2)
    assert known.asked(options, LENET, MACHINE).step_digest
    known.learn(planted_records.record(LENET))
    assert known.asked(options, LENET, MACHINE).step_digest
    known.learn(structs.replace(planted_records.record(LENET), step_digest=DIGEST))
    assert not known.asked(options, training, MACHINE).step_digest
    assert known.asked(options, structs.replace(LENET, batch=2), MACHINE).step_digest
    assert not known.asked(RunOptions(), VGG, MACHINE).step_digest


@pytest.mark.parametrize("known", [(), ("Job.facts",), ("Job.facts", "Job.step_digest")])
@pytest.mark.parametrize("facts", [True, False])
def test_the_first_process_of_a_case_is_asked_for_the_step_where_its_installation_knows_it(
    tmp_path: Path, known: tuple[str, ...], facts: bool
) -> None:
    server = Asked(*known)
    options = RunOptions(step_digest=True)
    attempt(
        LENET, MeasurementProtocol(), MACHINE, tmp_path, cast(Server, server), options=options, facts=facts
    )
    assert server.job.get("step_digest", False) is (facts and "Job.step_digest" in known)
