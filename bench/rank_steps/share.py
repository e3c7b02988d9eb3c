"""A rank's share of the batch of the whole job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.schema.case import Case
from bench.tensors import case_arguments, random_labels
from models.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from models.network import Arguments, Network


def why_no_share(case: Case) -> str | None:
    """A sentence where the batch does not divide."""
    if case.batch % case.ranks:
        nearest = case.batch + -case.batch % case.ranks
        return (
            f"a batch of {case.batch:,} does not divide among {case.ranks:,} ranks; {nearest:,} would "
            "(the batch is that of the whole job)"
        )
    return None


def of_batch(network: Network, case: Case, device: str, rank: int) -> tuple[Arguments, Tensor]:
    """What this rank calls the network with, and its labels, cut out of what one process would have: every
    rank draws the whole batch from the same seed. UserError where the inputs do not divide."""
    size = case.batch // case.ranks
    rows = slice(rank * size, (rank + 1) * size)

    def cut(tensor: Tensor) -> Tensor:
        if tensor.ndim == 0 or tensor.shape[0] != case.batch:
            raise UserError(
                f"the inputs of {case.model} do not divide among ranks: one has the shape "
                f"{tuple(tensor.shape)}, which does not begin with the batch of {case.batch:,}"
            )
        return tensor[rows].clone()

    arguments = case_arguments(case, network, device)
    return arguments.each(cut), random_labels(case, device)[rows].clone()


def whole_batch(network: Network, case: Case, device: str) -> tuple[Arguments, Tensor]:
    """What one process calls the network with, and its labels."""
    return case_arguments(case, network, device), random_labels(case, device)
