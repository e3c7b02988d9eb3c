"""A training run becomes a record, in this process: with planted devices, data and networks."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from msgspec import structs
from torch import Tensor, nn
from torch._dynamo.utils import counters

from bench.child.training import checkpoint, reporter, training_worker
from bench.contracts.energy_source import EnergySource
from bench.devices.fake import FakeDevice
from bench.forkserver.pipe import PipeReader
from bench.host import environment
from bench.host.nvml_energy import WHOLE_BOARD, EnergyCounter
from bench.schema import epochs
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Job, TrainingFiles
from bench.schema.record import Effective, Record
from models.errors import UserError
from models.network import Network
from tests.planted.asked_figures import unexplained
from tests.planted.fake_nvml import FakeGpu, FakeNvml, no_driver
from tests.planted.planted_learners import GREY, PlantedData, network, training_case

pytestmark = pytest.mark.slow

Train = Callable[..., Record]


class Ticking(FakeDevice):
    """Whoever looks at its clock takes a millisecond."""

    def clock(self) -> float:
        self.now += 0.001
        return super().clock()


class Gpu(FakeDevice):
    """A fake device whose energy a fake driver counts: that of the GPU which is planted, or there is none."""

    traits = structs.replace(FakeDevice.traits, counts_energy=True)

    def __init__(self) -> None:
        super().__init__(False)
        self.gpu: FakeGpu | None = None

    def energy_source(self) -> EnergySource:
        gpu = self.gpu
        return EnergyCounter(no_driver if gpu is None else lambda: FakeNvml((gpu,)), "11111111-aaaa")


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Train:
    """Train a module on planted data, in this process, with a checkpoint in `tmp_path`."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which the worker would set for good

    def run(
        case: Case,
        module: Callable[[], nn.Module] | None = None,
        *,
        data: PlantedData = GREY,
        device: FakeDevice | None = None,
        tell: Path | None = None,
        tensorboard: Path | None = None,
    ) -> Record:
        device = device or Ticking(False)
        make = module or planted(device)
        monkeypatch.setattr("bench.datasets.get", lambda name: data)
        monkeypatch.setattr(training_worker, "load", lambda *model, **how: Network(make()))
        files = TrainingFiles(
            data_dir=None,
            checkpoint=str(tmp_path / "checkpoints" / "run.pt"),
            tensorboard=None if tensorboard is None else str(tensorboard),
            news=str(tell or tmp_path / "nobody"),
        )
        job = Job(
            case=case, protocol=MeasurementProtocol(), environment=environment.describe(), training=files
        )
        record = training_worker.run(job, device)[0]
        # As the parent reads it: what JSON cannot hold must not be in it.
        return msgspec.json.decode(msgspec.json.encode(record), type=Record)

    return run


def figures(record: Record) -> dict[str, list[float]]:
    return {m.metric: m.samples for m in record.measurements}


