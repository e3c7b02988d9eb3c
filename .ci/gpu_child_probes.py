"""Probes of a GPU that need a process of their own: what they try may end it."""

from __future__ import annotations

import subprocess
import sys

from gpu_instruments import Facts

OUT_OF_MEMORY = r"""
import sys, torch
torch.backends.cudnn.benchmark = sys.argv[2] == "trials"
left = int(sys.argv[3]) * 2**20
torch.zeros(1, device="cuda")
images, filters = torch.randn(32, 64, 112, 112, device="cuda"), torch.randn(64, 64, 3, 3, device="cuda")
matrix, held = torch.randn(256, 256, device="cuda"), []
for size in (2**32, 2**30, 2**28, 2**26, 2**24):
    while torch.cuda.mem_get_info()[0] > left + size:
        held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
try:
    made = torch.conv2d(images, filters, padding=1) if sys.argv[1] == "conv" else matrix @ matrix
    torch.cuda.synchronize()
    print("no error")
except Exception as error:
    print([kind.__name__ for kind in type(error).__mro__[:3]], str(error).splitlines()[0][:150])
"""
"""Fills the GPU's memory but for a few MiB, then calls a library."""

FORK = """
import os, time
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
began = time.time()
import torch, torch._dynamo, torch._inductor.compile_fx
imports = time.time() - began
pid = os.fork()
if pid == 0:
    began = time.time()
    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    seconds = round(imports, 1), round(time.time() - began, 2)
    print("s of imports and to a context in the fork", *seconds, flush=True)
    os._exit(0)
print("the child ended with", os.waitpid(pid, 0)[1], "CUDA in the parent", torch.cuda.is_initialized())
"""
"""What a fork server does: import Inductor, fork, and let the child start CUDA."""

WORKERS = """
import time, torch, torch._inductor.compile_fx
from torch._inductor import async_compile
async_compile.AsyncCompile.wakeup()
began = time.time()
async_compile.shutdown_compile_workers()
print(round(time.time() - began, 2))
"""
"""Ends Inductor's workers as soon as they were woken."""


def out_of_memory(facts: Facts) -> None:
    """In which words memory runs out inside the libraries."""
    for kind, way, left in (("conv", "trials", 20), ("conv", "rules", 20), ("product", "rules", 4)):
        facts.note(
            f"out of memory, {kind}, {way}, {left} MiB left", answer(OUT_OF_MEMORY, kind, way, str(left))
        )


def forked(facts: Facts) -> None:
    """Whether CUDA starts in a fork after Inductor was imported."""
    facts.note("fork, after importing Inductor", answer(FORK))


def compile_workers(facts: Facts) -> None:
    """Seconds to end workers of Inductor that have just been woken."""
    facts.note("compile workers, s to end them when just woken", answer(WORKERS))


def answer(program: str, *arguments: str) -> str:
    """What a program in a process of its own prints, or how it ended."""
    command = [sys.executable, "-c", program, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    except subprocess.TimeoutExpired:
        return "not done in 40 s"
    return " ".join(done.stdout.split()) or done.stderr.strip()[-200:]
