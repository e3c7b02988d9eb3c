"""Convolutions by data, linear layers by model: Krizhevsky 2014, One weird trick for parallelizing
convolutional neural networks, section 4, scheme (b).

Each rank has all convolutions and a share of the batch, and a part of each linear layer. One rank after the
other sends the activations of its share to all; together they compute the linear layers for these, forward
and backward, while the next rank's activations are on their way. The weights change once a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.contracts.rank_strategy import GatheredState, Group, RankSteps
from bench.outputs.optimizer import optimizer_for
from bench.rank_steps import gathered, layer_chains, share
from bench.rank_steps.buckets import bucket_bytes
from bench.rank_steps.exchanges import Exchange
from bench.rank_steps.share_step import why_no_precision
from bench.schema.case import Case
from bench.schema.ranks import Traffic
from bench.tensors import autocast
from models.arch import Arch, BatchNorm, Flatten, Linear, layer_names

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.network import Network


class Hybrid:
    """Scheme (b) of the paper, for chains of layers of the catalogue."""

    name = "hybrid-2014"
    summary = "convolutions by data, linear layers by model, one rank's activations at a time"

    def why_not(self, case: Case) -> str | None:
        arch = layer_chains.chain_of(case)
        if isinstance(arch, str):
            return arch
        return why_no_precision(case) or share.why_no_share(case) or _why_no_hybrid(arch, case)

    def prepare(self, network: Network, case: Case, group: Group) -> RankSteps:
        arch = layer_chains.chain_of(case)
        assert isinstance(arch, Arch)
        step = _HybridStep(arch, network, case, group)
        return RankSteps(
            step=step.whole,
            without_communication=step.quiet,
            why_none="",
            sent=step.sent(),
            state=step.state,
            tensors=step.tensors,
        )


def _why_no_hybrid(arch: Arch, case: Case) -> str | None:
    if case.ranks == 1:
        return None
    if arch.batch_norm:
        name = next(
            name
            for name, layer in zip(layer_names(arch), arch.layers, strict=True)
            if isinstance(layer, BatchNorm)
        )
        return f"hybrid-2014 splits no batch normalization, and {case.model} has {name}"
    for name, outputs in layer_chains.linear_sizes(arch, case).items():
        reason = layer_chains.why_no_split(name, outputs, case.ranks, "outputs")
        if reason:
            return reason
    return None


class _HybridStep:
    """The step of one rank."""

    def __init__(self, arch: Arch, network: Network, case: Case, group: Group) -> None:
        from torch.nn.parallel import DistributedDataParallel

        self._case, self._group = case, group
        self._exchange = Exchange(group.ranks)
        arguments, own_labels = share.of_batch(network, case, group.device, group.rank)
        self._convolutions, self._linears = _halves(arch, network.module.train(), group, self._exchange)
        (self._images,) = arguments.tensors()
        self._labels = _labels_of_all(own_labels, group)
        gpus = None if own_labels.device.type == "cpu" else [own_labels.device]
        self._parallel = DistributedDataParallel(self._convolutions, device_ids=gpus)
        self._weights: list[Tensor] = [*self._convolutions.parameters(), *self._linears.parameters()]
        self._optimizer = optimizer_for(self._weights, case)
        self._outputs: list[Tensor] = []
        self._losses: list[Tensor] = []

    def whole(self) -> None:
        """Gradients are there until the next step begins."""
        self._optimizer.zero_grad(set_to_none=True)
        self._outputs, self._losses = [], []
        with autocast(self._case.precision, self._labels[0].device.type):
            activations = self._parallel(self._images)
        gradient = self._through_linears(activations.detach())
        # DistributedDataParallel divides by the ranks what is already a part of the mean over all.
        activations.backward(gradient * self._group.ranks)
        self._optimizer.step()

    def quiet(self) -> None:
        """The same work with nothing sent."""
        self._exchange.is_quiet = True
        try:
            with self._parallel.no_sync():
                self.whole()
        finally:
            self._exchange.is_quiet = False

    def _through_linears(self, own: Tensor) -> Tensor:
        """The gradient of this rank's activations, after all ranks' have had their turn."""
        import torch

        gradient = torch.zeros_like(own)
        on_its_way = self._send(own, 0)
        for turn in range(self._group.ranks):
            given, sending = on_its_way
            if turn + 1 < self._group.ranks:
                on_its_way = self._send(own, turn + 1)
            if sending is not None:
                sending.wait()
            found = self._one_turn(given.requires_grad_(), turn)
            if turn == self._group.rank:
                gradient = found
        return gradient

    def _send(self, own: Tensor, turn: int) -> tuple[Tensor, Any]:
        """What all ranks work on in this turn, and what to wait for."""
        import torch
        import torch.distributed as dist

        is_own = self._group.rank == turn or self._exchange.is_quiet
        given = own.clone() if is_own else torch.empty_like(own)
        if self._exchange.is_quiet:
            return given, None
        return given, dist.broadcast(given, src=turn, async_op=True)

    def _one_turn(self, given: Tensor, turn: int) -> Tensor:
        """Forward and backward of the linear layers; the gradient of `given`, whole at the rank it is of."""
        import torch.distributed as dist
        from torch.nn.functional import cross_entropy

        with autocast(self._case.precision, given.device.type):
            scores = self._linears(given)
            loss = cross_entropy(scores, self._labels[turn]) / self._group.ranks
        loss.backward()
        self._outputs.append(scores)
        self._losses.append(loss)
        assert given.grad is not None
        if not self._exchange.is_quiet:
            dist.reduce(given.grad, dst=turn)
        return given.grad

    def sent(self) -> tuple[Traffic, ...]:
        """Activations and their gradients, what goes between the linear layers, gradients of convolutions."""
        return _sent(self._convolutions, self._linears, self._case, self._group.ranks)

    def state(self) -> GatheredState:
        import torch

        copies, parts = list(self._convolutions.named_parameters()), list(self._linears.named_parameters())
        ranks = self._group.ranks
        return GatheredState(
            outputs=torch.cat(self._outputs).detach().cpu(),
            loss=float(torch.stack(self._losses).sum()),
            weights=gathered.copied(copies) | gathered.of_parts(parts, ranks),
            gradients=gathered.copied(gathered.gradients(copies).items())
            | gathered.of_parts(gathered.gradients(parts).items(), ranks),
        )

    def tensors(self) -> dict[str, list[Tensor]]:
        states = [each for state in self._optimizer.state.values() for each in state.values()]
        return {
            "weights": self._weights,
            "buffers": [],
            "gradients": [each.grad for each in self._weights if each.grad is not None],
            "optimizer_state": [each for each in states if hasattr(each, "untyped_storage")],
            "inputs": [self._images, *self._labels],
        }


def _labels_of_all(own: Tensor, group: Group) -> list[Tensor]:
    """The labels of each rank's share, which all ranks need."""
    import torch
    import torch.distributed as dist

    found = [torch.empty_like(own) for _ in range(group.ranks)]
    dist.all_gather(found, own)
    return found


