"""Two installations: what they say to each other, and what a user reads where they cannot talk."""

from __future__ import annotations

import base64
import importlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from bench import entry
from bench.child import worker
from bench.forkserver.client import Server
from bench.forkserver.wire import WIRE, Cancel, Ended, Ready, Request
from bench.runner import preload, questions
from bench.runner.attempt import attempt
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.epochs import TrainingEvent
from bench.schema.job import ColdCompile, Job, JobResult
from bench.schema.record import SCHEMA, Environment
from bench.store import RECORDS, read_records
from bench.studies.ab import interleaved
from models.errors import UserError
from tests.planted import planted_records
from tests.planted.commands import ROOT, Answer, Command
from tests.planted.installations import installation

pytestmark = pytest.mark.slow

WIRE_1 = ROOT / "tests" / "fixtures" / "wire_1"
"""A conversation as it was when the wire was 1 and convbench 0.1.0; frozen."""
LENET = Case(model="lenet5", image=28, classes=10)

Ab = Callable[..., Answer]


@pytest.fixture
def ab_with(tmp_path: Path, command_line: Command, monkeypatch: pytest.MonkeyPatch) -> Ab:
    """`convbench ab` of a first pair, with another interpreter on side b or on both."""
    arguments = ("--model", "lenet5", "--threads", "1", "--device", "cpu", "--budget", "1")

    def run(b: Path, a: Path | None = None, *more: str) -> Answer:
        clock = (float(reading) for reading in (0, 0, *[1e9] * 9))
        monkeypatch.setattr(interleaved, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        sides = ("--b-python", b, *(("--a-python", a) if a else ()), *(("--same",) if a == b else ()))
        return command_line("ab", *arguments, *sides, "--out", tmp_path / "out", *more)

    return run


def test_an_installation_of_another_layout_measures(tmp_path: Path, ab_with: Ab) -> None:
    other = installation(tmp_path / "other")
    answer = ab_with(other, other)
    out = tmp_path / "out"
    assert answer.code == 0
    assert answer.err == f"convbench: saving to {out}\nconvbench: report: {out / 'report.md'}\n"
    for side in ("a", "b"):
        (record,) = read_records(tmp_path / "out" / side / RECORDS)
        assert (record.status, record.case.model, record.pair) == ("ok", "lenet5", 1)
        assert record.environment is not None
        assert record.environment.host == "other"


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        ({"version": None, "entry": None}, "convbench is not installed in OTHER"),
        ({"entry": None}, "OTHER's convbench 0.9 is older than wire 1. Install a newer one there"),
        ({"wire": 2}, "OTHER's convbench 0.9 speaks wire 2, this one wire 1"),
        ({"schema": 99}, f"OTHER's convbench 0.9 writes schema 99, this one reads up to {SCHEMA}"),
        ({"questions": ["why-unusable", "describe"]}, "OTHER's convbench 0.9 cannot measure"),
        (
            {"machine": {"cores_usable": "two"}},
            "unreadable answer of OTHER: Expected `int`, got `str` - at `$.cores_usable`",
        ),
        ({"dying": "sys.exit('no torch here')"}, "OTHER's convbench 0.9 did not start: no torch here"),
        ({"dying": "os._exit(3)"}, "OTHER's convbench 0.9 did not start: exited with code 3"),
        ({"dying": "print('hello')"}, "OTHER's convbench 0.9 did not start: did not say that it was ready"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_what_cannot_talk_is_a_sentence_and_2(
    tmp_path: Path, ab_with: Ab, planted: dict[str, Any], sentence: str
) -> None:
    able, other = installation(tmp_path / "able"), installation(tmp_path / "other", **planted)
    answer = ab_with(other, able)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"convbench: side b: {sentence.replace('OTHER', str(other))}\n"
    assert not (tmp_path / "out").exists()


def test_the_side_that_cannot_talk_is_named(tmp_path: Path, ab_with: Ab) -> None:
    other = installation(tmp_path / "other", version=None, entry=None)
    assert ab_with(other, other).err == f"convbench: side a: convbench is not installed in {other}\n"


def test_what_is_no_program_is_a_sentence(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_bytes(b"\x7fELF, but not much of it")
    python.chmod(0o755)
    with (
        pytest.raises(UserError, match=f"^{python} cannot measure: Exec format error$"),
        Server(python=python),
    ):
        pass


@pytest.mark.parametrize(
    ("known", "fewest"), [((), None), (("MeasurementProtocol.fewest_samples",), 3)], ids=["older", "as new"]
)
def test_an_installation_from_before_the_rule_for_few_samples_measures_without_it(
    tmp_path: Path, ab_with: Ab, known: tuple[str, ...], fewest: int | None
) -> None:
    """Both sides of a pair are measured alike, and an old one would refuse a field that it does not know."""
    new = installation(tmp_path / "new", fields=["MeasurementProtocol.fewest_samples"])
    other = installation(tmp_path / "other", fields=known)
    assert ab_with(new, other).code == 0
    for side in ("a", "b"):
        (record,) = read_records(tmp_path / "out" / side / RECORDS)
        assert (record.protocol.fewest_samples, record.protocol.min_samples) == (fewest, 20)


def test_a_server_names_the_fields_that_came_later() -> None:
    with Server() as server:
        assert server._ready.fields == job.later_fields()
        assert server.knows("MeasurementProtocol.fewest_samples")


def test_another_installation_is_asked_questions_only(tmp_path: Path) -> None:
    """A function of this layout may be another there, or none."""
    with Server(python=installation(tmp_path / "other")) as server:
        with pytest.raises(UserError, match=r"0\.9 cannot answer 'bench\.child\.worker:measure_case'"):
            server.run(
                "bench.child.worker:measure_case",
                b"",
                folder=tmp_path,
                log=tmp_path / "log",
                time_limit_seconds=9,
            )
        assert server.pid is not None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"case": {"model": "vgg11"}}, "of another case: vgg11/inference"),
        ({"protocol": {"min_samples": 3}}, "measured by another protocol"),
    ],
)
def test_a_record_that_was_not_asked_for_is_none(
    tmp_path: Path, record: dict[str, object], reason: str
) -> None:
    """That both sides mean the same by a message is checked."""
    other = installation(tmp_path / "other", record=record)
    with Server(python=other) as server:
        got = attempt(LENET, MeasurementProtocol(), planted_records.MACHINE, tmp_path, server)
    assert (got.status, got.case, got.measurements) == ("crashed", LENET, [])
    assert reason in (got.reason or "")


