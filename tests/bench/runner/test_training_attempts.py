"""Training runs in real child processes: the same twice, killed at any moment and resumed, crashed, late."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench import devices, engines
from bench.forkserver.client import Server
from bench.forkserver.process_tree import descendants
from bench.host import environment
from bench.plan.axes import Value
from bench.plan.training_runs import TrainingRequest, cases
from bench.runner.attempt import attempt
from bench.runner.execute import run_plan
from bench.runner.run_folder import CHECKPOINTS, checkpoint_of, log_of
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Record
from bench.store import RECORDS, read_records
from tests.planted.commands import ROOT
from tests.planted.standing_server import StandingServer

pytestmark = pytest.mark.slow

STEPS = 6
"""Of an epoch of the digits, 1,437 images in batches of 256."""
EPOCHS = 4
LEARNT = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "final_train_accuracy")
NETS = """
import io, math, os, signal, time
from pathlib import Path
import torch
from torch import nn

ONCE = Path(__file__).with_name("once")
STEP = int(Path(__file__).with_name("step").read_text())

class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3),
            nn.Flatten(), nn.LazyLinear(classes),
        )
        self.steps = 0
    def forward(self, images):
        if self.training and images.shape[0] > 1:
            self.steps += 1
            if self.steps == STEP and not ONCE.exists():
                ONCE.touch()
                self.fail()
        return self.layers(images)
    def fail(self):
        pass

class Killed(Net):
    def fail(self):
        os.kill(os.getpid(), signal.SIGKILL)

class Crashed(Net):
    def fail(self):
        raise ValueError("no such weights")

class Hanging(Net):
    def fail(self):
        time.sleep(600)

class NotANumber(Net):
    def forward(self, images):
        outputs = super().forward(images)
        return outputs * math.nan if self.steps >= STEP else outputs

class Undetermined(Net):
    def forward(self, images):
        outputs = super().forward(images)
        place = torch.zeros(2).put_(torch.tensor([0]), outputs.flatten()[:1].detach())
        return outputs + 0 * place[0] if self.training else outputs

class Slow(Net):
    def forward(self, images):
        time.sleep(0.01)
        return super().forward(images)

good, killed, crashed, hanging, nan, undetermined, slow = (
    Net, Killed, Crashed, Hanging, NotANumber, Undetermined, Slow
)

def products(channels, classes):
    "Which a compiler hands to the library: nothing has to be built."
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(16, bias=False), nn.Linear(16, classes, bias=False))

def deaf(channels, classes):
    "The news of the second epoch is lost, as where a pipe is full; then it crashes."
    from bench.child.training import reporter
    opened = reporter.open_writer
    def losing(path):
        write = opened(path)
        return lambda line: None if b'"number":2,' in line else write(line)
    reporter.open_writer = losing
    return Crashed(channels, classes)

def garbled(channels, classes):
    "Like a module that replaces what does not belong to it."
    import msgspec
    encode = msgspec.json.encode
    msgspec.json.encode = lambda what: b"[]" if type(what) is dict and "record" in what else encode(what)
    return Net(channels, classes)

