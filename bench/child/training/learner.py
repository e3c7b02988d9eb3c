"""The training loop: epochs of steps on data that live on the device, and evaluation outside the timed part.

Nothing in an epoch waits for the device: losses are gathered there and read when the epoch is over.
Whatever is drawn at random is drawn from the seed and the number of the epoch, so that a run that goes on
from a checkpoint gives what an uninterrupted one would have given.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from bench.child.training.divergence import DivergedError, why_diverged
from bench.child.training.image_pipeline import Pipeline, colour_basis
from bench.child.training.schedule import rate
from bench.contracts.dataset import Dataset, Images, Split
from bench.contracts.device import Device
from bench.outputs.class_scores import ClassScores
from bench.outputs.trainable import trainable
from bench.schema.case import Case
from bench.schema.epochs import Epoch
from bench.schema.training_task import TrainingTask
from bench.tensors import POLICIES, autocast, memory_format, weight_dtype

OnStep = Callable[[int, int], None]
"""Called after each step with its number in the epoch, from 1, and the number of steps."""

_SEED_STRIDE = 1_000_003
"""Between the seeds of two runs: more than any run has epochs."""
_STREAMS = 3
"""The order, the augmentation and the dropout of an epoch have a seed each. From one seed the same numbers
would choose both an image and its crop."""


class StepClock:
    """Seconds of the steps alone: by the host's clock, or by events in the queue of a device that has one."""

    def __init__(self, device: Device) -> None:
        self._device, self._queue = device, device.queue()
        self._marks: list[tuple[Any, Any]] = []
        self._start: Any = None

    def start(self) -> None:
        self._start = self._device.clock() if self._queue is None else self._queue.record()

    def stop(self) -> None:
        end = self._device.clock() if self._queue is None else self._queue.record()
        self._marks.append((self._start, end))

    def seconds(self) -> float:
        """Of all steps; call it when the device has finished."""
        if self._queue is None:
            return math.fsum(end - start for start, end in self._marks)
        return math.fsum(self._queue.elapsed(start, end) for start, end in self._marks)


@dataclass(frozen=True)
class _OnDevice:
    """One split, whole, where it is used."""

    images: torch.Tensor
    labels: torch.Tensor

    @staticmethod
    def of(images: Images, where: str) -> _OnDevice:
        return _OnDevice(images.images.to(where), images.labels.to(where))


