"""Two ranks with half of the kernels and neurons each: Krizhevsky, Sutskever and Hinton 2012, section 3.2.

A grouped convolution sees the maps of its own tower alone. Any other after the first, and every linear layer,
sees those of both: the ranks send each other their maps in forward, and gradients of them in backward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.contracts.rank_strategy import GatheredState, Group, RankSteps
from bench.rank_steps import gathered, layer_chains, share
from bench.rank_steps.exchanges import Exchange
from bench.rank_steps.share_step import ShareStep, why_no_precision
from bench.schema.case import Case
from bench.schema.ranks import Traffic
from models.arch import Arch, BatchNorm, Conv, Linear, ResponseNorm, layer_names
from models.closed_form import shapes

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.network import Network

TOWERS = 2


class Towers:
    """One network over two ranks, which both work on the whole batch."""

    name = "towers-2012"
    summary = "half of the kernels on each of two ranks, as AlexNet in 2012; both see the whole batch"

    def why_not(self, case: Case) -> str | None:
        if case.ranks not in (1, TOWERS):
            return f"towers-2012 has two towers, one on each rank, and {case.ranks:,} ranks were asked for"
        arch = layer_chains.chain_of(case)
        if isinstance(arch, str):
            return arch
        return why_no_precision(case) or _why_no_towers(arch, case)

    def prepare(self, network: Network, case: Case, group: Group) -> RankSteps:
        arch = layer_chains.chain_of(case)
        assert isinstance(arch, Arch)
        arguments, labels = share.whole_batch(network, case, group.device)
        exchange = Exchange(group.ranks)
        tower = _tower(arch, network.module.train(), group, exchange)
        weights: list[Tensor] = list(tower.parameters())
        step = ShareStep(tower, weights, arguments, labels, case)

        def quiet() -> None:
            exchange.is_quiet = True
            try:
                step.whole()
            finally:
                exchange.is_quiet = False

        return RankSteps(
            step=step.whole,
            without_communication=quiet,
            why_none="",
            sent=sent_by(arch, case, weights[0].element_size()),
            state=lambda: _state(tower, step, group),
            tensors=lambda: step.tensors(weights, []),
        )


def _why_no_towers(arch: Arch, case: Case) -> str | None:
    seen_conv = False
    for name, layer in zip(layer_names(arch), arch.layers, strict=True):
        match layer:
            case Conv(channels, groups=groups):
                if groups not in (1, TOWERS) or (groups == TOWERS and not seen_conv):
                    return (
                        "towers-2012 takes convolutions in 1 group, or after the first in 2, and "
                        f"{name} of {case.model} has {groups}"
                    )
                reason = layer_chains.why_no_split(name, channels, TOWERS, "kernels")
                if reason:
                    return reason
                seen_conv = True
            case ResponseNorm(groups=1) if seen_conv:
                return (
                    f"{name} of {case.model} needs the maps of both towers, which towers-2012 does not send "
                    "there; alexnet-towers normalizes inside each tower"
                )
            case BatchNorm():
                return f"towers-2012 splits no batch normalization, and {case.model} has {name}"
    for name, outputs in layer_chains.linear_sizes(arch, case).items():
        reason = layer_chains.why_no_split(name, outputs, TOWERS, "outputs")
        if reason:
            return reason
    return None


def _tower(arch: Arch, whole: nn.Module, group: Group, exchange: Exchange) -> nn.Sequential:
    from torch import nn

    made, has_split = nn.Sequential(), False
    for (name, part), layer in zip(whole.named_children(), arch.layers, strict=True):
        if _sees_both(layer) and has_split:
            made.add_module(f"{name}_exchange", exchange.joining(exchange.gather))
        match layer:
            case Conv():
                made.add_module(name, layer_chains.part_of_conv(part, group.rank, TOWERS))  # type: ignore[arg-type]
            case Linear():
                made.add_module(name, layer_chains.part_of_linear(part, group.rank, TOWERS))  # type: ignore[arg-type]
            case ResponseNorm():
                norm: Any = part
                made.add_module(name, nn.LocalResponseNorm(norm.size, norm.alpha, norm.beta, norm.k))
            case _:
                made.add_module(name, part)
        has_split = has_split or isinstance(layer, Conv | Linear)
    made.add_module("scores", exchange.joining(exchange.gather_same))
    return made


def _sees_both(layer: object) -> bool:
    return isinstance(layer, Linear) or (isinstance(layer, Conv) and layer.groups == 1)


def sent_by(arch: Arch, case: Case, element: int) -> tuple[Traffic, ...]:
    """Maps into each layer that sees both towers, and the scores; gradients of all but the scores."""
    outputs = shapes(arch, channels=case.channels, image=case.image, classes=case.classes)
    found: list[Traffic] = []
    began = False
    for index, (name, layer) in enumerate(zip(layer_names(arch), arch.layers, strict=True)):
        if _sees_both(layer) and began:
            size = case.batch * element * _elements(outputs[index - 1])
            found.append(Traffic(f"feature maps into {name}", "all-gather", size))
            found.append(Traffic(f"gradients of the maps into {name}", "reduce-scatter", size))
        began = began or isinstance(layer, Conv | Linear)
    return (*found, Traffic("scores", "all-gather", case.batch * element * _elements(outputs[-1])))


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _state(tower: nn.Sequential, step: ShareStep, group: Group) -> GatheredState:
    assert step.loss is not None
    return GatheredState(
        outputs=step.outputs.detach().cpu(),
        loss=float(step.loss),
        weights=gathered.of_parts(tower.named_parameters(), group.ranks),
        gradients=gathered.of_parts(gathered.gradients(tower.named_parameters()).items(), group.ranks),
    )


STRATEGY = Towers()
