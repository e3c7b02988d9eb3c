"""Batch normalization over the batch of the whole job: only so do ranks compute what one process does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.contracts.rank_strategy import Group
from bench.schema.case import Case
from bench.schema.ranks import Traffic
from models import catalogue
from models.errors import UserError

_STATISTIC_BYTES = 4
"""torch keeps them in fp32, whatever the precision of the maps."""


def why_no_sync(case: Case) -> str | None:
    """A sentence where it is known before the network is built that its batch normalization cannot see the
    whole batch."""
    is_spread_on_cpu = case.ranks > 1 and case.device == "cpu"
    return _refusal(case) if is_spread_on_cpu and catalogue.has_batch_norm(case.model) else None


def _refusal(case: Case) -> str:
    return (
        f"{case.model} has batch normalization, which must see the batch of the whole job, and torch "
        "has its SyncBatchNorm for GPUs only"
    )


def sync_norms(module: Any, case: Case, group: Group) -> Any:
    """The module with torch's SyncBatchNorm in the place of each batch normalization. UserError on a CPU, for
    which torch has none."""
    import torch

    norms = [each for each in module.modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return module
    if torch.device(group.device).type == "cpu":
        raise UserError(_refusal(case))
    return torch.nn.SyncBatchNorm.convert_sync_batchnorm(module)


def sent_by_norms(module: Any, ranks: int) -> tuple[Traffic, ...]:
    """What SyncBatchNorm sends in a step, with each used once: in forward the mean, the inverse deviation and
    the number of values, in backward two sums (torch/nn/modules/_functions.py)."""
    norms = _synced(module)
    if not norms:
        return ()
    pairs = 2 * _STATISTIC_BYTES * sum(each.num_features for each in norms)
    counts = _STATISTIC_BYTES * len(norms)
    return (
        Traffic("statistics of batch normalization", "all-gather", ranks * (pairs + counts), len(norms)),
        Traffic("gradients of these statistics", "all-reduce", pairs, len(norms)),
    )


class QuietNorms:
    """Lets each rank normalize by its own share for as long as nothing is to be sent.

    All ranks make it together, where a network has SyncBatchNorm.
    """

    def __init__(self, module: Any) -> None:
        import torch.distributed as dist

        self._norms = _synced(module)
        self._alone = dist.new_subgroups(1)[0] if self._norms else None

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Within it nothing is sent by them."""
        before = [each.process_group for each in self._norms]
        for each in self._norms:
            each.process_group = self._alone
        try:
            yield
        finally:
            for each, group in zip(self._norms, before, strict=True):
                each.process_group = group


def _synced(module: Any) -> list[Any]:
    import torch

    return [each for each in module.modules() if isinstance(each, torch.nn.SyncBatchNorm)]