def torn(channels, classes):
    save, calls = torch.save, 0
    def dying(whole, file):
        nonlocal calls
        calls += 1
        if calls == 2 and not ONCE.exists():
            ONCE.touch()
            buffer = io.BytesIO()
            save(whole, buffer)
            file.write(buffer.getvalue()[: len(buffer.getvalue()) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        save(whole, file)
    torch.save = dying
    return Net(channels, classes)
"""
Train = Callable[..., Record]


def nets(folder: Path, step: int = 10**9) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "step").write_text(str(step))
    (folder / "nets.py").write_text(NETS)
    return folder / "nets.py"


def case_of(model: object, seed: int = 0, epochs: int = EPOCHS, **fields: Any) -> Case:
    """With all that is drawn at random: dropout, crops, first weights."""
    overrides = {"epochs": str(epochs), "momentum": "0.9", "augment": "crop", "lr": "0.02"}
    axes: dict[str, tuple[Value, ...]] = {
        "model": (str(model),),
        "device": ("cpu",),
        "image": (8,),
        "batch": (256,),
    }
    (case,) = cases(TrainingRequest(axes=axes, overrides=overrides, seed=seed, **fields), threads=1)
    return case


@pytest.fixture(scope="module")
def train(learning_server: Server) -> Train:
    def run(case: Case, folder: Path, limit_seconds: float = 120.0, **options: Any) -> Record:
        return attempt(
            case,
            MeasurementProtocol(time_limit_seconds=limit_seconds),
            environment.describe(),
            folder,
            learning_server,
            options=RunOptions(**options),
        )

    return run


def figures(record: Record) -> dict[str, list[float]]:
    return {m.metric: m.samples for m in record.measurements}


def learnt(record: Record) -> dict[str, list[float]]:
    assert record.status == "ok", record.reason
    found = figures(record)
    return {metric: found[metric] for metric in LEARNT}


@pytest.fixture(scope="module")
def uninterrupted(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return train(case_of(f"{nets(folder)}:good"), folder)


def test_one_seed_gives_the_same_twice_and_another_another(
    train: Train, uninterrupted: Record, tmp_path: Path
) -> None:
    model = f"{nets(tmp_path)}:good"
    assert learnt(train(case_of(model), tmp_path)) == learnt(uninterrupted)
    other = learnt(train(case_of(model, seed=1), tmp_path))
    assert other["train_loss"] != learnt(uninterrupted)["train_loss"]
    replicate = structs.replace(case_of(model), replicate=2)
    assert learnt(train(replicate, tmp_path)) == other


def test_the_network_learns(uninterrupted: Record) -> None:
    found = learnt(uninterrupted)
    assert found["train_loss"] == sorted(found["train_loss"], reverse=True)
    assert found["test_accuracy"][-1] > 0.6


def test_a_run_leaves_nothing_but_its_checkpoint(train: Train, tmp_path: Path) -> None:
    """Which is the caller's to remove, once the record is on the disk."""
    case = case_of(f"{nets(tmp_path / 'nets')}:good", epochs=1)
    train(case, tmp_path / "run")
    left = {path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert left == {checkpoint_of(case, Path())}


def resumed(
    train: Train, model: str, folder: Path, kept: int, status: str, words: str, **limit: float
) -> Record:
    """The record of a run that failed once, after `kept` epochs, and then went on."""
    case = case_of(model)
    first = train(case, folder, **limit)
    assert first.status == status
    assert words in (first.reason or "")
    before = figures(first)
    assert {len(samples) for metric, samples in before.items() if metric in LEARNT[:4]} == {kept}
    second = train(case, folder)
    # Seconds are never the same twice: these epochs were not trained again.
    assert figures(second)["loop_time"][:kept] == before["loop_time"]
    return second


@pytest.mark.parametrize("seed", range(2))
def test_a_child_killed_at_any_step_is_resumed_as_if_it_had_not_been(
    train: Train, uninterrupted: Record, tmp_path: Path, seed: int
) -> None:
    step = random.Random(seed).randrange(STEPS + 1, EPOCHS * STEPS)
    model = f"{nets(tmp_path, step)}:killed"
    words = "killed by SIGKILL (during: training)"
    record = resumed(train, model, tmp_path, (step - 1) // STEPS, "crashed", words)
    assert learnt(record) == learnt(uninterrupted)


def test_a_child_killed_while_it_writes_its_checkpoint_goes_on_from_the_one_before(
    train: Train, uninterrupted: Record, tmp_path: Path
) -> None:
    record = resumed(train, f"{nets(tmp_path)}:torn", tmp_path, 1, "crashed", "killed by SIGKILL")
    assert learnt(record) == learnt(uninterrupted)
    assert len(list((tmp_path / CHECKPOINTS).iterdir())) == 1, "the torn one was replaced"


def test_a_crash_in_the_third_epoch_keeps_two_and_goes_on_from_there(
    train: Train, uninterrupted: Record, tmp_path: Path
) -> None:
    model = f"{nets(tmp_path, 2 * STEPS + 1)}:crashed"
    record = resumed(train, model, tmp_path, 2, "crashed", "ValueError: no such weights")
    assert learnt(record) == learnt(uninterrupted)


@pytest.mark.alone
def test_a_run_that_is_late_keeps_its_epochs_and_goes_on_from_there(
    train: Train, uninterrupted: Record, tmp_path: Path
) -> None:
    model = f"{nets(tmp_path, 3 * STEPS)}:hanging"
    words = "timed out after 10 s (during: training)"  # two epochs take one, on a busy machine five
    record = resumed(train, model, tmp_path, 2, "timeout", words, limit_seconds=10.0)
    assert learnt(record) == learnt(uninterrupted)


def test_curves_end_where_the_first_news_is_missing(train: Train, tmp_path: Path) -> None:
    """A curve has no numbers of epochs beside it: what comes after a gap would pass for another epoch."""
    record = train(case_of(f"{nets(tmp_path, 3 * STEPS + 1)}:deaf"), tmp_path)
    assert record.status == "crashed"
    assert len(figures(record)["train_loss"]) == 1


def test_a_result_that_cannot_be_read_keeps_the_epochs_that_were_told(train: Train, tmp_path: Path) -> None:
    record = train(case_of(f"{nets(tmp_path)}:garbled"), tmp_path)
    assert record.status == "crashed"
    assert (record.reason or "").startswith("unreadable result: ")
    assert len(figures(record)["train_loss"]) == EPOCHS


@pytest.mark.parametrize("seed", range(2))
def test_a_child_killed_at_any_moment_is_resumed_as_if_it_had_not_been(
    train: Train, learning_server: Server, uninterrupted: Record, tmp_path: Path, seed: int
) -> None:
    """By another process, which knows nothing of steps and files."""
    case = case_of(f"{nets(tmp_path)}:slow")
    begun = threading.Event()

    def kill() -> None:
        begun.wait(60)
        time.sleep(random.Random(seed).uniform(0, 0.2))
        assert learning_server.pid is not None
        for pid in descendants(learning_server.pid):
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    first = train(case, tmp_path, on_event=lambda event: begun.set())
    killer.join()
    record = first if first.status == "ok" else train(case, tmp_path)
    assert learnt(record) == learnt(uninterrupted)
    assert first.status == "crashed", "it was killed too late, and the test has shown nothing"


def test_a_checkpoint_that_would_run_code_does_not_and_the_run_begins_anew(
    train: Train, uninterrupted: Record, tmp_path: Path
) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    case = case_of(f"{nets(tmp_path)}:good")
    path = checkpoint_of(case, tmp_path)
    path.parent.mkdir()
    path.write_bytes(pickle.dumps({"format": 1, "case": "", "history": "", "state": Bomb()}))
    assert learnt(train(case, tmp_path)) == learnt(uninterrupted)
    assert not (tmp_path / "ran").exists()


def test_a_network_that_was_mended_with_another_shape_begins_anew(train: Train, tmp_path: Path) -> None:
    """What a user does after a crash: the same file, the same name, another network."""
    path = nets(tmp_path, STEPS + 1)
    case = case_of(f"{path}:crashed", epochs=2)
    assert train(case, tmp_path).status == "crashed"
    path.write_text(NETS.replace("nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4)", "nn.Conv2d(channels, 5, 3)"))
    record = train(case, tmp_path)
    assert len(learnt(record)["train_loss"]) == 2


def test_what_diverges_is_diverged_at_its_step(train: Train, tmp_path: Path) -> None:
    record = train(case_of(f"{nets(tmp_path, 8)}:nan"), tmp_path)
    assert (record.status, record.reason) == ("diverged", "the loss was not finite at step 8 (epoch 2)")
    assert len(figures(record)["train_loss"]) == 1
    assert log_of(record.case, tmp_path).exists()


def test_an_operator_that_is_not_deterministic_is_named(train: Train, tmp_path: Path) -> None:
    record = train(case_of(f"{nets(tmp_path)}:undetermined", deterministic=True), tmp_path)
    assert record.status == "invalid"
    assert record.reason == "--deterministic: put_ has no deterministic implementation on this device"


@pytest.mark.parametrize("model", ["lenet5", "torchvision:squeezenet1_1"])
def test_grey_images_train_networks_of_either_number_of_channels(
    train: Train, tmp_path: Path, model: str
) -> None:
    case = structs.replace(case_of(model, epochs=1), image=28)
    assert case.channels == (3 if ":" in model else 1)
    record = train(case, tmp_path)
    assert record.status == "ok", record.reason
    assert figures(record)["train_loss"][0] > 0


def test_bf16_learns_as_fp32_does(train: Train, uninterrupted: Record, tmp_path: Path) -> None:
    case = structs.replace(case_of(f"{nets(tmp_path)}:good"), precision="amp-bf16")
    found = learnt(train(case, tmp_path))
    assert found["test_accuracy"][-1] == pytest.approx(learnt(uninterrupted)["test_accuracy"][-1], abs=0.08)
    assert found["train_loss"] != learnt(uninterrupted)["train_loss"]


COMPILER = engines.get("compile").why_unusable(Case(model="lenet5"), devices.traits("cpu"))


@pytest.mark.skipif(COMPILER is not None, reason=str(COMPILER))
def test_compiled_learns_as_eager_does(train: Train, tmp_path: Path) -> None:
    model = f"{nets(tmp_path)}:products"
    compiled = train(structs.replace(case_of(model), engine="compile"), tmp_path)
    found, eager = learnt(compiled), learnt(train(case_of(model), tmp_path))
    assert found["train_loss"] == pytest.approx(eager["train_loss"], rel=1e-3)
    assert found["test_accuracy"] == pytest.approx(eager["test_accuracy"], abs=0.01)
    assert any("torch.compile" in warning.detail for warning in compiled.warnings)
    assert list((tmp_path / "work").iterdir()) == []


def run_all(planned: list[Case], folder: Path, resume: bool) -> Any:
    return run_plan(
        planned,
        MeasurementProtocol(),
        folder,
        resume=resume,
        budget_seconds=None,
        on_progress=lambda progress: None,
    )


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, learning_server: Server) -> None:
    """`run_plan` with the server of these tests: it takes seconds to start one."""
    monkeypatch.setattr("bench.runner.case_server.Server", lambda **_: StandingServer(learning_server))


@pytest.mark.usefixtures("shared")
def test_a_crashed_run_is_resumed_and_no_checkpoint_is_left(uninterrupted: Record, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    planned = [case_of(f"{nets(tmp_path / 'nets', STEPS + 2)}:crashed")]
    assert run_all(planned, folder, False).statuses == {"crashed": 1}
    assert checkpoint_of(planned[0], folder).exists()
    assert run_all(planned, folder, True).statuses == {"ok": 1}
    first, second = read_records(folder / RECORDS)
    assert learnt(second) == learnt(uninterrupted)
    assert figures(second)["loop_time"][:1] == figures(first)["loop_time"]
    assert {path.name for path in folder.iterdir()} == {".lock", RECORDS, "logs"}


@pytest.mark.usefixtures("shared")
def test_what_a_killed_run_left_beside_its_record_goes_too(tmp_path: Path) -> None:
    """Killed between the record and the checkpoint's removal, or while it wrote one."""
    folder = tmp_path / "run"
    planned = [case_of(f"{nets(tmp_path / 'nets')}:good", epochs=1)]
    run_all(planned, folder, False)
    left = checkpoint_of(planned[0], folder)
    left.parent.mkdir()
    left.write_bytes(b"whole")
    left.with_name(left.name + ".part").write_bytes(b"torn")
    assert run_all(planned, folder, True).statuses == {"ok": 1}
    assert not left.parent.exists()


@pytest.mark.usefixtures("shared")
def test_a_new_run_does_not_go_on_from_what_lies_in_its_folder(tmp_path: Path, uninterrupted: Record) -> None:
    """Who deletes the records wants all of it measured again."""
    folder = tmp_path / "run"
    planned = [case_of(f"{nets(tmp_path / 'nets', STEPS + 2)}:crashed")]
    run_all(planned, folder, False)
    (first,) = read_records(folder / RECORDS)
    (folder / RECORDS).unlink()
    run_all(planned, folder, False)
    (second,) = read_records(folder / RECORDS)
    assert learnt(second) == learnt(uninterrupted)
    assert figures(second)["loop_time"][:1] != figures(first)["loop_time"]


@pytest.mark.usefixtures("shared")
def test_a_killed_command_is_resumed_as_if_it_had_not_been(tmp_path: Path, uninterrupted: Record) -> None:
    """SIGKILL to the parent, with all that this leaves: a pipe, a work folder, a lock, a checkpoint."""
    folder = tmp_path / "run"
    model = f"{nets(tmp_path / 'nets')}:slow"
    settings = ["epochs=4", "momentum=0.9", "augment=crop", "lr=0.02"]
    options = [part for setting in settings for part in ("--set", setting)]
    options += ["--device", "cpu", "--image", "8", "--batch", "256", "--threads", "1"]
    command = [sys.executable, "-m", "bench", "train", model, "--out", str(folder), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    planned = [case_of(model)]
    path = checkpoint_of(planned[0], folder)
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    below = descendants(process.pid)
    process.kill()
    process.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in below):
        assert time.monotonic() < deadline, "children outlive their parent"
        time.sleep(0.01)
    assert list(read_records(folder / RECORDS)) == []
    assert run_all(planned, folder, True).statuses == {"ok": 1}
    (record,) = read_records(folder / RECORDS)
    assert learnt(record) == learnt(uninterrupted)
    assert {path.name for path in folder.iterdir()} <= {".lock", RECORDS, "logs"}
