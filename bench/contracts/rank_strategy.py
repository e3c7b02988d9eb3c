"""How a training step is spread over the ranks of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench.contracts.steps import Call
from bench.schema.case import Case
from bench.schema.ranks import Traffic

if TYPE_CHECKING:
    import torch

    from models.network import Network


@dataclass(frozen=True)
class Group:
    """The ranks of a job as one of them sees them; torch.distributed is initialized.

    device   of this rank, as torch names it: `cpu`, `cuda:1`
    backend  of torch.distributed: `gloo`, `nccl`
    """

    rank: int
    ranks: int
    device: str
    backend: str


@dataclass(frozen=True)
class GatheredState:
    """What one process would have after the same step, put together from all ranks; on the CPU.

    outputs    of the whole batch, in its order
    loss       the mean over the whole batch
    weights    by the names of the network of one process, after the update
    gradients  by the same names
    """

    outputs: torch.Tensor
    loss: float
    weights: Mapping[str, torch.Tensor]
    gradients: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class RankSteps:
    """The calls of one rank.

    step                   a whole training step on this rank's share: all ranks call it together
    without_communication  the same work with nothing sent, or None
    why_none               why there is no such step, in one sentence; else empty
    sent                   what this rank sends in a step, by arithmetic
    state                  after a step; all ranks call it together
    tensors                what is alive by kind, as `Steps.tensors`
    """

    step: Call
    without_communication: Call | None
    why_none: str
    sent: tuple[Traffic, ...]
    state: Callable[[], GatheredState]
    tensors: Callable[[], dict[str, list[torch.Tensor]]]


class Strategy(Protocol):
    """Torch-free to construct; `prepare` runs in each rank."""

    name: str
    summary: str
    """One line about it."""

    def why_not(self, case: Case) -> str | None:
        """A sentence when the case cannot be spread so: the number of ranks, a batch that does not divide, a
        network that cannot be split."""

    def prepare(self, network: Network, case: Case, group: Group) -> RankSteps:
        """The steps of a rank. The network is the whole one, equal in every rank, and lies on its device.

        UserError where the network cannot be split.
        """
