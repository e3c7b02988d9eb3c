"""The step of a job of one rank: the whole network on the whole batch, with nothing around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts.rank_strategy import GatheredState, RankSteps
from bench.outputs.main_output import main_output
from bench.outputs.trainable import trainable
from bench.rank_steps import gathered, share
from bench.rank_steps.share_step import ShareStep
from bench.schema.case import Case

if TYPE_CHECKING:
    from models.network import Network

WHY_NONE = "one rank sends nothing"


def steps_of(network: Network, case: Case, device: str) -> RankSteps:
    """Whatever the strategy: what all others are compared with."""
    module = network.module.train()
    arguments, labels = share.whole_batch(network, case, device)
    step = ShareStep(module, trainable(module, case.model), arguments, labels, case)

    def state() -> GatheredState:
        assert step.loss is not None
        return GatheredState(
            outputs=main_output(step.outputs).tensor.detach().cpu(),
            loss=float(step.loss),
            weights=gathered.copied(module.named_parameters()),
            gradients=gathered.copied(gathered.gradients(module.named_parameters()).items()),
        )

    return RankSteps(
        step=step.whole,
        without_communication=None,
        why_none=WHY_NONE,
        sent=(),
        state=state,
        tensors=lambda: step.tensors(list(module.parameters()), list(module.buffers())),
    )
