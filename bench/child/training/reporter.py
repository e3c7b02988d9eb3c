"""Tells the parent how a training run goes on, and writes TensorBoard's curves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bench.forkserver.pipe import open_writer
from bench.schema import epochs
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.epochs import Epoch, History
from bench.schema.job import TrainingFiles

_SEND_SECONDS = 1.0
"""Between two tellings of steps: a person does not read faster."""


class _Writer(Protocol):
    """What is used of torch.utils.tensorboard.SummaryWriter."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> Any: ...

    def flush(self) -> None: ...


class Reporter:
    """Tells the parent, and writes TensorBoard's curves where they were asked for."""

    def __init__(self, files: TrainingFiles, case: Case, learns: bool) -> None:
        self.history = History()
        self._send = open_writer(files.news)
        self._folder = None if files.tensorboard is None else Path(files.tensorboard) / case.file_name
        self._learns = learns
        self._writer: _Writer | None = None
        self._sent_at = 0.0
        self._resumed_after = 0

    def resumed(self, history: History) -> None:
        """The epochs of an earlier process, which its checkpoint held."""
        self.history = history
        self._resumed_after = len(history.epochs)
        for epoch in history.epochs:
            self.finished(epoch)

    def warnings(self) -> list[CaseWarning]:
        """Warnings for the record."""
        if not self._resumed_after:
            return []
        return [
            CaseWarning(
                "resumed",
                f"epochs 1 to {self._resumed_after} were trained in an earlier process, so the times hold "
                "more than one warm-up",
            )
        ]

    def stepping(self, epoch: int) -> Callable[[int, int], None]:
        def on_step(step: int, steps: int) -> None:
            now = time.monotonic()
            if now - self._sent_at >= _SEND_SECONDS:
                self._sent_at = now
                self._send(msgspec.json.encode(epochs.StepsDone(epoch, step, steps)))

        return on_step

    def finished(self, epoch: Epoch) -> None:
        self._send(msgspec.json.encode(epochs.EpochDone(epoch)))
        if self._folder is None:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # What a killed process wrote of later epochs is to be forgotten.
            self._writer = SummaryWriter(str(self._folder), purge_step=epoch.number)
        learnt = {
            "loss/train": epoch.train_loss,
            "loss/test": epoch.test_loss,
            "accuracy/train": epoch.train_accuracy,
            "accuracy/test": epoch.test_accuracy,
        }
        speeds = {
            "images per second/loop": epoch.images / epoch.loop_seconds,
            "images per second/steps": epoch.images / epoch.step_seconds,
        }
        for tag, value in (speeds | (learnt if self._learns else {})).items():
            self._writer.add_scalar(tag, value, epoch.number)
        self._writer.flush()
