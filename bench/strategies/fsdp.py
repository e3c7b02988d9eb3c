"""Fully sharded data parallel: each rank keeps a part of every weight, and gets the rest for as long as it
needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.contracts.rank_strategy import GatheredState, Group, RankSteps
from bench.outputs.main_output import main_output
from bench.outputs.trainable import trainable
from bench.rank_steps import gathered, share
from bench.rank_steps.share_step import ShareStep, why_no_precision
from bench.rank_steps.synced_norms import sent_by_norms, sync_norms, why_no_sync
from bench.schema.case import Case
from bench.schema.ranks import Traffic

if TYPE_CHECKING:
    from torch import nn

    from models.network import Network


class FullySharded:
    """torch's fully_shard: each layer of every nn.Sequential by itself, and what is left with the whole."""

    name = "fsdp"
    summary = "weights, gradients and momenta in parts over the ranks, a share of the batch on each"

    def why_not(self, case: Case) -> str | None:
        return why_no_precision(case) or share.why_no_share(case) or why_no_sync(case)

    def prepare(self, network: Network, case: Case, group: Group) -> RankSteps:
        import torch
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        module = sync_norms(network.module.train(), case, group)
        arguments, labels = share.of_batch(network, case, group.device, group.rank)
        mesh = init_device_mesh(torch.device(group.device).type, (group.ranks,))
        layers = list(dict.fromkeys(_layers(module)))
        sent = (*_sent(module, layers, group.ranks), *sent_by_norms(module, group.ranks))
        for layer in layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(module, mesh=mesh)
        step = ShareStep(module, trainable(module, case.model), arguments, labels, case)
        return RankSteps(
            step=step.whole,
            without_communication=None,
            why_none="a rank of fsdp lacks the weights that the others keep: without them there is no step",
            sent=sent,
            state=lambda: _state(module, step, group),
            tensors=lambda: step.tensors(list(module.parameters()), list(module.buffers())),
        )


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """With weights of their own that no other part shares; one that stands in two places comes twice."""
    from torch import nn

    uses = Counter(id(weight) for part in module.modules() for weight in part.parameters(recurse=False))
    for part in module.modules():
        if type(part) is nn.Sequential:
            for layer in part.children():
                weights = list(layer.parameters())
                is_leaf = not any(True for _ in layer.children())
                if weights and is_leaf and all(uses[id(weight)] == 1 for weight in weights):
                    yield layer


def _sent(module: nn.Module, layers: list[nn.Module], ranks: int) -> tuple[Traffic, ...]:
    """A layer's weights are gathered for forward and again for backward, those of the root once."""
    apart = {id(weight) for layer in layers for weight in layer.parameters()}
    of_layers = [_padded(list(layer.parameters()), ranks) for layer in layers]
    root = _padded([each for each in module.parameters() if id(each) not in apart], ranks)
    groups = [*of_layers, *([root] if root else [])]
    gathers = 2 * sum(of_layers) + root
    return (
        Traffic("weights", "all-gather", gathers, len(of_layers) + len(groups)),
        Traffic("gradients", "reduce-scatter", sum(groups), len(groups)),
    )


def _padded(weights: list[nn.Parameter], ranks: int) -> int:
    """Bytes of weights whose first dimension is filled up until it divides."""
    return sum(
        each.element_size() * each.numel() // max(1, each.shape[0]) * (-(-each.shape[0] // ranks) * ranks)
        for each in weights
        if each.ndim
    )


def _whole(tensor: Any) -> Any:
    return tensor.detach().full_tensor().cpu()


def _state(module: Any, step: ShareStep, group: Group) -> GatheredState:
    assert step.loss is not None
    return GatheredState(
        outputs=gathered.rows(main_output(step.outputs).tensor, group.ranks),
        loss=gathered.mean(step.loss),
        weights={name: _whole(each) for name, each in module.named_parameters()},
        gradients={
            name: _whole(each.grad) for name, each in module.named_parameters() if each.grad is not None
        },
    )


STRATEGY = FullySharded()
