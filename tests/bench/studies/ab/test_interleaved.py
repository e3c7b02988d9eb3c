"""Interleaved pairs: the schedule, the looks, what is given up, and the command from end to end."""

from __future__ import annotations

import json
import math
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, count, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from bench.plan.axes import Value
from bench.runner import case_server
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Environment, Measurement, Record
from bench.stats import verdicts
from bench.store import RECORDS, read_records
from bench.studies.ab import interleaved
from bench.studies.ab.interleaved import Pairs, Trial, gate, whole_wall_time
from bench.studies.ab.pair_rows import CasePair
from bench.studies.ab.sides import Side, case_pairs_of, label, read_side
from models.errors import UserError
from tests.planted import planted_records
from tests.planted.commands import ROOT, Answer, Command
from tests.planted.standing_server import StandingServer

SLOW = [0.05 + wobble for wobble in (0.002, -0.001, 0.001, -0.002) * 16]
EQUAL = [0.002, -0.001, 0.001, -0.002] * 16
NOISE = [0.3, -0.3] * 32
Ratios = Mapping[str, Sequence[float | None]]


def case(model: str = "lenet5", **fields: Value) -> Case:
    return structs.replace(Case(model=model), **fields)


def trial(*models: str) -> Trial:
    cases = [case(model) for model in models]
    return Trial(
        case_pairs=case_pairs_of(cases, cases), sides=(Side(), Side()), protocol=MeasurementProtocol()
    )


class Machine:
    """Measures without processes: log(b / a) of a model's pairs as planted, None for a b that crashes."""

    def __init__(self, ratios: Ratios) -> None:
        self.ratios = ratios
        self.measured: list[tuple[str, int, str]] = []
        """(model, pair, side) in the order of measuring."""
        self.asked: set[tuple[str, int, str]] = set()
        """Those that say what one process says for all."""

    def measure(
        self,
        case: Case,
        protocol: MeasurementProtocol,
        environment: Environment,
        directory: Path,
        server: object,
        options: object,
        *,
        facts: bool,
    ) -> Record:
        side = directory.name
        self.measured.append((case.model, case.replicate, side))
        if facts:
            self.asked.add(self.measured[-1])
        ratio = self.ratios[case.model][case.replicate - 1]
        if ratio is None and side == "b":
            return planted_records.record(case, status="crashed", reason="planted")
        seconds = math.exp(ratio or 0.0) if side == "b" else 1.0
        return planted_records.record(
            case, Measurement(phase="forward", metric="wall_time", unit="s", samples=[seconds])
        )

    def pairs(self, model: str) -> list[int]:
        return [pair for name, pair, side in self.measured if (name, side) == (model, "a")]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ratios], Machine]:
    """A function that puts a planted machine in the place of the real one."""

    def place(ratios: Ratios) -> Machine:
        planted_machine = Machine(ratios)
        monkeypatch.setattr(case_server, "Server", lambda **_: StandingServer(None))
        monkeypatch.setattr(interleaved, "_check", lambda trial, index: planted_records.MACHINE)
        monkeypatch.setattr(interleaved, "attempt", planted_machine.measure)
        monkeypatch.setattr(random, "sample", random.Random(3).sample)
        return planted_machine

    return place


Place = Callable[[Ratios], Machine]


def execute(found: Trial, directory: Path, budget: float | None = None) -> list[Pairs]:
    return interleaved.run_pairs(found, directory, budget_seconds=budget, on_progress=lambda _: None)


def words(known: Sequence[Pairs]) -> list[str | None]:
    return [None if pairs.verdict is None else pairs.verdict.verdict for pairs in known]