class Planted(nn.Module):
    """A network whose every call launches work on a fake device, and does something else beside it."""

    def __init__(
        self, device: FakeDevice, beside: Callable[[int, bool, Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.body, self.device, self.steps = network(), device, 0
        self.beside = beside or (lambda step, training, outputs: outputs)

    def forward(self, images: Tensor) -> Tensor:
        self.device.launch(0.001, 0.010)
        self.steps += self.training
        return self.beside(self.steps, self.training, self.body(images))


def planted(device: FakeDevice, beside: Callable[[int, bool, Tensor], Tensor] | None = None) -> Any:
    return lambda: Planted(device, beside)


def test_a_record_has_a_sample_an_epoch_and_the_networks_size(train: Train) -> None:
    device = FakeDevice(False)
    record = train(training_case(), planted(device), device=device)
    assert (record.status, record.reason, record.warnings) == ("ok", None, [])
    found = figures(record)
    for curve in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "loop_time"):
        assert len(found[curve]) == 3
    assert found["parameters"] == [16 * 7 + 7 + 7 * 3 + 3]
    # Three steps of 11 ms for 22 images, and three epochs of them.
    assert found["step_rate"] == pytest.approx([22 / 0.033] * 3)
    assert found["loop_time"] == pytest.approx([0.033] * 3)
    assert found["training_time"] == pytest.approx([0.099])
    assert found["skipped_steps"] == [0]
    assert 0 <= found["final_train_accuracy"][0] <= 1
    assert "energy" not in found
    assert record.effective.precision["linear_output"] == "float32"


def test_noise_gives_speed_and_nothing_to_learn(train: Train) -> None:
    device = FakeDevice(False)
    record = train(training_case(), planted(device), data=PlantedData(learns=False), device=device)
    found = figures(record)
    assert not {name for name in found if "loss" in name or "accuracy" in name}
    assert found["step_rate"] == pytest.approx([22 / 0.033] * 3)


def test_the_target_is_the_cases(train: Train) -> None:
    case, device = training_case(), FakeDevice(False)
    assert case.task is not None
    easy = structs.replace(case, task=structs.replace(case.task, target=1e-9))
    hard = structs.replace(case, task=structs.replace(case.task, target=1.0))
    assert figures(train(easy, planted(device), device=device))["time_to_target"] == pytest.approx([0.033])
    assert "time_to_target" not in figures(train(hard, planted(device), device=device))


@pytest.mark.parametrize(("sizes", "peak"), [({2: 70, 5: 5000, 8: 80}, 70), ({2: 900, 5: 70, 8: 80}, 70)])
def test_the_peak_is_the_lowest_epochs_above_what_was_there(
    train: Train, sizes: dict[int, int], peak: int
) -> None:
    """The first epoch also tries algorithms, and so may another process that goes on from a checkpoint."""
    device = FakeDevice(False)
    device.allocate(6000)
    device.allocate(-5000)  # the peak before the first epoch is nobody's

    def allocates(step: int, training: bool, outputs: Tensor) -> Tensor:
        size = sizes.get(step, 0) if training else 0
        device.allocate(size)
        device.allocate(-size)
        return outputs

    found = figures(train(training_case(), planted(device, allocates), device=device))
    assert found["peak_allocated"] == [peak]


def nan_in_training(step: int, training: bool, outputs: Tensor) -> Tensor:
    return outputs * math.nan if training and step == 8 else outputs


def nan_in_evaluation(step: int, training: bool, outputs: Tensor) -> Tensor:
    return outputs * math.nan if not training and step == 6 else outputs


@pytest.mark.parametrize(
    ("beside", "reason", "kept"),
    [
        (nan_in_training, "the loss was not finite at step 8 (epoch 3)", 2),
        (nan_in_evaluation, "the test loss was not finite after step 6 (epoch 2)", 1),
    ],
)
def test_a_run_that_diverges_names_the_step_and_keeps_the_epochs_before(
    train: Train, tmp_path: Path, beside: Any, reason: str, kept: int
) -> None:
    device = FakeDevice(False)
    record = train(training_case(), planted(device, beside), device=device)
    assert (record.status, record.reason) == ("diverged", reason)
    found = figures(record)
    assert len(found["train_loss"]) == len(found["test_loss"]) == kept
    assert "final_train_accuracy" not in found
    before = checkpoint.load(tmp_path / "checkpoints" / "run.pt", training_case())
    assert before is not None
    assert len(before[0].epochs) == kept


@pytest.mark.parametrize("diverges", [True, False])
def test_a_resumed_run_that_fails_at_once_keeps_the_epochs_before_too(train: Train, diverges: bool) -> None:
    class Enough(BaseException):
        pass

    def stops(step: int, training: bool, outputs: Tensor) -> Tensor:
        if step == 8:
            raise Enough
        return outputs

    def fails(step: int, training: bool, outputs: Tensor) -> Tensor:
        return outputs * math.nan if diverges else outputs + 0 * puts(outputs)[0]

    case, device = deterministic(training_case()), FakeDevice(False)
    with pytest.raises(Enough):
        train(case, planted(device, stops), device=device)
    record = train(case, planted(device, lambda *call: fails(*call) if call[1] else call[2]), device=device)
    assert record.status == ("diverged" if diverges else "invalid")
    assert len(figures(record)["train_loss"]) == 2


def test_a_loss_that_has_blown_up_is_a_divergence_at_the_end(train: Train) -> None:
    def grows(step: int, training: bool, outputs: Tensor) -> Tensor:
        return outputs * 1e4 if step > 6 else outputs

    device = FakeDevice(False)
    record = train(training_case(), planted(device, grows), device=device)
    assert record.status == "diverged"
    assert record.reason is not None
    assert "at step 9 (epoch 3), more than 10 times the 1.1 of guessing" in record.reason
    assert len(figures(record)["train_loss"]) == 2


def test_a_run_goes_on_from_its_checkpoint_and_tells_what_was_before(train: Train, tmp_path: Path) -> None:
    case = training_case(epochs=5, momentum=0.9)
    whole = train(case)
    path = tmp_path / "checkpoints" / "run.pt"
    found = checkpoint.load(path, case)
    assert found is not None
    assert [epoch.number for epoch in found[0].epochs] == [1, 2, 3, 4, 5]

    class Enough(BaseException):
        pass

    def stops(step: int, training: bool, outputs: Tensor) -> Tensor:
        if step == 8:
            raise Enough
        return outputs

    path.unlink()
    device = FakeDevice(False)
    with pytest.raises(Enough):
        train(case, planted(device, stops), device=device)
    with PipeReader(tmp_path / "news") as listener:
        record = train(case, planted(device), device=device, tell=listener.path)
        told = [msgspec.json.decode(line, type=epochs.TrainingEvent) for line in listener.lines()]
    assert [t.epoch.number for t in told if isinstance(t, epochs.EpochDone)] == [1, 2, 3, 4, 5]
    for curve in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "final_train_accuracy"):
        assert figures(record)[curve] == figures(whole)[curve], curve
    [mark] = record.warnings
    assert mark.label == "resumed"
    assert mark.detail.startswith("epochs 1 to ")
    assert whole.warnings == []


def test_a_run_whose_epochs_are_all_done_is_only_finished(train: Train) -> None:
    """As one that was killed while it was evaluated in the end."""
    device = FakeDevice(False)
    first, second = Planted(device), Planted(device)
    whole = train(training_case(), lambda: first, device=device)
    again = train(training_case(), lambda: second, device=device)
    assert (first.steps, second.steps) == (9, 0)
    assert again.measurements == whole.measurements


def test_a_checkpoint_of_a_network_that_was_changed_since_begins_anew(train: Train, tmp_path: Path) -> None:
    whole = train(training_case(momentum=0.9))
    (tmp_path / "checkpoints" / "run.pt").unlink()
    train(training_case(momentum=0.9), lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 3)))
    assert figures(train(training_case(momentum=0.9)))["test_loss"] == figures(whole)["test_loss"]


