"""The training loop: against one written by hand, on fake devices with planted durations, across a resume."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.child.training import checkpoint
from bench.child.training.divergence import DivergedError
from bench.child.training.image_pipeline import Pipeline
from bench.child.training.learner import Learner
from bench.devices.fake import FakeDevice
from bench.schema.case import Case
from bench.schema.epochs import Epoch, History
from tests.planted.planted_learners import (
    COLOUR,
    GREY,
    PlantedData,
    changed,
    learner,
    network,
    no_energy,
    quiet,
    training_case,
)

pytestmark = pytest.mark.slow

STEPS = 3
"""Of an epoch: 22 images in batches of 8, the last of 6."""


def epochs(learning: Learner, numbers: Iterable[int]) -> list[Epoch]:
    return [learning.epoch(number, quiet, no_energy) for number in numbers]


def learnt(epoch: Epoch) -> tuple[float, ...]:
    return epoch.train_loss, epoch.train_accuracy, epoch.test_loss, epoch.test_accuracy


def weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def orders(module: nn.Module, run: Callable[[], object]) -> list[list[int]]:
    """The numbers of the training images in each step of `run`, by their first pixel."""
    seen: list[list[int]] = []

    def see(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if layer.training:
            seen.append((inputs[0][:, 0, 0, 0] * 255).round().int().tolist())

    handle = module.register_forward_pre_hook(see)
    run()
    handle.remove()
    return seen


class ByHand:
    """Stochastic gradient descent as it is defined, without an optimizer or a loss of torch's."""

    def __init__(self, module: nn.Module, data: PlantedData, case: Case) -> None:
        assert case.task is not None
        self.module, self.recipe = module, case.task.recipe
        self.split = data.load(None)
        self.data = data
        self.speeds = [torch.zeros_like(parameter) for parameter in module.parameters()]

    def images(self, pixels: Tensor) -> Tensor:
        images = pixels.float() / 255
        if self.recipe.normalise:
            for channel, (mean, std) in enumerate(zip(self.data.mean, self.data.std, strict=True)):
                images[:, channel] = (images[:, channel] - mean) / std
        return images

    def step(self, chosen: list[int], rate: float) -> tuple[float, int]:
        """The loss, and how many were right, before the weights move."""
        labels = self.split.train.labels[chosen]
        outputs = self.module(self.images(self.split.train.images[chosen]))
        classes, smoothing = self.data.classes, self.recipe.label_smoothing
        wanted = torch.full_like(outputs, smoothing / classes)
        wanted[range(len(chosen)), labels] += 1 - smoothing
        loss = -(wanted * (outputs - outputs.logsumexp(1, keepdim=True))).sum(1).mean()
        parameters = list(self.module.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                gradient = gradient + self.recipe.weight_decay * parameter
                self.speeds[i] = self.recipe.momentum * self.speeds[i] + gradient
                parameter.sub_(rate * self.speeds[i])
        return float(loss.detach()), int((outputs.argmax(1) == labels).sum())

    def test(self) -> tuple[float, float]:
        with torch.no_grad():
            outputs = self.module(self.images(self.split.test.images))
        labels = self.split.test.labels
        losses = outputs.logsumexp(1) - outputs[range(len(labels)), labels]
        return float(losses.mean()), float((outputs.argmax(1) == labels).float().mean())


PLAIN = [0.1] * 9
WARM = [0.1 * (n + 1) / 4 for n in range(4)]  # 1.5 epochs of 3 steps are 4 and a half, rounded to even
RECIPES: list[tuple[dict[str, Any], list[float]]] = [
    ({}, PLAIN),
    ({"momentum": 0.9}, PLAIN),
    ({"momentum": 0.8, "weight_decay": 0.03}, PLAIN),
    ({"weight_decay": 0.1, "normalise": True}, PLAIN),
    ({"label_smoothing": 0.2}, PLAIN),
    ({"warmup_epochs": 1.5}, WARM + [0.1] * 5),
    (
        {"warmup_epochs": 1.5, "schedule": "cosine", "momentum": 0.9, "normalise": True},
        WARM + [0.05 * (1 + math.cos(math.pi * n / 5)) for n in range(5)],
    ),
]


@pytest.mark.parametrize(("recipe", "rates"), RECIPES, ids=lambda value: str(value)[:60])
def test_the_loop_is_gradient_descent_as_it_is_defined(recipe: dict[str, Any], rates: list[float]) -> None:
    case = training_case(**recipe)
    plain = changed(case, normalise=False)  # the order is read from pixels, and is the seed's alone
    order = orders(net := network(), lambda: epochs(learner(plain, net), range(1, 4)))
    module, other = network(), network()
    found = epochs(learner(case, module), range(1, 4))
    hand = ByHand(other, GREY, case)
    for number, steps in enumerate(_by(order, STEPS)):
        results = [hand.step(chosen, rates[STEPS * number + i]) for i, chosen in enumerate(steps)]
        loss = sum(loss * len(chosen) for (loss, _), chosen in zip(results, steps, strict=True)) / 22
        right = sum(right for _, right in results) / 22
        assert learnt(found[number]) == pytest.approx((loss, right, *hand.test()), rel=2e-5)
    assert [len(chosen) for chosen in order] == [8, 8, 6] * 3
    for ours, theirs in zip(weights(module), weights(other), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def _by(items: list[list[int]], size: int) -> list[list[list[int]]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def test_an_epoch_has_every_image_once_in_an_order_of_its_own() -> None:
    module = network()
    order = orders(module, lambda: epochs(learner(training_case(epochs=6), module), range(1, 7)))
    by_epoch = [[number for step in steps for number in step] for steps in _by(order, STEPS)]
    assert all(sorted(numbers) == list(range(22)) for numbers in by_epoch)
    assert len({tuple(numbers) for numbers in by_epoch}) == 6


@pytest.mark.parametrize("data", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_seed_gives_the_same_run_twice_and_another_seed_another(data: PlantedData) -> None:
    recipe: dict[str, Any] = {"augment": ("crop", "flip", "pca"), "momentum": 0.9}

    def run(**fields: Any) -> list[Tensor]:
        module = network(data, dropout=0.5)
        epochs(learner(structs.replace(training_case(data, **recipe), **fields), module, data), range(1, 4))
        return weights(module)

    assert equal(run(seed=5), run(seed=5))
    assert not equal(run(seed=5), run(seed=6))
    assert equal(run(seed=5, replicate=3), run(seed=7)), "a replicate is another seed"


@pytest.mark.parametrize("what", ["order", "crop", "flip", "pca", "dropout"])
def test_whatever_is_drawn_is_another_in_each_epoch_and_for_each_seed(what: str) -> None:
    """At a rate so small that nothing else can make two epochs differ."""
    augment = (what,) if what in ("crop", "flip", "pca") else ()

    def losses(seed: int) -> list[float]:
        case = training_case(COLOUR, batch=22 if what != "order" else 8, seed=seed, lr=1e-9, augment=augment)
        module = network(COLOUR, dropout=0.5 if what == "dropout" else 0.0)
        found: list[float] = []
        hook = module.register_forward_hook(lambda net, x, y: found.append(float(y.detach().abs().sum())))
        epochs(learner(case, module, COLOUR), range(1, 4))
        hook.remove()
        return found[:: len(found) // 3]

    first, other = losses(1), losses(2)
    assert len({round(loss, 5) for loss in first + other}) == 6


def test_what_chooses_an_image_does_not_also_choose_its_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's permutation and its crops are remainders of the same numbers where they have one seed."""
    data = PlantedData(image=8, train_images=30)
    module, shifts = network(data), []

    def see(images: Tensor, corners: Tensor, shift: int, mirrored: Tensor | None) -> Tensor:
        assert shift == 1
        shifts.append((int(images[0, 0, 0, 0]), int(corners[0, 0, 0])))
        return images

    monkeypatch.setattr("bench.child.training.image_pipeline.crop_and_flip", see)
    case = training_case(data, batch=30, epochs=300, augment=("crop",))
    epochs(learner(case, module, data), range(1, 301))
    for later in range(3):  # nor that of an epoch before or after
        pairs = zip(shifts, shifts[later:], strict=False)
        forth = Counter((image % 3, row) for (image, _), (_, row) in pairs)
        back = Counter((image % 3, row) for (_, row), (image, _) in zip(shifts, shifts[later:], strict=False))
        # Of 300 in 9 cells 33 are expected; 60 would be five standard deviations too many.
        assert max([*forth.values(), *back.values()]) < 60


class Normed(nn.Module):
    """Dropout, and running statistics, which are no parameters."""

    def __init__(self, data: PlantedData, seed: int) -> None:
        super().__init__()
        self.body = network(data, dropout=0.4, seed=seed)
        self.norm = nn.BatchNorm2d(data.channels)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.body(self.norm(images))
        return outputs


@pytest.mark.parametrize("killed_after", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "amp-bf16", "bf16"])
def test_a_run_that_goes_on_from_a_checkpoint_is_the_uninterrupted_one(
    tmp_path: Path, killed_after: int, precision: str
) -> None:
    """Bit for bit: augmentation, dropout, momentum, schedule, running statistics."""
    case = training_case(
        COLOUR,
        momentum=0.9,
        weight_decay=0.01,
        warmup_epochs=1,
        schedule="cosine",
        label_smoothing=0.1,
        augment=("crop", "flip", "pca"),
        normalise=True,
    )
    case = structs.replace(case, precision=precision)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    whole = Normed(COLOUR, 0).to(dtype)
    expected = epochs(learner(case, whole, COLOUR), range(1, 4))

    first = learner(case, Normed(COLOUR, 0).to(dtype), COLOUR)
    epochs(first, range(1, killed_after + 1))
    checkpoint.save(tmp_path / "run.pt", case, History(), first.state())

    torch.manual_seed(99)
    module = Normed(COLOUR, 1).to(dtype)
    second = learner(case, module, COLOUR)
    found = checkpoint.load(tmp_path / "run.pt", case)
    assert found is not None
    assert second.resume(found[1])
    rest = epochs(second, range(killed_after + 1, 4))
    assert list(map(learnt, rest)) == list(map(learnt, expected[killed_after:]))
    assert equal(weights(module), weights(whole))
    assert equal(list(module.buffers()), list(whole.buffers()))


def test_a_loss_scale_goes_on_too(tmp_path: Path) -> None:
    case = structs.replace(training_case(), precision="amp-fp16")
    whole = Overflowing(range(2))
    expected = epochs(learner(case, whole), range(1, 4))
    assert [epoch.skipped_steps for epoch in expected] == [2, 0, 0]
    first = learner(case, Overflowing(range(2)))
    epochs(first, [1])
    module = Overflowing(())
    second = learner(case, module)
    assert second.resume(first.state())
    rest = epochs(second, [2, 3])
    assert list(map(learnt, rest)) == list(map(learnt, expected[1:]))
    assert second.state()["scaler"]["scale"] == 65536 / 4


def unfit(name: str, case: Case) -> Any:
    """What a checkpoint of the same case may hold if the network's file was changed since, or worse."""
    good = learner(case, network(seed=3)).state()
    other = network(PlantedData(classes=4), seed=3)  # its first layer would fit
    states: dict[str, Any] = {
        "nothing": {},
        "no dictionary": [1, 2],
        "another last layer": learner(case, other).state(),
        "a layer less": good | {"module": dict(list(good["module"].items())[:2])},
        "no such layers": good | {"module": {"x": torch.zeros(1)}},
        "no optimizer": {key: good[key] for key in ("module", "scaler")},
        "another optimizer": good | {"optimizer": {"state": {}, "param_groups": []}},
        "text for weights": good | {"module": "text"},
        "no scale": good | {"scaler": {}},
    }
    return states[name]


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "no dictionary",
        "another last layer",
        "a layer less",
        "no such layers",
        "no optimizer",
        "another optimizer",
        "text for weights",
        "no scale",
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(name: str) -> None:
    case = structs.replace(training_case(momentum=0.9), precision="amp-fp16")
    module, fresh = network(), network()
    learning = learner(case, module)
    assert not learning.resume(unfit(name, case))
    assert equal(weights(module), weights(fresh))
    expected = epochs(learner(case, fresh), range(1, 4))
    assert list(map(learnt, epochs(learning, range(1, 4)))) == list(map(learnt, expected))


class Launching(nn.Module):
    """A network whose training step and evaluation cost the host and a fake device so many seconds."""

    def __init__(self, device: FakeDevice, step: tuple[float, float]) -> None:
        super().__init__()
        self.device, self.step = device, step
        self.body = network()

    def forward(self, images: Tensor) -> Tensor:
        self.device.launch(*(self.step if self.training else (3.0, 5.0)))
        outputs: Tensor = self.body(images)
        return outputs


@pytest.mark.parametrize(
    ("asynchronous", "data", "step", "step_seconds", "loop_seconds"),
    [
        # The device is never idle: it finishes the first batch after 1 ms of the host, then 30 ms a step.
        (True, (0.001, 0.020), (0.001, 0.010), 0.030, 0.001 + 3 * 0.030),
        # Starved by its data: the host needs 51 ms a step; the last step's work ends 10 ms after it.
        (True, (0.050, 0.0), (0.001, 0.010), 3 * 0.011, 3 * 0.051 + 0.010),
        # A processor: nothing overlaps.
        (False, (0.001, 0.020), (0.001, 0.010), 3 * 0.011, 3 * 0.032),
    ],
    ids=["device-bound", "starved", "synchronous"],
)
def test_seconds_of_steps_are_without_the_data_and_neither_has_the_evaluation(
    monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
    data: tuple[float, float],
    step: tuple[float, float],
    step_seconds: float,
    loop_seconds: float,
) -> None:
    device = FakeDevice(asynchronous)
    prepare = Pipeline.training

    def slow(pipeline: Pipeline, images: Tensor, generator: torch.Generator) -> Tensor:
        device.launch(*data)
        return prepare(pipeline, images, generator)

    monkeypatch.setattr(Pipeline, "training", slow)
    for epoch in epochs(learner(training_case(), Launching(device, step), device=device), range(1, 4)):
        assert (epoch.step_seconds, epoch.loop_seconds) == pytest.approx((step_seconds, loop_seconds))
        assert epoch.images == 22


def test_energy_is_that_of_the_loop_read_while_the_device_is_idle() -> None:
    device = FakeDevice()
    read_at: list[float] = []

    def joules() -> float:
        read_at.append(device.now)
        return 40.0 + 10 * device.now

    learning = learner(training_case(), Launching(device, (0.001, 0.1)), device=device)
    first, second = (learning.epoch(number, quiet, joules) for number in (1, 2))
    assert first.energy_joules == pytest.approx(10 * first.loop_seconds)
    assert second.energy_joules == pytest.approx(10 * second.loop_seconds)
    assert read_at[1] - read_at[0] == pytest.approx(3 * 0.1 + 0.001), "all of the steps' work was done"


@pytest.mark.parametrize("readings", [(None, None), (None, 5.0), (5.0, None)])
def test_energy_that_cannot_be_read_at_either_end_is_absent(
    readings: tuple[float | None, float | None],
) -> None:
    given = iter(readings)
    assert learner(training_case(), network()).epoch(1, quiet, lambda: next(given)).energy_joules is None


class Waits(FakeDevice):
    """Counts how often somebody waits for it."""

    waits = 0

    def synchronise(self) -> None:
        self.waits += 1
        super().synchronise()


class NoReading(TorchDispatchMode):
    """Whatever brings a value to the host, for which a GPU would be waited for, is an error."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select"), name
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "amp-bf16", "amp-fp16", "bf16"])
def test_nothing_in_an_epoch_waits_for_the_device(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    device = Waits()
    case = training_case(COLOUR, momentum=0.9, label_smoothing=0.1, augment=("crop", "flip", "pca"))
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    module = network(COLOUR, dropout=0.5).to(dtype)
    learning = learner(structs.replace(case, precision=precision), module, COLOUR, device=device)
    inside, waits = ExitStack(), []

    def forbidden(*arguments: object) -> None:
        raise AssertionError("a value was read inside the epoch")

    def joules() -> None:  # is asked just before and just after the loop
        waits.append(device.waits)
        if len(waits) == 1:
            inside.enter_context(NoReading())
            for name in ("tolist", "numpy", "cpu", "item"):
                monkeypatch.setattr(Tensor, name, forbidden)
        else:
            monkeypatch.undo()
            inside.close()

    learning.epoch(1, quiet, joules)
    assert waits == [1, 2], "before the loop and after it, and never between"


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "amp-bf16", "amp-fp16"])
def test_nothing_in_an_epoch_waits_for_a_gpu(precision: str) -> None:
    from bench import devices

    case = training_case(COLOUR, momentum=0.9, augment=("crop", "flip", "pca"))
    module = network(COLOUR, dropout=0.5).to("cuda:0")
    device = devices.get("cuda")
    learning = learner(
        structs.replace(case, precision=precision, device="cuda"), module, COLOUR, device=device
    )
    learning.epoch(1, quiet, no_energy)  # the first one loads libraries
    torch.cuda.synchronize()
    asked = 0

    def joules() -> None:
        nonlocal asked
        asked += 1
        torch.cuda.set_sync_debug_mode("error" if asked == 1 else "default")

    try:
        learning.epoch(2, quiet, joules)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_every_step_is_told() -> None:
    told: list[tuple[int, int]] = []
    learner(training_case(), network()).epoch(1, lambda *event: told.append(event), no_energy)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_engines_forward_gets_whole_batches_alone() -> None:
    """It may have been compiled for their size; the rest, and the evaluation, go through the module."""
    module, sizes = network(), []

    def forward(images: Tensor) -> Tensor:
        sizes.append(len(images))
        outputs: Tensor = module(images)
        return outputs

    wrapped, plain = learner(training_case(), module, forward=forward), network()
    found = epochs(wrapped, range(1, 3))
    assert sizes == [8, 8] * 2
    assert list(map(learnt, found)) == list(map(learnt, epochs(learner(training_case(), plain), range(1, 3))))


def test_the_final_train_accuracy_is_that_of_the_weights_on_images_as_they_are() -> None:
    case = training_case(COLOUR, augment=("crop", "flip", "pca"), normalise=True)
    module = network(COLOUR, dropout=0.9)
    learning = learner(case, module, COLOUR)
    epochs(learning, [1])
    module.eval()
    hand, split = ByHand(module, COLOUR, case), COLOUR.load(None)
    right = module(hand.images(split.train.images)).argmax(1) == split.train.labels
    for count in (1, 9, 22):
        assert learning.train_accuracy(count) == pytest.approx(float(right[:count].float().mean()))
    assert learning.train_accuracy(10_000) == learning.train_accuracy(22)


def test_an_evaluation_keeps_nothing_for_a_backward() -> None:
    module, graphs = network(), set()
    module.register_forward_hook(lambda net, x, y: graphs.add((net.training, y.requires_grad)))
    epochs(learner(training_case(), module), [1])
    assert graphs == {(True, True), (False, False)}


class Breaking(nn.Module):
    """From its n-th step on it gives no numbers."""

    def __init__(self, at: int, value: float) -> None:
        super().__init__()
        self.body, self.at, self.value, self.steps = network(), at, value, 0

    def forward(self, images: Tensor) -> Tensor:
        self.steps += self.training
        outputs: Tensor = self.body(images)
        return outputs * self.value if self.steps >= self.at else outputs


@pytest.mark.parametrize(("step", "epoch"), [(1, 1), (3, 1), (4, 2), (8, 3)])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_run_that_diverges_says_at_which_step(step: int, epoch: int, value: float) -> None:
    learning = learner(training_case(), Breaking(step, value))
    epochs(learning, range(1, epoch))
    with pytest.raises(DivergedError, match=rf"not finite at step {step} \(epoch {epoch}\)"):
        learning.epoch(epoch, quiet, no_energy)


class Overflow(torch.autograd.Function):
    """The same number, with an infinite gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * math.inf


class Overflowing(nn.Module):
    """The gradients of these steps overflow, whatever the loss scale; steps count from 0."""

    def __init__(self, steps: Iterable[int]) -> None:
        super().__init__()
        self.body, self.bad, self.step = network(), set(steps), 0

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.body(images)
        overflows = self.training and self.step in self.bad
        self.step += self.training
        return Overflow.apply(outputs) if overflows else outputs


def test_steps_that_the_loss_scaler_skips_are_counted_and_leave_the_weights() -> None:
    case = structs.replace(training_case(), precision="amp-fp16")
    module = Overflowing([1, 3, 4])
    learning = learner(case, module)
    assert [epoch.skipped_steps for epoch in epochs(learning, range(1, 4))] == [1, 2, 0]
    all_skipped, before = Overflowing(range(9)), weights(network())
    epochs(learner(case, all_skipped), range(1, 4))
    assert equal(weights(all_skipped), before)


def test_a_first_step_that_is_skipped_leaves_no_momentum() -> None:
    """One step an epoch: the run must go on as one that begins with its second step."""
    case = structs.replace(training_case(batch=22, momentum=0.9), precision="amp-fp16")
    skipped, begun_later = Overflowing([0]), Overflowing([])
    torch.use_deterministic_algorithms(True)  # then torch fills unwritten memory with NaN
    try:
        assert [epoch.skipped_steps for epoch in epochs(learner(case, skipped), range(1, 4))] == [1, 0, 0]
        epochs(learner(case, begun_later), range(2, 4))
    finally:
        torch.use_deterministic_algorithms(False)
    assert equal(weights(skipped), weights(begun_later))


def test_a_loss_scale_that_falls_to_zero_is_a_divergence() -> None:
    """It begins at 2^16, and the smallest number is 2^-149, or 2^-126 where denormals are flushed."""
    case = structs.replace(training_case(batch=1), precision="amp-fp16")
    learning = learner(changed(case, epochs=10), Overflowing(range(1000)))
    with pytest.raises(DivergedError, match=r"the loss scale fell to 0 by step (154|176) \(epoch [78]\)"):
        epochs(learning, range(1, 11))
