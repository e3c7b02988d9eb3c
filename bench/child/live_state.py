"""What measuring a module of the caller's changes: its own state and the process's, put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench import engines
from bench.child.live_steps import LiveModule


@contextmanager
def as_it_was(live: LiveModule) -> Iterator[None]:
    """Afterwards the module and what torch remembers for the process are as they were before."""
    modules = list(live.module.modules())
    modes = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    changing = [tensor for kept in buffers for tensor in kept.values() if tensor is not None]
    changing = [tensor for tensor in changing if not _is_expanded(tensor)]
    gradients = [(weight, weight.grad) for weight in live.module.parameters()]
    if live.workload == "training":
        # Those without a gradient too: a forward pass may move them, as that of a momentum encoder does.
        changing += [weight for weight, _ in gradients]
    copies = [tensor.detach().clone() for tensor in changing]
    dtype = torch.get_default_dtype()
    with torch.random.fork_rng([]), _compiling_afresh(live.engine):
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            for module, mode, kept in zip(modules, modes, buffers, strict=True):
                module.training = mode
                for name, buffer in kept.items():
                    module._buffers[name] = buffer  # TorchScript's have no `update`
            for tensor, copy in zip(changing, copies, strict=True):
                tensor.data.copy_(copy)
            for weight, gradient in gradients:
                weight.grad = gradient


@contextmanager
def current(where: torch.device) -> Iterator[None]:
    """Events and random numbers are those of the accelerator on which the module lies."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None or accelerator.type != where.type:
        yield
        return
    of_kind = torch.get_device_module(where)
    with torch.accelerator.device_index(where.index):
        state = of_kind.get_rng_state()
        try:
            yield
        finally:
            of_kind.set_rng_state(state)


def _is_expanded(tensor: torch.Tensor) -> bool:
    """Whether elements share their memory: torch refuses to write into such a tensor."""
    if tensor.layout is not torch.strided:
        return False
    return any(size > 1 and not stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


@contextmanager
def _compiling_afresh(engine: str) -> Iterator[None]:
    """As in a new process: the first call compiles, for its own sizes alone.

    What torch.compile kept of earlier calls would be used again, or make it compile for sizes that vary;
    what it keeps of these would do so to the caller. A flag of Inductor that our engines set is put back.
    """
    if not engines.get(engine).compiles:
        yield
        return
    import torch._inductor.config as inductor

    before = inductor.freezing
    torch.compiler.reset()
    try:
        yield
    finally:
        inductor.freezing = before
        torch.compiler.reset()
