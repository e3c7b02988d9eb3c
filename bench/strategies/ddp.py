"""Data parallel: each rank has the whole network and a share of the batch; gradients are averaged."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from bench.contracts.rank_strategy import GatheredState, Group, RankSteps
from bench.outputs.main_output import main_output
from bench.outputs.trainable import trainable
from bench.rank_steps import gathered, share
from bench.rank_steps.buckets import bucket_bytes
from bench.rank_steps.reached_weights import freeze_unreached
from bench.rank_steps.share_step import ShareStep, why_no_precision
from bench.rank_steps.synced_norms import QuietNorms, sent_by_norms, sync_norms, why_no_sync
from bench.schema.case import Case
from bench.schema.ranks import Traffic
from models import catalogue

if TYPE_CHECKING:
    from models.network import Network


def _no_buffers(parallel: type) -> dict[str, bool]:
    """The option under the name that this torch has for it: the older one warns where there is a newer."""
    newer = "forward_sync_buffers"
    known = inspect.signature(parallel).parameters
    return {newer if newer in known else "broadcast_buffers": False}


class DataParallel:
    """torch's DistributedDataParallel, which sends gradients in buckets while backward goes on."""

    name = "ddp"
    summary = "the whole network on each rank, a share of the batch, gradients averaged"

    def why_not(self, case: Case) -> str | None:
        return why_no_precision(case) or share.why_no_share(case) or why_no_sync(case)

    def prepare(self, network: Network, case: Case, group: Group) -> RankSteps:
        from torch.nn.parallel import DistributedDataParallel

        module = sync_norms(network.module.train(), case, group)
        arguments, labels = share.of_batch(network, case, group.device, group.rank)
        weights = trainable(module, case.model)
        if catalogue.arch_of(case.model) is None:  # the loss of ours depends on all
            weights = freeze_unreached(ShareStep(module, weights, arguments, labels, case), weights)
        gpus = None if labels.device.type == "cpu" else [labels.device]
        # Every rank computes the same buffers: nothing is to be sent for them.
        parallel: Any = DistributedDataParallel
        wrapped = parallel(module, device_ids=gpus, **_no_buffers(parallel))
        step = ShareStep(wrapped, weights, arguments, labels, case)
        norms = QuietNorms(module)

        def quiet() -> None:
            with wrapped.no_sync(), norms.quiet():
                step.whole()

        buckets = bucket_bytes([each.numel() * each.element_size() for each in weights])
        return RankSteps(
            step=step.whole,
            without_communication=quiet,
            why_none="",
            sent=(
                Traffic("gradients", "all-reduce", sum(buckets), len(buckets)),
                *sent_by_norms(module, group.ranks),
            ),
            state=lambda: _state(module, step, group),
            tensors=lambda: step.tensors(list(module.parameters()), list(module.buffers())),
        )


def _state(module: Any, step: ShareStep, group: Group) -> GatheredState:
    assert step.loss is not None
    return GatheredState(
        outputs=gathered.rows(main_output(step.outputs).tensor, group.ranks),
        loss=gathered.mean(step.loss),
        weights=gathered.copied(module.named_parameters()),
        gradients=gathered.copied(gathered.gradients(module.named_parameters()).items()),
    )


STRATEGY = DataParallel()
