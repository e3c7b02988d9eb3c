"""What a workload gives to the harness: the calls of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.schema.case_warnings import CaseWarning
from bench.schema.phases import Phase

if TYPE_CHECKING:
    import torch

    from models.network import Arguments


Call = Callable[[], None]


@dataclass(frozen=True)
class Steps:
    """The calls of one step.

    setup        untimed, ahead of every step (zero_grad)
    step         the whole step; timed without events inside
    whole_phase  the phase that `step` is: `forward` for inference, `step` for training
    phases       the parts of the step in order, with their names; empty where they cannot be told apart
    synchronises whether the step waits for the device inside
    why_invalid  after a window: a sentence when it must not be used, else None
    warnings     about what the steps did, read once at the end
    tensors      what is alive by kind, for the memory ledger: weights, buffers, gradients, optimizer_state
    arguments    what each call of the network is given; None for steps that call none
    put_back     the part of `setup` that puts back inputs which the network changes in place
    puts_back    whether it has to: of steps in a row, all but the first would then have it in their time
    """

    setup: Call
    step: Call
    whole_phase: Phase
    phases: tuple[tuple[Phase, Call], ...]
    synchronises: bool
    why_invalid: Callable[[], str | None]
    warnings: Callable[[], list[CaseWarning]]
    tensors: Callable[[], dict[str, list[torch.Tensor]]]
    arguments: Arguments | None = None
    put_back: Call = lambda: None
    puts_back: Callable[[], bool] = lambda: False