def _halves(
    arch: Arch, whole: nn.Module, group: Group, exchange: Exchange
) -> tuple[nn.Sequential, nn.Sequential]:
    """What comes before the linear layers, and this rank's part of those."""
    from torch import nn

    before, after = nn.Sequential(), nn.Sequential()
    is_split, split = False, 0
    for (name, part), layer in zip(whole.named_children(), arch.layers, strict=True):
        if isinstance(layer, Linear):
            if split:
                after.add_module(f"{name}_exchange", exchange.joining(exchange.gather))
            after.add_module(name, layer_chains.part_of_linear(part, group.rank, group.ranks))  # type: ignore[arg-type]
            split += 1
        else:
            (after if is_split else before).add_module(name, part)
        is_split = is_split or isinstance(layer, Flatten)
    after.add_module("scores", exchange.joining(exchange.gather_same))
    return before, after


def _sent(before: nn.Sequential, after: nn.Sequential, case: Case, ranks: int) -> tuple[Traffic, ...]:
    from torch import nn

    weights = list(before.parameters())
    element = weights[0].element_size()
    buckets = bucket_bytes([each.numel() * element for each in weights])
    linears = [each for each in after.children() if isinstance(each, nn.Linear)]
    rows = case.batch // ranks * element
    hidden = sum(each.in_features for each in linears[1:]) * rows * ranks
    turns = ranks * (len(linears) - 1)
    first, scores = linears[0].in_features * rows, linears[-1].out_features * ranks * rows * ranks
    return (
        Traffic("gradients of the convolutions", "all-reduce", sum(buckets), len(buckets)),
        Traffic("activations into the linear layers", "broadcast", first * ranks, ranks),
        Traffic("gradients of these activations", "reduce", first * ranks, ranks),
        Traffic("activations between the linear layers", "all-gather", hidden, turns),
        Traffic("gradients of these activations", "reduce-scatter", hidden, turns),
        Traffic("scores", "all-gather", scores, ranks),
    )


STRATEGY = Hybrid()
