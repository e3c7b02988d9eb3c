"""Batch normalization over the batch of the whole job."""

from __future__ import annotations

from typing import Any

from bench.contracts.rank_strategy import Group
from bench.schema.case import Case
from models.errors import UserError


def sync_norms(module: Any, case: Case, group: Group) -> Any:
    """The module with torch's SyncBatchNorm in the place of each batch normalization: only so do ranks
    compute what one process does. UserError on a CPU, for which torch has none."""
    import torch

    norms = [each for each in module.modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return module
    if torch.device(group.device).type == "cpu":
        raise UserError(
            f"{case.model} has batch normalization, which must see the batch of the whole job, and torch "
            "has its SyncBatchNorm for GPUs only"
        )
    return torch.nn.SyncBatchNorm.convert_sync_batchnorm(module)