class Learner:
    """One network in training. `module` lies on the device, in the case's dtype and layout; `forward` is
    what the engine made of it, called only with whole batches, as an engine may have compiled for them."""

    def __init__(
        self,
        case: Case,
        device: Device,
        module: torch.nn.Module,
        forward: Callable[[torch.Tensor], Any],
        dataset: Dataset,
        split: Split,
    ) -> None:
        assert case.task is not None
        self.case, self.task, self.device = case, case.task, device
        self._where = device.torch_name()
        self._type = torch.device(self._where).type
        self._module, self._forward = module, forward
        self._train, self._test = (_OnDevice.of(part, self._where) for part in (split.train, split.test))
        self._pipeline = _pipeline(case, self.task, dataset, split, self._where)
        self._augmenting = torch.Generator(self._where)
        self.scores = ClassScores(case.classes)
        recipe = self.task.recipe
        trained = trainable(module, case.model)
        is_real = not any(weight.is_complex() for weight in trained)
        self._optimizer = torch.optim.SGD(
            trained,
            lr=recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=is_real,  # one pass over the weights, and a GradScaler then need not wait for the device
        )
        if recipe.momentum and is_real:
            # Zeros, which the first step would overwrite. torch's fused one makes them of unwritten memory,
            # and learns from that at the second step where a GradScaler skipped the first.
            for weight in trained:
                self._optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        # The scale may shrink but never grow, so that what it lost tells how many steps were skipped.
        self._scaler = torch.amp.GradScaler(
            self._type, enabled=POLICIES[case.precision].scales_loss, growth_interval=2**31 - 1
        )

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self._train.labels) / self.case.batch)

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "module": self._module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> bool:
        """Go on from what `state` gave, in whatever process. False, and all is as it was, where it does not
        fit: the network's own file may have been changed since."""
        before = copy.deepcopy(self.state())
        try:
            self._load(state)
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            self._load(before)
            return False
        return True

    def _load(self, state: dict[str, Any]) -> None:
        self._module.load_state_dict(state["module"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])

    def epoch(self, number: int, on_step: OnStep, joules: Callable[[], float | None]) -> Epoch:
        """Learn from every training image once, then evaluate. Raises DivergedError."""
        order = self._order(number)
        self._module.train()
        clock = StepClock(self.device)
        sums = torch.zeros(2, len(order), device=self._where)
        scale = self._scaler.get_scale()
        self.device.synchronise()
        energy, began = joules(), self.device.clock()
        for step, chosen in enumerate(order):
            images = self._pipeline.training(self._train.images[chosen], self._augmenting)
            labels = self._train.labels[chosen]
            self._set_rate((number - 1) * len(order) + step)
            clock.start()
            outputs, loss = self._step(images, labels)
            clock.stop()
            sums[0, step] = loss.detach()
            sums[1, step] = (outputs.detach().argmax(1) == labels).sum()
            on_step(step + 1, len(order))
        self.device.synchronise()
        seconds = self.device.clock() - began
        energy_after = joules()
        losses, right = sums.tolist()
        diverged = why_diverged(losses, (number - 1) * len(order) + 1, number)
        if diverged:
            raise DivergedError(diverged)
        images_seen = len(self._train.labels)
        test_loss, test_accuracy = self._evaluate(self._test)
        return Epoch(
            number=number,
            images=images_seen,
            loop_seconds=seconds,
            step_seconds=clock.seconds(),
            train_loss=math.fsum(a * len(b) for a, b in zip(losses, order, strict=True)) / images_seen,
            train_accuracy=sum(right) / images_seen,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            energy_joules=None if energy is None or energy_after is None else energy_after - energy,
            skipped_steps=_halvings(scale, self._scaler.get_scale(), number, number * len(order)),
        )

    def gradient_norms(self) -> tuple[float, float] | None:
        """Euclidean norms of the loss's gradient by the first and by the last weight, on the batch that the
        first epoch begins with; None where the network has not two weights or a norm is not finite.

        Only while nothing has been learned. The epochs do not notice it: they seed all that they draw, and
        the running statistics of batch normalisation are put back.
        """
        weights = [p for p in self._module.parameters() if p.requires_grad and p.dim() > 1]
        if len(weights) < 2:
            return None
        chosen = self._order(1)[0]
        self._module.train()
        kept = [buffer.clone() for buffer in self._module.buffers()]
        scale = self._scaler.get_scale()  # fp16 could not hold small gradients without it
        with autocast(self.case.precision, self._type):
            outputs = self._module(self._pipeline.training(self._train.images[chosen], self._augmenting))
            loss = cross_entropy(outputs.float(), self._train.labels[chosen])
        gradients = torch.autograd.grad(scale * loss, (weights[0], weights[-1]))
        with torch.no_grad():
            for buffer, before in zip(self._module.buffers(), kept, strict=True):
                buffer.copy_(before)
        first, last = (float(gradient.float().norm()) / scale for gradient in gradients)
        return (first, last) if math.isfinite(first) and math.isfinite(last) else None

    def train_accuracy(self, at_most: int) -> float:
        """Of the first training images in eval mode, without augmentation."""
        return self._evaluate(_OnDevice(self._train.images[:at_most], self._train.labels[:at_most]))[1]

    def _order(self, number: int) -> tuple[torch.Tensor, ...]:
        """The images of each step, in this epoch's own order; seeds all that the epoch will draw."""
        seed = _STREAMS * (self.case.learning_seed * _SEED_STRIDE + number)
        torch.manual_seed(seed)  # for dropout
        self._augmenting.manual_seed(seed + 1)
        # Drawn on the CPU: the order is then the same on every device.
        order = torch.randperm(len(self._train.labels), generator=torch.Generator().manual_seed(seed + 2))
        batches: tuple[torch.Tensor, ...] = order.to(self._where).split(self.case.batch)
        return batches

    def _set_rate(self, step: int) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate(self.task.recipe, step, self.steps_per_epoch)

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self._optimizer.zero_grad(set_to_none=True)
        forward = self._forward if len(labels) == self.case.batch else self._module
        with autocast(self.case.precision, self._type):
            outputs = self.scores.of(forward(images))
            smoothing = self.task.recipe.label_smoothing
            loss = cross_entropy(outputs.float(), labels, label_smoothing=smoothing)
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return outputs, loss

    @torch.no_grad()
    def _evaluate(self, data: _OnDevice) -> tuple[float, float]:
        """Mean cross-entropy in nats, and the share that is right, in eval mode."""
        self._module.eval()
        sums = torch.zeros(2, device=self._where, dtype=torch.float64)
        batches = zip(data.images.split(self.case.batch), data.labels.split(self.case.batch), strict=True)
        with autocast(self.case.precision, self._type):
            for images, labels in batches:
                outputs = self.scores.of(self._module(self._pipeline.evaluation(images))).float()
                sums[0] += cross_entropy(outputs, labels, reduction="sum")
                sums[1] += (outputs.argmax(1) == labels).sum()
        loss, right = (sums / len(data.labels)).tolist()
        return loss, right


def _halvings(before: float, after: float, epoch: int, steps: int) -> int:
    """How often a loss scale was halved: once for every step that was skipped."""
    if after == 0:
        raise DivergedError(
            f"the loss scale fell to 0 by step {steps} (epoch {epoch}): the gradients overflowed at any scale"
        )
    return round(math.log2(before / after))


def _pipeline(case: Case, task: TrainingTask, dataset: Dataset, split: Split, where: str) -> Pipeline:
    jitters = "pca" in task.recipe.augment and dataset.channels == 3
    return Pipeline(
        recipe=task.recipe,
        image=case.image,
        channels=case.channels,
        mean=dataset.mean,
        std=dataset.std,
        mirrors=dataset.mirrors,
        dtype=weight_dtype(case.precision),
        memory_format=memory_format(case),
        device=where,
        colours=colour_basis(split.train.images) if jitters else None,
    )