def test_every_question_is_a_function() -> None:
    for question, function in entry.QUESTIONS.items():
        module, _, name = function.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), question


def test_every_word_that_is_sent_is_known() -> None:
    assert set(job.ABILITIES) <= set(entry.QUESTIONS)
    cases = [
        Case(model="torchvision:alexnet", engine="compile"),
        Case(model="timm:resnet18"),
        Case(model="none", workload="ceiling"),
        Case(model="lenet5", workload="training", ranks=2, strategy="ddp"),
        msgspec.json.decode(ARGUMENTS["train"], type=Job).case,
    ]
    assert set(preload.preload(cases)) == set(entry.PRELOAD) - {"selftest"}
    assert questions.questions_of(cases) == ("measure", "compile-cold", "ceilings", "measure-ranks", "train")


def test_the_words_of_the_entry_need_the_standard_library_only(tmp_path: Path) -> None:
    """`import bench.entry` is how others ask whether a convbench speaks any wire."""
    (tmp_path / "bench").symlink_to(ROOT / "bench")
    code = "import sys, bench.entry; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) - sys.stdlib_module_names - {"__main__"} == {"bench"}


class _OldCase(Struct, kw_only=True, forbid_unknown_fields=True):
    model: str
    batch: int = 1


class _NewCase(_OldCase, kw_only=True):
    padding: int = 0
    extras: dict[str, int] = {}


