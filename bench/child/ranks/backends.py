"""Which backend of torch.distributed the ranks on a device talk by."""

from __future__ import annotations

import torch.distributed as dist

from bench.contracts.device import Device


def backend_of(device: Device) -> str:
    """nccl between GPUs, gloo between processors."""
    return "gloo" if device.traits.is_host else "nccl"


def why_absent(device: Device) -> str | None:
    """A sentence where this torch has not what ranks on the device need."""
    if not dist.is_available():
        return "this torch was built without torch.distributed, which jobs of several ranks need"
    backend = backend_of(device)
    is_there = dist.is_gloo_available() if backend == "gloo" else dist.is_nccl_available()
    if is_there:
        return None
    return f"ranks on {device.name} need {backend}, and this torch was built without it"
