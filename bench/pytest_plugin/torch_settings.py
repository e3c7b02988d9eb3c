"""What a benchmark in pytest's own process changes, put back for the tests that follow."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator

from bench import devices, engines
from bench.schema.case import Case


def return_memory() -> None:
    """Give freed memory back to the kernel: kept for reuse, it would hide the peak of what comes next."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone keeps it, and has this
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextlib.contextmanager
def torch_unchanged(case: Case) -> Iterator[None]:
    """Undo what preparing a case sets for the whole process: other tests find torch as it was."""
    import torch

    threads, matmul = torch.get_num_threads(), torch.get_float32_matmul_precision()
    convolutions, autotuned = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    try:
        with torch.random.fork_rng(devices=[0] if devices.traits(case.device).uses_nvml else []):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = convolutions, autotuned
        torch.set_flush_denormal(False)  # torch's own default; it cannot be asked


def forget_compiled(case: Case) -> None:
    """Networks share the code of nn.Sequential: after a few compiled ones torch would fall back to eager."""
    import torch

    if engines.get(case.engine).compiles:
        torch.compiler.reset()
