"""`convbench train`: exit codes, one sentence for whatever is wrong, reports, curves, budget, the bar."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.forkserver.client import Server
from bench.plan.recipes import FIELDS
from bench.schema.record import Record
from bench.store import RECORDS, read_records
from tests.planted.commands import Command, is_one_sentence
from tests.planted.standing_server import StandingServer

NETS = """
import math
from torch import nn

def good(channels, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

class Nan(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer, self.steps = nn.LazyLinear(classes), 0
    def forward(self, images):
        self.steps += self.training
        outputs = self.layer(images.flatten(1))
        return outputs * math.nan if self.steps > 8 else outputs

def nan(channels, classes):
    return Nan(classes)

def leaves(channels, classes):
    raise ValueError("no such weights")
"""


@pytest.fixture
def train(command_line: Command) -> Command:
    """`convbench train`."""
    return lambda *arguments: command_line("train", *arguments)


@pytest.fixture
def trains(train: Command, monkeypatch: pytest.MonkeyPatch, learning_server: Server) -> Command:
    """The same, able to train: with the server of these tests, as starting one takes seconds."""
    monkeypatch.setattr("bench.runner.case_server.Server", lambda **_: StandingServer(learning_server))
    small = ("--image", 8, "--batch", 256, "--threads", 1, "--device", "cpu")
    return lambda *arguments: train(*arguments, *small)


@pytest.fixture
def net(tmp_path: Path) -> Callable[[str], str]:
    path = tmp_path / "nets" / "nets.py"
    path.parent.mkdir()
    path.write_text(NETS)
    return lambda factory: f"{path}:{factory}"


def records(folder: Path) -> list[Record]:
    return list(read_records(folder / RECORDS))


BAD_OPTIONS = [
    (["lenet6"], "Did you mean 'lenet5'"),
    ([""], "model must be a name"),
    (["/missing/nets.py:make"], "cannot read /missing/nets.py"),
    (["block:64:3x3"], "block:64:3x3 has no classifier and cannot be trained"),
    (["lenet5", "--dataset", "digit"], "unknown dataset 'digit'. Did you mean 'digits'"),
    (["lenet5", "--dataset", "fashion-mnist", "--data-dir", "/missing"], "/missing"),
    (["lenet5", "--dataset", "cifar10", "--data-dir", "/dev/null"], "/dev/null"),
    (["lenet5", "--recipe", "textbok"], "Did you mean 'textbook'"),
    (["lenet5", "--epochs", "0"], "epochs must be a whole number from 1"),
    (["lenet5", "--epochs", "ten"], "epochs must be a whole number from 1"),
    (["lenet5", "--epochs", ""], "epochs must be a whole number from 1"),
    (["lenet5", "--lr", "0"], "lr must be a number above 0"),
    (["lenet5", "--lr", ""], "lr must be a number above 0"),
    (["lenet5", "--lr", "nan"], "lr must be a number above 0"),
    (["lenet5", "--set", "momentum"], "--set must be FIELD=VALUE"),
    (["lenet5", "--set", "moment=0"], "Did you mean 'momentum'"),
    (["lenet5", "--set", "augment=flop"], "Did you mean 'flip'"),
    (["lenet5", "--set", "lr=0.1", "--lr", "0.2"], "lr is set twice"),
    (["lenet5", "--set", "epochs=1", "--epochs", "1"], "epochs is set twice"),
    (["lenet5", "--set", "lr=0.1", "--set", "lr=0.2"], "lr is set twice: to 0.1 and to 0.2"),
    (["lenet5", "--image", "0"], "image must be a whole number"),
    (["vgg11", "--image", "8"], "run on this machine: vgg11 cannot take images of 8x8"),
    (["lenet5", "--batch", "0"], "batch must be a whole number"),
    (["lenet5", "--batch", "1e3"], "batch must be a whole number"),
    (["lenet5", "--seeds", "0"], "--seeds must be a whole number from 1 to 1000"),
    (["lenet5", "--seeds", "1001"], "--seeds must be a whole number from 1 to 1000"),
    (["lenet5", "--first-seed", "-1"], "--first-seed must be a whole number from 0"),
    (["lenet5", "--first-seed", "4294967296"], "--first-seed must be a whole number from 0"),
    (["lenet5", "--precision", "fp23"], "Did you mean 'fp32'"),
    (["lenet5", "--precision", "tf32", "--device", "cpu"], "run on this machine: tf32"),
    (["lenet5", "--engine", "compiled"], "Did you mean 'compile'"),
    (["lenet5", "--engine", "cudagraph"], "cudagraph replays one step on the same images"),
    (["lenet5", "--device", "tpu"], "unknown device 'tpu'"),
    (["lenet5", "--layout", "nchv"], "Did you mean 'nchw'"),
    (["lenet5", "--threads", "0"], "--threads must be a whole number from 1"),
    (["lenet5", "--target", "0"], "--target must be a number above 0"),
    (["lenet5", "--target", "90"], "--target must be a number above 0 and up to 1"),
    (["lenet5", "--target", "0.5", "--dataset", "synthetic"], "--target needs a dataset with labels"),
    (["lenet5", "--tensorboard", "/dev/null"], "--tensorboard needs a folder, and /dev/null is a file"),
    (["lenet5", "--time-limit", "0"], "--time-limit must be a number of seconds above 0"),
    (["lenet5", "--budget", "ten"], "--budget must be a number of seconds above 0"),
    (["lenet5", "--format", "jsn"], "Did you mean 'json'"),
    (["lenet5", "--seds", "1"], "unknown option '--seds'. Did you mean '--seeds'?"),
    (["lenet5", "--tuning", "fused-optimizer", "--device", "cpu"], "has a fused optimizer already: omit"),
    (["lenet5", "--tuning", "freezing", "--device", "cpu"], "freezing makes constants of the weights"),
    (["lenet5", "--tuning", "cudnn-heuristics", "--device", "cpu"], "cudnn-heuristics needs --device cuda"),
    (["lenet5", "--tuning", "cudnn-heuristics", "--deterministic"], "both choose cuDNN's algorithms"),
    (["lenet5", "--deterministic=maybe"], "--deterministic"),
    (["lenet5", "--shard", "1"], "--shard must be I/N"),
    (["lenet5", "--shard", "2/2"], "of 2 the last is 1/2"),
    (["lenet5", "--shard", "0/2"], "has only 1 processes. Use at most as many shards, or more --seeds"),
    ([], "MODEL... is missing. Usage: convbench train"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_OPTIONS, ids=lambda value: ascii(value)[:60])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["train", "dry"])
def test_bad_input_ends_with_2_and_a_sentence_before_anything_is_written(
    train: Command, tmp_path: Path, arguments: list[str], words: str, dry: list[str]
) -> None:
    answer = train("--out", tmp_path / "run", *dry, *arguments)
    assert answer.code == 2
    assert is_one_sentence(answer.err), answer.err
    assert words in answer.err
    assert answer.out == ""
    assert not (tmp_path / "run").exists()


def test_without_a_folder_nothing_can_be_resumed(train: Command) -> None:
    answer = train("lenet5", "--resume")
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)
    assert "--resume needs --out FOLDER" in answer.err


def test_a_file_is_no_folder(train: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    answer = train("lenet5", "--out", tmp_path / "file")
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)
    assert (tmp_path / "file").read_text() == "kept"


def test_tensorboard_that_is_not_installed_is_a_sentence(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "bench.cli.train.find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    answer = train("lenet5", "--out", tmp_path / "run", "--tensorboard", tmp_path / "curves")
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)
    assert "pip install 'convbench[tensorboard]'" in answer.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("format_", ["md", "csv", "json", "terminal"])
def test_a_dry_run_shows_the_plan_and_writes_nothing(train: Command, tmp_path: Path, format_: str) -> None:
    options = (
        "--dry-run",
        "--format",
        format_,
        "--seeds",
        2,
        "--first-seed",
        5,
        "--epochs",
        7,
        "--device",
        "cpu",
    )
    answer = train("lenet5", "vgg11", "--out", tmp_path / "run", *options)
    assert (answer.code, answer.err) == (0, "")
    assert list(tmp_path.iterdir()) == []
    if format_ == "json":
        rows = json.loads(answer.out)["rows"]
    elif format_ == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.out)))
    else:
        assert "4 training runs" in answer.out
        assert len(re.findall(r"lenet5/accuracy/cpu\S*/digits/quick\+epochs=7\s.*\b7\b", answer.out)) == 2
        return
    assert sorted((row["model"], int(row["learning_seed"])) for row in rows) == [
        ("lenet5", 5),
        ("lenet5", 6),
        ("vgg11", 5),
        ("vgg11", 6),
    ]
    assert not any(row["skipped"] for row in rows)


def test_what_cannot_run_is_in_the_plan_with_its_reason(train: Command, tmp_path: Path) -> None:
    options = ("--image", 8, "--dry-run", "--format", "json", "--device", "cpu", "--out", tmp_path / "run")
    answer = train("vgg11", "examples/tiny.py:build", *options)
    skipped = {row["model"]: row["skipped"] for row in json.loads(answer.out)["rows"]}
    assert "cannot take images of 8x8" in skipped["vgg11"]
    assert skipped["examples/tiny.py:build"] is None


def test_shards_take_the_seeds_of_each_network_in_equal_parts(train: Command, tmp_path: Path) -> None:
    words = ("lenet5", "vgg11", "--seeds", 5, "--device", "cpu", "--out", tmp_path, "--dry-run", "--json")
    parts = [train(*words, "--shard", f"{index}/3").rows() for index in range(3)]
    dealt = [[(row["model"], row["learning_seed"]) for row in part] for part in parts]
    assert sorted(run for part in dealt for run in part) == [
        (name, seed) for name in ("lenet5", "vgg11") for seed in range(5)
    ]
    for name in ("lenet5", "vgg11"):
        assert sorted(sum(model == name for model, _ in part) for part in dealt) == [1, 2, 2]
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def says_only_how_the_run_went(err: str, folder: Path, processes: int = 1) -> bool:
    """Whether it names the folder, each process, what the time went to, and the report; and nothing else."""
    ended = (rf"{i}/{processes} \S+ #\d+: .*\btook .+" for i in range(1, processes + 1))
    time_spent = r"[0-9.,]+ (s|minutes): [a-z0-9 ,%-]+"
    place = re.escape(str(folder))
    lines = (f"saving to {place}", *ended, time_spent, rf"report: {place}/report\.md")
    return re.fullmatch("".join(f"convbench: {line}\n" for line in lines), err) is not None


def rows_of(text: str, metric: str) -> dict[str, float]:
    """What JSON says of a metric, by the network's factory."""
    rows: list[dict[str, Any]] = json.loads(text)["rows"]
    return {row["model"].rpartition(":")[2]: row["median"] for row in rows if row.get("metric") == metric}


@pytest.mark.slow
def test_a_run_reports_what_was_learnt(trains: Command, net: Callable[[str], str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    answer = trains(net("good"), "--epochs", 2, "--seeds", 2, "--out", folder, "--format", "json")
    assert answer.code == 0
    assert says_only_how_the_run_went(answer.err, folder, processes=2)
    found = records(folder)
    assert [(record.status, record.case.learning_seed) for record in found] == [("ok", 0), ("ok", 1)]
    finals = [m.samples[-1] for r in found for m in r.measurements if m.metric == "test_accuracy"]
    assert sum(finals) / 2 > 0.4, "a linear layer learns something of the digits in two epochs"
    assert rows_of(answer.out, "test_accuracy") == {"good": pytest.approx(sum(finals) / 2)}
    names = {path.name for path in folder.iterdir()}
    assert names == {".lock", RECORDS, "logs", "plots", "report.md"}
    assert list((folder / "logs").iterdir()) == []
    assert f"{50 * sum(finals):.4g}" in (folder / "report.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["md", "csv", "terminal"])
def test_every_format_is_of_the_same_run(
    trains: Command, net: Callable[[str], str], tmp_path: Path, format_: str
) -> None:
    answer = trains(net("good"), "--epochs", 1, "--out", tmp_path / "run", "--format", format_)
    assert answer.code == 0
    assert says_only_how_the_run_went(answer.err, tmp_path / "run")
    assert ":good" in answer.out
    if format_ == "csv":
        assert any(row["model"].endswith(":good") for row in csv.DictReader(io.StringIO(answer.out)))


@pytest.mark.slow
def test_a_run_that_diverges_ends_with_1_and_gives_no_figure(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    answer = trains(net("nan"), "--epochs", 4, "--out", folder, "--format", "json")
    assert answer.code == 1
    (record,) = records(folder)
    assert (record.status, record.reason) == ("diverged", "the loss was not finite at step 9 (epoch 2)")
    (accuracy,) = (m.samples[0] for m in record.measurements if m.metric == "test_accuracy")
    report = (folder / "report.md").read_text()
    assert "the loss was not finite at step 9 (epoch 2)" in report
    assert f"{100 * accuracy:.4g}" not in report
    assert rows_of(answer.out, "test_accuracy") == {}
    assert not (folder / "checkpoints").exists()


@pytest.mark.slow
def test_a_rate_that_is_far_too_high_is_a_divergence(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    answer = trains(net("good"), "--epochs", 1, "--lr", 1000, "--out", tmp_path / "run")
    assert answer.code == 1
    (record,) = records(tmp_path / "run")
    assert record.status == "diverged"
    assert re.search(r"the loss was \S+ at step 6 \(epoch 1\), more than 10 times", record.reason or "")


@pytest.mark.slow
def test_a_network_that_fails_ends_with_1_and_the_rest_is_trained(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    answer = trains(net("leaves"), net("good"), "--epochs", 1, "--out", tmp_path / "run")
    assert answer.code == 1
    found = {record.case.model.rpartition(":")[2]: record for record in records(tmp_path / "run")}
    assert found["good"].status == "ok"
    assert found["leaves"].status == "invalid"
    assert "no such weights" in (found["leaves"].reason or "")


@pytest.mark.slow
def test_a_used_folder_is_refused_and_resume_does_nothing_twice(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    arguments = (net("good"), "--epochs", 1, "--out", tmp_path / "run")
    assert trains(*arguments).code == 0
    refused = trains(*arguments)
    assert (refused.code, is_one_sentence(refused.err)) == (2, True)
    assert "--resume" in refused.err
    before = (tmp_path / "run" / RECORDS).read_bytes()
    assert trains(*arguments, "--resume").code == 0
    assert (tmp_path / "run" / RECORDS).read_bytes() == before


@pytest.mark.slow
def test_a_spent_budget_leaves_the_rest_for_resume(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    arguments = (net("good"), "--epochs", 1, "--seeds", 2, "--out", tmp_path / "run")
    answer = trains(*arguments, "--budget", 1e-6)
    assert answer.code == 3
    _time_spent, said = answer.err.splitlines(keepends=True)
    assert is_one_sentence(said)
    assert "time budget used up, 2 of 2 processes not measured. Continue with: convbench train" in answer.err
    assert records(tmp_path / "run") == []
    assert trains(*arguments, "--resume").code == 0
    assert [record.status for record in records(tmp_path / "run")] == ["ok", "ok"]


@pytest.mark.slow
def test_seeds_of_merged_shards_are_pooled_as_those_of_one_run(
    trains: Command, command_line: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    words = (net("good"), "--epochs", 1, "--seeds", 2, "--json")
    whole = rows_of(trains(*words, "--out", tmp_path / "whole").out, "test_accuracy")
    shards = [tmp_path / "shard0", tmp_path / "shard1"]
    for index, folder in enumerate(shards):
        answer = trains(*words, "--shard", f"{index}/2", "--node-name", f"node{index}", "--out", folder)
        assert answer.code == 0
    assert sorted(each.case.learning_seed for folder in shards for each in records(folder)) == [0, 1]
    merged = command_line("merge", shards[0], "--out", tmp_path / "all")
    assert "Missing: 1 shard, 1/2." in merged.out
    assert command_line("merge", shards[1], "--out", tmp_path / "all", "--resume").code == 0
    report = command_line("report", tmp_path / "all", "--json")
    assert rows_of(report.out, "test_accuracy") == {"good": pytest.approx(whole["good"])}


@pytest.mark.slow
def test_a_shard_is_resumed_as_what_it_was_begun_as(
    trains: Command, command_line: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    folder, own = tmp_path / "run", ("--shard", "1/2")
    words = (net("good"), "--epochs", 1, "--seeds", 2, "--out")
    stopped = trains(*words, folder, *own, "--budget", 1e-6)
    assert "1 of 1 processes not measured" in stopped.err
    for other in ((), ("--shard", "0/2"), (*own, "--target", "0.5")):
        refused = trains(*words, folder, *other, "--resume")
        assert (refused.code, is_one_sentence(refused.err)) == (2, True)
        assert f"{folder} was begun as shard 1/2 of a plan" in refused.err
    refused = command_line("run", "--resume", "--out", folder)
    assert (refused.code, is_one_sentence(refused.err)) == (2, True)
    assert "Continue them with the first command and --resume" in refused.err
    assert trains(*words, folder, *own, "--resume").code == 0
    assert len(records(folder)) == 1
    trains(*words, tmp_path / "other", "--budget", 1e-6)
    refused = trains(*words, tmp_path / "other", *own, "--resume")
    assert "other was begun as no shard" in refused.err


@pytest.mark.slow
def test_a_time_limit_is_the_cases(trains: Command, net: Callable[[str], str], tmp_path: Path) -> None:
    assert trains(net("good"), "--epochs", 1, "--time-limit", 77, "--out", tmp_path / "run").code == 0
    (record,) = records(tmp_path / "run")
    assert record.protocol.time_limit_seconds == 77


@pytest.mark.slow
def test_every_option_reaches_the_case(trains: Command, net: Callable[[str], str], tmp_path: Path) -> None:
    options = ["--dataset", "synthetic", "--recipe", "modern", "--layout", "channels-last", "--deterministic"]
    options += ["--set", "momentum=0.5", "--set", "augment=flip+pca", "--lr", "0.01", "--epochs", "1"]
    answer = trains(net("good"), *options, "--first-seed", 3, "--out", tmp_path / "run")
    assert answer.code == 0
    assert says_only_how_the_run_went(answer.err, tmp_path / "run")
    (record,) = records(tmp_path / "run")
    case = record.case
    assert case.task is not None
    assert (case.seed, case.layout, case.channels, case.batch, case.image) == (3, "channels-last", 3, 256, 8)
    assert (case.task.dataset, case.task.deterministic) == ("synthetic", True)
    recipe = case.task.recipe
    assert recipe.name == "modern+epochs=1+lr=0.01+momentum=0.5+augment=flip+pca"
    assert (recipe.lr, recipe.momentum, recipe.augment) == (0.01, 0.5, ("flip", "pca"))
    assert not {m.metric for m in record.measurements if "accuracy" in m.metric or "loss" in m.metric}


@pytest.mark.slow
def test_a_target_that_was_reached_has_its_time(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    answer = trains(net("good"), "--epochs", 2, "--target", "1%", "--out", tmp_path / "run")
    assert answer.code == 0
    (record,) = records(tmp_path / "run")
    found = {m.metric: m.samples for m in record.measurements}
    assert found["time_to_target"] == found["loop_time"][:1]


@pytest.mark.slow
def test_tensorboard_gets_the_curves_of_the_record(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    curves = tmp_path / "curves"
    answer = trains(net("good"), "--epochs", 2, "--out", tmp_path / "run", "--tensorboard", curves)
    assert answer.code == 0
    (record,) = records(tmp_path / "run")
    (folder,) = curves.iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    expected = {m.metric: m.samples for m in record.measurements}
    for tag, metric in (("loss/test", "test_loss"), ("accuracy/test", "test_accuracy")):
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert found == [(i, pytest.approx(value)) for i, value in enumerate(expected[metric], start=1)]


@pytest.mark.slow
def test_no_name_of_a_model_leaves_the_folder(
    trains: Command, net: Callable[[str], str], tmp_path: Path
) -> None:
    away = os.path.relpath(tmp_path / "nets" / "..")
    assert away.startswith("..")
    options = ("--epochs", 1, "--out", tmp_path / "run", "--tensorboard", tmp_path / "curves")
    assert trains(f"{away}/{Path(net('good')).relative_to(tmp_path)}", *options).code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"nets", "run", "curves"}
    assert {path.name for path in (tmp_path / "nets").iterdir()} <= {"nets.py", "__pycache__"}
    assert len(list((tmp_path / "curves").iterdir())) == 1


@pytest.mark.slow
def test_on_a_terminal_the_epochs_are_shown(
    trains: Command, net: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    reads, writes = pty.openpty()
    with os.fdopen(writes, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        answer = trains(net("good"), "--epochs", 2, "--out", tmp_path / "run")
        shown = os.read(reads, 1 << 16).decode()
        os.set_blocking(reads, False)
        while True:
            try:
                shown += os.read(reads, 1 << 16).decode()
            except BlockingIOError:
                break
    os.close(reads)
    assert answer.code == 0
    (record,) = records(tmp_path / "run")
    accuracies = next(m.samples for m in record.measurements if m.metric == "test_accuracy")
    for number, accuracy in enumerate(accuracies, start=1):
        assert re.search(rf"epoch {number}/2  train loss .* accuracy {accuracy:.1%}  [\d,]+ images/s", shown)
    assert "2/2" in shown


def test_the_help_names_every_field_of_a_recipe(train: Command) -> None:
    text = train("--help").out
    assert all(field in text for field in FIELDS)