class _Asked(Struct):
    cases: list[_NewCase]


def test_a_later_field_is_sent_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LATER", {_NewCase: frozenset({"padding", "extras"})})
    asked = _Asked(
        [_NewCase(model="a"), _NewCase(model="b", padding=2), _NewCase(model="c", extras={"x": 1})]
    )
    assert json.loads(job.encode(asked)) == {
        "cases": [
            {"model": "a", "batch": 1},
            {"model": "b", "batch": 1, "padding": 2},
            {"model": "c", "batch": 1, "extras": {"x": 1}},
        ]
    }


def test_what_has_no_later_field_is_sent_whole() -> None:
    assert job.encode(planted_records.MACHINE) == msgspec.json.encode(planted_records.MACHINE)


@pytest.mark.parametrize("flush_l2", [False, True])
def test_an_older_convbench_is_not_told_of_what_is_not_asked_of_it(flush_l2: bool) -> None:
    protocol = MeasurementProtocol(flush_l2=flush_l2)
    sent = json.loads(job.encode(Job(case=LENET, protocol=protocol, environment=planted_records.MACHINE)))
    assert sent["protocol"].get("flush_l2", "not sent") == (True if flush_l2 else "not sent")


def test_an_unknown_case_is_refused_by_itself() -> None:
    """As an older convbench hears it from a newer one."""
    known = msgspec.to_builtins(LENET)
    cases = [known | {"padding": 2}, known, known | {"device": "abacus"}, known | {"precision": "fp4"}]
    reasons = json.loads(worker.why_unusable(json.dumps(cases).encode()))
    assert "`padding`" in reasons[0]
    assert reasons[1] is None
    assert "unknown device 'abacus'" in reasons[2]
    assert "fp4" in reasons[3]


def test_every_case_is_asked_of_another_installation(tmp_path: Path, ab_with: Ab) -> None:
    """What one does not look at, an older one may not know."""
    reason = "its convbench does not know such a case"
    able, other = installation(tmp_path / "able"), installation(tmp_path / "other")
    server = other.parent / "site" / "bench" / "somewhere" / "else_.py"
    planted_answer = f"return [{reason!r} if case['batch'] == 8 else None for case in cases]"
    server.write_text(server.read_text().replace("return [None for case in cases]", planted_answer))
    answer = ab_with(other, able, "--batch", "1,8")
    assert answer.code == 2
    refused = "lenet5/inference/cpu/fp32/eager/nchw/b8/t1/i28/c1/k10"
    assert answer.err == f"convbench: side b cannot run {refused} on this machine: {reason}\n"


# A conversation of wire 1 that was kept: what is said today must mean the same.

MESSAGES = [json.loads(line) for line in (WIRE_1 / "conversation.jsonl").read_text().splitlines()]
REQUESTS = [message for message in MESSAGES if message["type"] == "request"]
ARGUMENTS: dict[str, bytes] = {each["question"]: base64.b64decode(each["argument"]) for each in REQUESTS}
ANSWERS: dict[str, bytes] = {
    kept["question"]: json.dumps(kept["answer"]).encode()
    for kept in map(json.loads, (WIRE_1 / "answers.jsonl").read_text().splitlines())
}
ASKED: dict[str, Any] = {
    "measure": Job,
    "compile-cold": Job,
    "train": Job,
    "why-unusable": list[Case],
    "free-memory": str,
}


