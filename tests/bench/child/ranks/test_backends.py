"""Which backend ranks talk by, and the sentence where this torch has none."""

from __future__ import annotations

import pytest

from bench import devices
from bench.child.ranks.backends import backend_of, why_absent


def test_ranks_on_gpus_need_nccl(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = devices.get("cuda")
    assert backend_of(cuda) == "nccl"
    monkeypatch.setattr("torch.distributed.is_nccl_available", lambda: False)
    assert why_absent(cuda) == "ranks on cuda need nccl, and this torch was built without it"
    monkeypatch.setattr("torch.distributed.is_nccl_available", lambda: True)
    assert why_absent(cuda) is None


def test_ranks_need_a_torch_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_available", lambda: False)
    assert why_absent(devices.get("cpu")) == (
        "this torch was built without torch.distributed, which jobs of several ranks need"
    )
