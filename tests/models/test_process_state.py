"""What a file sets for the whole process when it is loaded holds no longer than that."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models import process_state, random_state
from models.load import load
from models.process_state import Change, Setting

SET: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)),
    "gradient mode": (torch.is_grad_enabled, lambda: torch._C._set_grad_enabled(False)),
    "inference mode": (torch.is_inference_mode_enabled, lambda: process_state._set_inference_mode(True)),
    "default dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "default device": (lambda: torch.empty(1).device, lambda: torch.set_default_device("meta")),
    "autocast": (lambda: torch.is_autocast_enabled("cpu"), lambda: torch.set_autocast_enabled("cpu", True)),
    "autocast's dtype": (
        lambda: torch.get_autocast_dtype("cpu"),
        lambda: torch.set_autocast_dtype("cpu", torch.float16),
    ),
    "older precision": (
        torch.get_float32_matmul_precision,
        lambda: torch.set_float32_matmul_precision("medium"),
    ),
    "newer precision": (
        torch.get_float32_matmul_precision,  # which raises where it was set by the newer interface alone
        lambda: torch._C._set_fp32_precision_setter("cuda", "matmul", "tf32"),
    ),
    "denormals": (
        lambda: (torch.tensor([1.2e-38]) / 2).item() > 0,
        lambda: torch.set_flush_denormal(process_state._flushes_denormals() is False),
    ),
    "determinism": (
        torch.are_deterministic_algorithms_enabled,
        lambda: torch.use_deterministic_algorithms(True),
    ),
    "anomalies": (torch.is_anomaly_enabled, lambda: torch.set_anomaly_enabled(True)),
    "oneDNN": (
        lambda: torch.backends.mkldnn.enabled,
        lambda: setattr(torch.backends.mkldnn, "enabled", False),
    ),
    "cuDNN": (
        lambda: torch.backends.cudnn.benchmark,
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
    ),
    "attention": (torch.backends.cuda.math_sdp_enabled, lambda: torch.backends.cuda.enable_math_sdp(False)),
    "environment": (
        lambda: os.environ.get("OMP_NUM_THREADS"),
        lambda: os.environ.update(OMP_NUM_THREADS="77"),
    ),
    "folder": (os.getcwd, lambda: os.chdir("/")),
    "arguments": (lambda: list(sys.argv), lambda: sys.argv.append("--more")),
    "signals": (
        lambda: signal.getsignal(signal.SIGUSR1),
        lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
    ),
    "collection": (gc.isenabled, gc.disable),
    "recursion": (sys.getrecursionlimit, lambda: sys.setrecursionlimit(54321)),
    "logging": (lambda: logging.root.isEnabledFor(50), lambda: logging.disable(50)),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("error")),
    "torch's random numbers": (lambda: _drawn(), lambda: torch.manual_seed(7)),
    "Python's random numbers": (random.getstate, lambda: _seed_all(7)),
    "numpy's random numbers": (lambda: repr(np.random.get_state()), lambda: _seed_all(7)),
}
"""How it is read, and how a file sets it."""


def _seed_all(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def _drawn() -> list[int]:
    """The next random numbers of torch, which stay the next."""
    state = torch.get_rng_state()
    numbers: list[int] = torch.randint(1 << 30, (4,), device="cpu").tolist()
    torch.set_rng_state(state)
    return numbers


@pytest.mark.parametrize("name", SET)
def test_what_was_set_inside_is_put_back_also_after_an_error(name: str) -> None:
    get, set_ = SET[name]
    before = get()
    with pytest.raises(KeyError):
        _fail_after(set_)
    assert get() == before


def _fail_after(set_: Callable[[], object]) -> None:
    with process_state.kept():
        set_()
        raise KeyError


def test_what_a_file_sets_does_not_reach_its_factory_nor_what_follows(tmp_path: Path) -> None:
    """Nor does the seed that it sets: the weights are drawn from that of the case."""
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "torch.set_default_dtype(torch.float64)\n"
        "torch.set_grad_enabled(False)\n"
        "torch.manual_seed(0)\n"
        "def build():\n"
        "    torch.set_num_threads(torch.get_num_threads() + 1)\n"
        "    assert torch.is_grad_enabled()\n"
        "    return torch.nn.Linear(2, 2)\n"
    )
    threads = torch.get_num_threads()
    weights = []
    for seed in (1, 2, 1):
        random_state.seed(seed)
        module = load(f"{tmp_path}/net.py:build", channels=3, image=8, classes=2).module
        sys.modules.pop("net", None)
        weights.append(next(module.parameters()).tolist())
    torch.manual_seed(1)
    assert weights[0] == weights[2] == torch.nn.Linear(2, 2).weight.tolist()
    assert weights[0] != weights[1]
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_num_threads() == threads


def test_what_cannot_be_put_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the number of interop threads, which torch lets a process set once."""
    value = [2]

    def refuse(wanted: int) -> None:
        raise RuntimeError("it can be set only once")

    once = Setting("the number of interop threads", lambda: value[0], refuse)
    monkeypatch.setattr(process_state, "ALL", (once,))
    with process_state.kept() as lost:
        value[0] = 1
    assert lost == [Change("the number of interop threads", 2, 1)]
    assert str(lost[0]) == "the number of interop threads (2 before, 1 after)"


def test_what_steps_change_is_seen_afterwards() -> None:
    before = process_state.read()
    assert process_state.changes(before) == []
    with process_state.kept():
        torch.set_default_dtype(torch.float64)
        seen = process_state.changes(before)
    assert [str(change) for change in seen] == [
        "the default dtype (torch.float32 before, torch.float64 after)"
    ]