def test_the_wire_says_what_it_said() -> None:
    assert WIRE == MESSAGES[0]["wire"] == 1, "a new wire needs a conversation of its own"
    first = msgspec.convert(MESSAGES[0], Ready)
    assert msgspec.to_builtins(first, str_keys=True) == MESSAGES[0] | {
        "questions": first.questions,
        "fields": (),  # which the first version of the wire had not
    }
    assert set(first.questions) <= set(entry.QUESTIONS)
    for message in MESSAGES[1:]:
        decoded = msgspec.json.decode(json.dumps(message), type=Request | Ended)
        assert json.loads(msgspec.json.encode(decoded)) == message
    assert json.loads(msgspec.json.encode(Cancel())) == {"type": "cancel"}


@pytest.mark.parametrize("question", ASKED)
def test_an_older_child_understands_what_is_asked(question: str) -> None:
    """The same question is put in the same fields, with the same values."""
    asked = msgspec.json.decode(ARGUMENTS[question], type=ASKED[question])
    assert json.loads(job.encode(asked)) == json.loads(ARGUMENTS[question])


def test_what_an_older_child_answered_is_understood() -> None:
    for question in ("measure", "train"):
        asked = msgspec.json.decode(ARGUMENTS[question], type=Job)
        record = job.decode_result(ANSWERS[question]).record
        assert (record.status, record.case, record.protocol) == ("ok", asked.case, asked.protocol)
        assert record.environment == asked.environment
    assert {m.metric for m in job.decode_result(ANSWERS["train"]).record.measurements} >= {"test_accuracy"}
    assert msgspec.json.decode(ANSWERS["describe"], type=Environment).host == "host"
    assert msgspec.json.decode(ANSWERS["compile-cold"], type=ColdCompile).seconds > 0
    news = (WIRE_1 / "news.jsonl").read_bytes().splitlines()
    assert [type(msgspec.json.decode(line, type=TrainingEvent)).__name__ for line in news]


READ_LIMIT_SECONDS = 120
"""torch's import on a busy machine takes half of it."""


@contextmanager
def older_parent(kinds: tuple[str, ...]) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """A parent of wire 1 that knows JSON alone; what it sends is answered by this convbench."""
    command = [
        sys.executable,
        "-P",
        "-c",
        "from bench.entry import main; main()",
        str(os.getpid()),
        "1",
        *kinds,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdin is not None
        ready = _line_of(server)
        assert MESSAGES[0].keys() <= ready.keys()
        assert ready["wire"] == 1

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            assert server.stdin is not None
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            return _line_of(server)

        try:
            yield ask
            server.stdin.close()
            assert server.wait(timeout=20) == 0
        finally:
            server.kill()  # or a failed test would wait for it


def _line_of(server: subprocess.Popen[str]) -> dict[str, Any]:
    """The next message; a server that says nothing is killed, and the test fails."""
    assert server.stdout is not None
    found, _, _ = select.select([server.stdout], [], [], READ_LIMIT_SECONDS)
    if not found:
        server.kill()
        pytest.fail(f"the server said nothing for {READ_LIMIT_SECONDS} s")
    return dict(json.loads(server.stdout.readline()))


def test_an_older_parent_is_answered(tmp_path: Path) -> None:
    """The kept requests, sent again: the answers have the kept ones' fields."""
    numbers = count()
    with older_parent(("timed", "a kind that is gone")) as ask:
        for request in REQUESTS:
            if request["question"] not in ("why-unusable", "describe", "measure", "free-memory"):
                continue  # compiling and training would take a minute
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            ended = ask(request | {"folder": str(folder), "log": str(folder / "log"), "a later field": 1})
            assert (ended["type"], ended["code"]) == ("ended", 0), (folder / "log").read_text()
            answer, kept = (folder / "result").read_bytes(), json.loads(ANSWERS[request["question"]])
            if request["question"] == "measure":
                found = msgspec.json.decode(answer, type=JobResult).record
                assert {m.metric for m in found.measurements} >= {"wall_time", "parameters"}
                assert json.loads(answer)["record"]["case"] == kept["record"]["case"]
            elif isinstance(kept, dict):
                assert json.loads(answer).keys() >= kept.keys()
            else:
                assert type(json.loads(answer)) is type(kept)