def test_a_side_is_read() -> None:
    python = Path(sys.executable)
    side = read_side(" engine = compile, batch=8", python)
    assert side == Side(changes={"engine": "compile", "batch": 8}, python=python)
    assert read_side(None, None) == read_side("", None) == Side()
    assert label(side) == f"engine=compile, batch=8, {python}"
    assert label(Side()) == "as it is"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("engin=eager", "unknown axis 'engin'. Did you mean 'engine'"),
        ("engine=compil", "unknown engine 'compil'. Did you mean 'compile'"),
        ("batch=0", "batch must be a whole number from 1"),
        ("engine", "a side must be AXIS=VALUE"),
        ("engine=eager,", "a side must be AXIS=VALUE"),
        ("engine=eager,compile", "a side must be AXIS=VALUE"),
        ("engine=eager,engine=compile", "engine is given twice"),
        ("engine=", "must be a name"),
    ],
)
def test_a_side_that_is_none(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read_side(text, None)


def test_an_interpreter_that_cannot_be_started(tmp_path: Path) -> None:
    plain = tmp_path / "python"
    for _ in range(2):  # first missing, then a file that is no program
        with pytest.raises(UserError, match="is not a Python interpreter"):
            read_side(None, plain)
        plain.touch()


def test_an_interpreter_of_this_folder_is_not_looked_for_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Path("./python")` is written `python`, and that is what a shell would look for."""
    (tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert read_side(None, Path("./python")).python == tmp_path / "python"


def test_pairs_of_cases_stand_side_by_side_without_replicates() -> None:
    a, b = [case(), case(batch=8)], [case(engine="compile"), case(batch=8, engine="compile")]
    found = case_pairs_of(a, b)
    assert [(one.a, one.b) for one in found] == [
        (x.without_replicate(), y.without_replicate()) for x, y in zip(a, b, strict=True)
    ]
    with pytest.raises(UserError, match="side a has 2 cases and side b 1"):
        case_pairs_of(a, b[:1])


def test_all_cases_have_their_pair_before_any_has_the_next(tmp_path: Path, machine: Place) -> None:
    """Nothing is decided here, so all 64 pairs are made, of each side's processes one after the other."""
    models = ("lenet5", "alexnet", "vgg11")
    placed = machine(dict.fromkeys(models, NOISE))
    known = execute(trial(*models), tmp_path)
    assert words(known) == ["inconclusive"] * 3
    assert [pair for _, pair, _ in placed.measured] == [pair for pair in range(1, 65) for _ in range(6)]
    couples = [placed.measured[at : at + 2] for at in range(0, len(placed.measured), 2)]
    assert all(first[:2] == second[:2] and first[2] != second[2] for first, second in couples)
    for model in models:
        firsts = [first[2] for first, _ in couples if first[0] == model]
        assert 16 <= firsts.count("a") <= 48
    rounds = [tuple(couple[0][0] for couple in couples[at : at + 3]) for at in range(0, 192, 3)]
    assert {frozenset(each) for each in rounds} == {frozenset(models)}
    assert len(set(rounds)) == 6


def test_each_side_of_a_case_says_once_what_one_process_says_for_all(tmp_path: Path, machine: Place) -> None:
    """The first b of vgg11 fails, so that the next one is asked."""
    placed = machine({"lenet5": [0.0] * 8, "vgg11": [None, *[0.0] * 8]})
    execute(trial("lenet5", "vgg11"), tmp_path)
    assert placed.asked == {
        *(("lenet5", 1, side) for side in ("a", "b")),
        *(("vgg11", 1, side) for side in ("a", "b")),
        ("vgg11", 2, "b"),
    }


def test_what_is_clear_at_a_look_is_not_measured_further(tmp_path: Path, machine: Place) -> None:
    """Clear at 12 pairs: seen at the next look and not before. The verdicts are those of the rule itself."""
    late = [0.1 + noise for noise in [0.1, -0.1] * 4 + [0.0] * 56]
    planted_ratios = {"lenet5": SLOW, "alexnet": EQUAL, "vgg11": late, "vgg13": NOISE}
    placed = machine(planted_ratios)
    known = execute(trial(*planted_ratios), tmp_path)
    assert words(known) == ["slower", "equivalent", "slower", "inconclusive"]
    assert [len(placed.pairs(model)) for model in planted_ratios] == [8, 8, 16, 64]
    early = [verdicts.interim_verdict(late[:n], last=True) for n in (8, 13)]
    assert [verdict is not None and verdict.is_clear for verdict in early] == [False, True]
    for pairs, (ratios, n) in zip(known, [(SLOW, 8), (EQUAL, 8), (late, 16), (NOISE, 64)], strict=True):
        assert pairs.log_ratios == pytest.approx(ratios[:n])
        assert pairs.verdict == verdicts.interim_verdict(pairs.log_ratios)


def test_the_margin_is_the_users(tmp_path: Path, machine: Place) -> None:
    placed = machine({"lenet5": SLOW})
    known = execute(structs.replace(trial("lenet5"), margin=0.1), tmp_path)
    assert (words(known), len(placed.pairs("lenet5"))) == (["equivalent"], 8)


def test_records_carry_their_pair_in_two_runs(tmp_path: Path, machine: Place) -> None:
    machine({"lenet5": SLOW})
    execute(trial("lenet5"), tmp_path)
    for side in ("a", "b"):
        records = list(read_records(tmp_path / side / RECORDS))
        assert [(r.pair, r.case.replicate, r.sequence) for r in records] == [(n, n, n) for n in range(1, 9)]
        assert not (tmp_path / side / "work").exists()


def test_failures_are_given_up_after_two(tmp_path: Path, machine: Place) -> None:
    """... and one failure costs its pair alone: 8 that came together need 9."""
    placed = machine({"lenet5": [None] * 64, "alexnet": [None, *SLOW[1:]], "vgg11": SLOW})
    known = execute(trial("lenet5", "alexnet", "vgg11"), tmp_path)
    assert [len(placed.pairs(model)) for model in ("lenet5", "alexnet", "vgg11")] == [2, 9, 8]
    assert [pairs.failures for pairs in known] == [2, 1, 0]
    assert words(known) == [None, "slower", "slower"]
    assert [r.status for r in read_records(tmp_path / "b" / RECORDS) if r.case.model == "lenet5"] == [
        "crashed"
    ] * 2


def test_what_was_seen_before_two_failures_is_judged(tmp_path: Path, machine: Place) -> None:
    machine({"lenet5": [*SLOW[:5], None, None]})
    known = execute(trial("lenet5"), tmp_path)
    assert known[0].verdict == verdicts.interim_verdict(known[0].log_ratios, last=True)
    assert (len(known[0].log_ratios), words(known)) == (5, ["slower"])


def stop_the_clock_after(readings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first reading is the start, then one before each pair; later ones are past any budget."""
    clock = chain(repeat(0.0, readings), repeat(1e9))
    monkeypatch.setattr(interleaved, "time", SimpleNamespace(monotonic=lambda: next(clock)))


def test_a_spent_budget_means_a_last_look(
    tmp_path: Path, machine: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = machine({"lenet5": SLOW})
    stop_the_clock_after(1 + 5, monkeypatch)
    (pairs,) = execute(trial("lenet5"), tmp_path, budget=60)
    assert placed.pairs("lenet5") == [1, 2, 3, 4, 5]
    assert pairs.verdict == verdicts.interim_verdict(pairs.log_ratios, last=True)
    assert pairs.verdict is not None
    assert (pairs.verdict.verdict, pairs.verdict.level) == ("slower", 0.9975)


@pytest.mark.parametrize("used", ["a", "b"])
def test_a_used_folder_is_refused_before_anything_is_measured(
    tmp_path: Path, machine: Place, monkeypatch: pytest.MonkeyPatch, used: str
) -> None:
    placed = machine({"lenet5": SLOW})
    monkeypatch.setattr(interleaved, "_check", lambda *_: pytest.fail("torch was asked"))
    planted_records.write(tmp_path / used, [])
    with pytest.raises(UserError, match=r"already contains a run. Choose another") as refused:
        execute(trial("lenet5"), tmp_path)
    assert "--resume" not in str(refused.value)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UserError, match="is a file"):
        execute(trial("lenet5"), file)
    assert placed.measured == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([used, "file"])


def judged(log_ratios: Sequence[float]) -> Pairs:
    return Pairs(log_ratios=list(log_ratios), verdict=verdicts.interim_verdict(log_ratios, last=True))


def test_a_gate_knows_directions_and_constants() -> None:
    slow, fast, equal = judged(SLOW[:8]), judged([-x for x in SLOW[:8]]), judged(EQUAL[:8])
    assert gate([equal, slow], "slower")
    assert not gate([equal, fast], "slower")
    assert gate([equal, fast], "any")
    assert not gate([equal, judged(NOISE), judged([0.5]), Pairs(log_ratios=[])], "any")
    assert gate([judged([0.05] * 8)], "slower")


def test_a_gate_corrects_for_many_pairs_of_cases() -> None:
    """A look's p of 0.0006 holds alone, and not as the smallest of ten, where 0.01 / 10 would let it hold."""
    doubtful = judged([0.05 + 0.0227 * sign for sign in (1, -1) * 4])
    assert doubtful.verdict is not None
    assert doubtful.verdict.p is not None
    assert 0.0025 / 10 < doubtful.verdict.p < 0.01 / 10
    assert gate([doubtful], "slower")
    assert not gate([doubtful, *(judged(NOISE[:8]) for _ in range(9))], "slower")
    assert gate([doubtful, judged(SLOW[:8]), *(judged(NOISE[:8]) for _ in range(9))], "slower")


def test_the_whole_steps_wall_time_decides() -> None:
    disturbed = Measurement(phase="step", metric="wall_time", unit="s", samples=[9.0], disturbed=True)
    times = [
        disturbed,
        planted_records.time("forward", 1.0),
        planted_records.time("step", 2.0),
    ]
    training, inference = case(workload="training"), case()
    assert whole_wall_time(planted_records.record(training, *times)) == 2.0
    assert whole_wall_time(planted_records.record(inference, *times)) == 1.0
    assert whole_wall_time(planted_records.record(training, times[1])) is None
    assert whole_wall_time(planted_records.record(inference, *times, status="crashed")) is None


@pytest.fixture
def convbench_ab(tmp_path: Path, command_line: Command) -> Command:
    """`convbench ab --out OUT`, with a new folder for each call, and --same unless a side is given."""
    folders = (tmp_path / f"out{number}" for number in count(1))

    def run(*arguments: str) -> Answer:
        same = () if {"--a", "--b", "--a-python", "--b-python"} & {*arguments} else ("--same",)
        return command_line("ab", "--out", next(folders), "--device", "cpu", *same, *arguments)

    return run


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--a", "engin=eager"), "Did you mean 'engine'"),
        (("--b", "engine"), "a side must be AXIS=VALUE"),
        (("--b-python", "/no/such/python"), "is not a Python interpreter"),
        (("--fail-on", "faster"), "Accepted: slower, any, inconclusive"),
        (("--margin", "60%"), "--margin must be a number above 0"),
        (("--budget", "0"), "--budget must be a number of seconds above 0"),
        (("--format", "htm"), "unknown"),
        (("--batch", "1,8", "--a", "batch=1"), "side a has 1 cases and side b 2"),
        (("--b", "precision=tf32"), "tf32"),
    ],
)
def test_bad_options_are_a_sentence_and_2(
    tmp_path: Path, convbench_ab: Command, arguments: tuple[str, ...], problem: str
) -> None:
    answer = convbench_ab("--model", "lenet5", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("convbench: ")
    assert problem in answer.err
    assert answer.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_exit_code_is_the_gates(convbench_ab: Command, machine: Place) -> None:
    for ratios, codes in ((SLOW, (0, 1, 1)), ([-x for x in SLOW], (0, 0, 1)), (EQUAL, (0, 0, 0))):
        machine({"lenet5": ratios})
        options: tuple[tuple[str, ...], ...] = ((), ("--fail-on", "slower"), ("--fail-on", "any"))
        assert tuple(convbench_ab("--model", "lenet5", *option).code for option in options) == codes


def test_a_gate_may_refuse_what_is_undecided(convbench_ab: Command, machine: Place) -> None:
    for ratios, code in ((EQUAL, 0), (SLOW, 1), ([0.3, -0.3] * 32, 1)):
        machine({"lenet5": ratios})
        assert convbench_ab("--model", "lenet5", "--fail-on", "inconclusive").code == code
        machine({"lenet5": ratios})
        assert convbench_ab("--model", "lenet5", "--fail-on", "slower").code == (1 if ratios is SLOW else 0)


def test_failures_are_in_the_exit_code(tmp_path: Path, convbench_ab: Command, machine: Place) -> None:
    machine({"lenet5": [None] * 64, "alexnet": EQUAL})
    answer = convbench_ab("--model", "lenet5,alexnet", "--format", "json")
    assert answer.code == 1
    assert "1 of 2 cases failed on a side" in answer.err
    assert [row["model"] for row in json.loads(answer.out)["rows"]] == ["alexnet"]
    machine({"lenet5": [None] * 64})
    assert convbench_ab("--model", "lenet5", "--format", "md").code == 1  # a report without any row


def test_a_gate_does_not_pass_what_was_never_seen(
    convbench_ab: Command, machine: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine({"lenet5": EQUAL, "alexnet": EQUAL})
    for option, code in ((), 3), (("--fail-on", "slower"), 1):
        stop_the_clock_after(2, monkeypatch)  # one pair of one case
        answer = convbench_ab("--model", "lenet5,alexnet", "--budget", "1", *option)
        assert answer.code == code
        assert "the budget ended before 1 of 2 cases had a pair" in answer.err


def test_a_budget_that_lasts_for_no_pair_leaves_the_run_incomplete(
    convbench_ab: Command, machine: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine({"lenet5": EQUAL})
    stop_the_clock_after(1, monkeypatch)
    answer = convbench_ab("--model", "lenet5", "--budget", "1")
    assert answer.code == 3
    assert "the budget ended before 1 of 1 cases had a pair" in answer.err


def test_a_busy_machine_is_said_first(
    convbench_ab: Command, machine: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = machine({"lenet5": EQUAL})

    def beside_others(*given: Any, **named: Any) -> Record:
        contended = CaseWarning("contended", "other programs took 40% of the time of the 2 threads")
        return structs.replace(placed.measure(*given, **named), warnings=[contended])

    monkeypatch.setattr(interleaved, "attempt", beside_others)
    lines = convbench_ab("--model", "lenet5", "--format", "md").out.splitlines()
    assert lines[4].startswith("**! This run shared the machine: ")


def test_the_report_says_how_its_records_were_made(convbench_ab: Command, machine: Place) -> None:
    """For programs and for people: when, on which machine, by which commit."""
    machine({"lenet5": EQUAL})
    found = json.loads(convbench_ab("--model", "lenet5", "--format", "json").out)
    assert found["started_at"]
    assert found["machines"]


@pytest.mark.alone
@pytest.mark.slow
def test_a_real_pair_in_two_environments(
    tmp_path: Path, convbench_ab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """b's interpreter is this one behind a script, which sets what only b's records may show."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nexport PYTHONPATH="{ROOT}" MALLOC_PERTURB_=0\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    monkeypatch.delenv("MALLOC_PERTURB_", raising=False)
    suite = tmp_path / "one.toml"
    suite.write_text(
        "replicates = 1\n[protocol]\nwarmup_seconds = 0.01\nmin_samples = 6\nsampling_seconds = 0.05\n"
        '[[cases]]\nmodel = "lenet5"\n'
    )
    stop_the_clock_after(2, monkeypatch)
    answer = convbench_ab(
        *("--suite", suite, "--threads", "1", "--b", "batch=2", "--b-python", python, "--budget", "1"),
        *("--format", "json"),
    )
    out = tmp_path / "out1"
    assert answer.code == 0
    assert answer.err == f"convbench: saving to {out}\nconvbench: report: {out / 'report.md'}\n"
    (row,) = [row for row in json.loads(answer.out)["rows"] if row["decides"]]
    assert (row["verdict"], row["n_base"], row["n_new"], row["low"]) == ("inconclusive", 1, 1, None)
    assert row["ratio"] == pytest.approx(row["new"] / row["base"])
    a, b = (next(read_records(tmp_path / "out1" / side / RECORDS)) for side in ("a", "b"))
    assert (a.status, b.status, a.pair, b.pair, a.case.batch, b.case.batch) == ("ok", "ok", 1, 1, 1, 2)
    assert a.environment is not None
    assert b.environment is not None
    assert "MALLOC_PERTURB_" not in a.environment.variables
    assert b.environment.variables["MALLOC_PERTURB_"] == "0"
    assert os.fspath(python) in (tmp_path / "out1" / "report.md").read_text()


def test_a_side_without_convbench_is_named(tmp_path: Path) -> None:
    """An interpreter that finds nothing but the standard library."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)
    case_pairs = [CasePair(a=case(), b=case())]
    sides = (Side(python=python), Side())
    with pytest.raises(UserError, match=f"^side a: convbench is not installed in {python}$"):
        execute(Trial(case_pairs=case_pairs, sides=sides, protocol=MeasurementProtocol()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_the_side_that_compiles_imports_the_compiler(
    tmp_path: Path, machine: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has a server of its own, so that what it imports is paid for with every pair."""
    machine({"lenet5": EQUAL})
    imported: list[tuple[str, ...]] = []

    def server(*, preload: tuple[str, ...], **_: object) -> StandingServer[None]:
        imported.append(preload)
        return StandingServer(None)

    monkeypatch.setattr(case_server, "Server", server)
    sides = case_pairs_of([case("lenet5")], [case("lenet5", engine="compile")])
    execute(structs.replace(trial("lenet5"), case_pairs=sides, most_pairs=8), tmp_path / "run")
    assert len(imported) == 16
    assert sum("compiled" in kinds for kinds in imported) == 8