def test_steps_and_epochs_are_told(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_SEND_SECONDS", 0.0)
    with PipeReader(tmp_path / "news") as listener:
        record = train(training_case(epochs=2), tell=listener.path)
        told = [msgspec.json.decode(line, type=epochs.TrainingEvent) for line in listener.lines()]
    steps = [t if isinstance(t, epochs.StepsDone) else t.epoch.number for t in told]
    assert steps == [
        *(epochs.StepsDone(1, step, 3) for step in (1, 2, 3)),
        1,
        *(epochs.StepsDone(2, step, 3) for step in (1, 2, 3)),
        2,
    ]
    told_losses = [t.epoch.train_loss for t in told if isinstance(t, epochs.EpochDone)]
    assert told_losses == figures(record)["train_loss"]


def test_steps_are_told_seldom(train: Train, tmp_path: Path) -> None:
    with PipeReader(tmp_path / "news") as listener:
        train(training_case(epochs=20), tell=listener.path)
        told = [msgspec.json.decode(line, type=epochs.TrainingEvent) for line in listener.lines()]
    assert sum(isinstance(t, epochs.StepsDone) for t in told) <= 3
    assert sum(isinstance(t, epochs.EpochDone) for t in told) == 20


def test_energy_is_the_gpus_of_every_epoch(train: Train) -> None:
    device = Gpu()
    device.gpu = FakeGpu(energy=lambda: 500.0 + 100 * device.now)
    case = training_case()
    assert case.task is not None
    case = structs.replace(case, task=structs.replace(case.task, target=1e-9))

    def takes_long(step: int, training: bool, outputs: Tensor) -> Tensor:
        device.launch(0.489, 0.5)
        return outputs

    record = train(case, planted(device, takes_long), device=device)
    assert figures(record)["energy"] == pytest.approx([300.0] * 3)
    assert figures(record)["energy_to_target"] == pytest.approx([300.0])
    assert record.warnings == []
    record = train(structs.replace(case, seed=1), planted(device), device=device)
    assert not {name for name in figures(record) if "energy" in name}
    [mark] = record.warnings
    assert mark.label == "no-energy"
    assert mark.detail.startswith("an epoch of 0.033 s is too short")


@pytest.mark.parametrize(
    ("gpu", "reason"),
    [
        (FakeGpu(energy="Not Supported"), "Not Supported"),
        (FakeGpu(mig=True), WHOLE_BOARD),
        (None, "NVML Shared Library Not Found"),
    ],
)
def test_energy_that_cannot_be_read_is_absent_with_the_reason(
    train: Train, gpu: FakeGpu | None, reason: str
) -> None:
    device = Gpu()
    device.gpu = gpu
    record = train(training_case(), device=device)
    assert record.status == "ok"
    assert not {name for name in figures(record) if "energy" in name}
    assert record.warnings == [CaseWarning("no-energy", reason)]
    assert record.absent["energy"] == reason


def test_no_figure_of_a_run_is_missing_without_a_word(train: Train) -> None:
    """The planted device counts what it allocates, where the case names a processor."""
    assert unexplained(train(training_case())) == ["peak_resident"]
    case = training_case()
    assert case.task is not None
    missed = train(structs.replace(case, task=structs.replace(case.task, target=1.5)))
    assert missed.absent["time_to_target"] == "no epoch reached the target"
    assert unexplained(missed) == ["peak_resident"]


def test_a_gpu_that_is_lost_half_way_has_no_energy_but_all_the_rest(train: Train) -> None:
    device = Gpu()
    device.gpu = FakeGpu(energy=lambda: 100.0 if device.now < 0.05 else "GPU is lost")
    record = train(training_case(), planted(device), device=device)
    assert not {name for name in figures(record) if "energy" in name}
    assert record.warnings == [CaseWarning("no-energy", "GPU is lost")]
    assert len(figures(record)["train_loss"]) == 3


def puts(values: Tensor) -> Tensor:
    """torch refuses it where determinism is asked for: two values may be put into one place."""
    return torch.zeros(2).put_(torch.tensor([0]), values.flatten()[:1].detach())


class PutsInBackward(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] + 0 * puts(gradients[0])[0]


def deterministic(case: Case) -> Case:
    assert case.task is not None
    return structs.replace(case, task=structs.replace(case.task, deterministic=True))


@pytest.mark.parametrize("backward", [False, True])
def test_an_operator_that_is_not_deterministic_is_named(train: Train, backward: bool) -> None:
    def odd(step: int, training: bool, outputs: Tensor) -> Tensor:
        if not training or step < 4:
            return outputs
        return PutsInBackward.apply(outputs) if backward else outputs + 0 * puts(outputs)[0]

    device = FakeDevice(False)
    record = train(deterministic(training_case()), planted(device, odd), device=device)
    assert record.status == "invalid"
    assert record.reason == "--deterministic: put_ has no deterministic implementation on this device"
    assert len(figures(record)["train_loss"]) == 1
    assert not torch.are_deterministic_algorithms_enabled()
    assert train(training_case(seed=2), planted(device, odd), device=device).status == "ok"


class Trying(FakeDevice):
    """A device that lets cuDNN choose by trial, and says whether it does."""

    def prepare(self, case: Case) -> None:
        torch.backends.cudnn.benchmark = True

    def read_back(self) -> Effective:
        workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG", "its own")
        benchmark = str(torch.backends.cudnn.benchmark).lower()
        return Effective(precision={"cudnn_benchmark": benchmark, "workspace": workspace})


@pytest.mark.parametrize(("asked", "found"), [(True, ("false", ":4096:8")), (False, ("true", "its own"))])
def test_what_determinism_changes_is_in_the_record(
    train: Train, monkeypatch: pytest.MonkeyPatch, asked: bool, found: tuple[str, str]
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
    case = training_case(epochs=1)
    effective = train(deterministic(case) if asked else case, device=Trying(False)).effective
    assert (effective.precision["cudnn_benchmark"], effective.precision["workspace"]) == found


def test_what_is_deterministic_is_the_same_with_and_without_the_option(train: Train) -> None:
    case = training_case(momentum=0.9)
    with_it, without = train(deterministic(case)), train(case)
    assert with_it.status == "ok"
    assert figures(with_it)["test_loss"] == figures(without)["test_loss"]


def test_an_engine_that_compiled_nothing_is_no_result_of_it(train: Train) -> None:
    """The batch is larger than the training set, and only whole batches are compiled for."""
    counters.clear()
    case = structs.replace(training_case(batch=64), engine="compile")
    record = train(case, network)
    assert record.status == "invalid"
    assert record.reason is not None
    assert record.reason.startswith("torch.compile compiled nothing")
    assert train(case, network).status == "ok"  # all its epochs were learned before: nothing was to compile
    assert train(training_case(batch=64), network).status == "ok"


def test_an_error_of_the_network_is_not_taken_for_one_of_determinism(train: Train) -> None:
    def fails(step: int, training: bool, outputs: Tensor) -> Tensor:
        if training:
            raise RuntimeError("shapes cannot be multiplied")
        return outputs

    with pytest.raises(UserError, match=r"fails in training .*: RuntimeError: shapes cannot be multiplied"):
        train(deterministic(training_case()), planted(FakeDevice(False), fails))
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_first_weights_are_the_seeds(train: Train) -> None:
    drawn: list[float] = []

    def module() -> nn.Module:
        drawn.append(float(torch.rand(1)))
        return network()

    for case in (training_case(seed=3), training_case(seed=4), training_case(seed=3)):
        train(case, module)
    assert drawn[0] == drawn[2] != drawn[1]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_tensorboard_shows_every_epoch_once_though_the_run_was_interrupted(
    train: Train, tmp_path: Path
) -> None:
    class Enough(BaseException):
        pass

    def stops(step: int, training: bool, outputs: Tensor) -> Tensor:
        if step == 8:
            raise Enough
        return outputs

    case, device = training_case(epochs=4), FakeDevice(False)
    with pytest.raises(Enough):
        train(case, planted(device, stops), device=device, tensorboard=tmp_path / "curves")
    record = train(case, planted(device), device=device, tensorboard=tmp_path / "curves")
    (folder,) = (tmp_path / "curves").iterdir()
    assert folder.name == case.file_name
    found, expected = scalars(folder), figures(record)
    assert {tag: [step for step, _ in points] for tag, points in found.items()} == {
        tag: [1, 2, 3, 4]
        for tag in (
            "loss/train",
            "loss/test",
            "accuracy/train",
            "accuracy/test",
            "images per second/loop",
            "images per second/steps",
        )
    }
    for tag, metric in (
        ("loss/train", "train_loss"),
        ("loss/test", "test_loss"),
        ("accuracy/train", "train_accuracy"),
        ("accuracy/test", "test_accuracy"),
        ("images per second/loop", "loop_rate"),
        ("images per second/steps", "step_rate"),
    ):
        assert [value for _, value in found[tag]] == pytest.approx(expected[metric], rel=1e-6), tag


def test_tensorboard_shows_no_accuracy_of_noise(train: Train, tmp_path: Path) -> None:
    data, device = PlantedData(learns=False), FakeDevice(False)
    train(training_case(), planted(device), data=data, device=device, tensorboard=tmp_path / "curves")
    (folder,) = (tmp_path / "curves").iterdir()
    assert set(scalars(folder)) == {"images per second/loop", "images per second/steps"}
