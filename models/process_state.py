"""What torch and Python hold for a process as a whole, and a user's file may set when it is loaded.

It is read and put back by the tables in this file, so that what is measured is what the case says and not
what the file set for a program of its own.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from models import random_state

_VARIABLES = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "DNNL_", "ONEDNN_", "ATEN_", "LD_", "MALLOC_"),
    *("TORCH", "PYTORCH_", "TRITON_", "CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "NCCL_"),
)
"""Beginnings of the environment's variables that torch and its libraries read. Others are the file's own, and
its network may read them at every call."""
_FP32_PRECISIONS = (
    ("generic", "all"),
    *((backend, of) for backend in ("cuda", "mkldnn") for of in ("all", "matmul", "conv", "rnn")),
)
_AUTOCAST_DEVICES = ("cpu", "cuda", "mps", "xpu")
_LONGEST = 60
"""Characters of two values in a sentence."""
_FAILURES = (AttributeError, OSError, RuntimeError, ValueError)
"""What reading or setting may raise: another torch, a folder that is gone, two of torch's interfaces mixed,
a thread that may set no signal handlers, a thing that can be set only once."""
_NOT_READ = "not readable"


@dataclass(frozen=True)
class Setting:
    """One setting: its name in a sentence, and how it is read and set."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], object]


@dataclass(frozen=True)
class Change:
    """A setting that is not what it was."""

    name: str
    before: object
    after: object

    def __str__(self) -> str:
        """`the number of threads (2 before, 1 after)`; long values are left out."""
        shown = f"{self.before} before, {self.after} after"
        return f"{self.name} ({shown})" if len(shown) <= _LONGEST else self.name


State = Mapping[str, Any]
"""The values of settings by their names."""


def read(settings: Sequence[Setting] | None = None) -> State:
    """The present values; by default of the settings that make other steps of the same network."""
    return {setting.name: _value(setting) for setting in (STEPS if settings is None else settings)}


def changes(before: State) -> list[Change]:
    """What differs from an earlier `read`."""
    now = read([setting for setting in ALL if setting.name in before])
    return [Change(name, before[name], now[name]) for name in before if now[name] != before[name]]


def put_back(before: State) -> list[Change]:
    """Set what differs from an earlier `read` to what it was; returns what cannot be."""
    differing = {change.name for change in changes(before)}
    for setting in ALL:
        if setting.name in differing and before[setting.name] is not _NOT_READ:
            with contextlib.suppress(*_FAILURES):
                setting.set(before[setting.name])
    return changes(before)


@contextlib.contextmanager
def kept() -> Iterator[list[Change]]:
    """Afterwards the process's state is what it was, also after an error; yields a list that is filled then
    with what could not be put back.

    What was drawn at random inside stays drawn, unless somebody set a seed there.
    """
    before, numbers, seed = read(ALL), random_state.read(), torch.initial_seed()
    lost: list[Change] = []
    try:
        with warnings.catch_warnings():
            yield lost
    finally:
        lost += put_back(before)
        if torch.initial_seed() != seed:
            random_state.put_back(numbers)


def _value(setting: Setting) -> Any:
    try:
        return setting.get()
    except _FAILURES:
        return _NOT_READ


_inference_guards: list[torch.inference_mode] = []
"""One that is collected puts back what was before it."""


def _set_inference_mode(mode: bool) -> None:
    guard = torch.inference_mode(mode)
    guard.__enter__()
    _inference_guards.append(guard)


def _default_device() -> str:
    """Empty where none was set, which is quicker than a default of `cpu`."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return "" if context is None else str(context.device)


def _flushes_denormals() -> bool:
    """Torch does not say; the processor's flag holds for Python's own floats too."""
    half = float("0.5")
    return sys.float_info.min * half == 0.0


def _fp32_precisions() -> tuple[Any, ...]:
    """By torch's newer interface, which also tells what was set by the older one."""
    older = _value(Setting("", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision))
    return (older, *(torch._C._get_fp32_precision_getter(*each) for each in _FP32_PRECISIONS))


def _set_fp32_precisions(values: tuple[Any, ...]) -> None:
    """By both interfaces: where they differ torch refuses to read the older one."""
    older, *newer = values
    if older is not _NOT_READ:
        torch.set_float32_matmul_precision(older)
    for each, value in zip(_FP32_PRECISIONS, newer, strict=True):
        torch._C._set_fp32_precision_setter(*each, value)


def _autocast() -> tuple[Any, ...]:
    found = [(torch.is_autocast_enabled(each), torch.get_autocast_dtype(each)) for each in _AUTOCAST_DEVICES]
    return (torch.is_autocast_cache_enabled(), *found)


def _set_autocast(values: tuple[Any, ...]) -> None:
    torch.set_autocast_cache_enabled(values[0])
    for each, (enabled, dtype) in zip(_AUTOCAST_DEVICES, values[1:], strict=True):
        torch.set_autocast_enabled(each, enabled)
        torch.set_autocast_dtype(each, dtype)


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}


def _set_variables(values: Mapping[str, str]) -> None:
    for name in _variables().keys() - values.keys():
        del os.environ[name]
    os.environ.update(values)


def _signal_handlers() -> dict[int, Any]:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return {number: handler for number, handler in handlers.items() if handler is not None}


def _set_signal_handlers(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _logging() -> tuple[Any, ...]:
    return (logging.root.level, logging.root.manager.disable, *logging.root.handlers)


def _set_logging(values: tuple[Any, ...]) -> None:
    level, logging.root.manager.disable, *logging.root.handlers[:] = values
    logging.root.setLevel(level)


def _flag(name: str) -> Setting:
    """A property of torch.backends: `cudnn.benchmark`."""
    holder: Any = torch.backends
    *path, last = name.split(".")
    for part in path:
        holder = getattr(holder, part)
    return Setting(
        f"torch.backends.{name}", lambda: getattr(holder, last), lambda value: setattr(holder, last, value)
    )


_attention = torch.backends.cuda
STEPS = (
    Setting("the number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("the number of interop threads", torch.get_num_interop_threads, torch.set_num_interop_threads),
    Setting("inference mode", torch.is_inference_mode_enabled, _set_inference_mode),
    Setting("gradient mode", torch.is_grad_enabled, torch._C._set_grad_enabled),
    Setting("the default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("the default device", _default_device, lambda name: torch.set_default_device(name or None)),
    Setting("autocast", _autocast, _set_autocast),
    Setting("the precision of fp32 products", _fp32_precisions, _set_fp32_precisions),
    Setting("flushing of denormal numbers", _flushes_denormals, torch.set_flush_denormal),
    Setting(
        "deterministic algorithms", torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode
    ),
    Setting(
        "anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda values: torch.set_anomaly_enabled(*values),
    ),
    Setting("threads of autograd", torch._C._is_multithreading_enabled, torch._C._set_multithreading_enabled),
    *map(_flag, ("cudnn.enabled", "cudnn.benchmark", "cudnn.benchmark_limit", "cudnn.deterministic")),
    *map(_flag, ("mkldnn.enabled", "mkldnn.deterministic", "opt_einsum.enabled")),
    _flag("cuda.matmul.allow_fp16_reduced_precision_reduction"),
    _flag("cuda.matmul.allow_bf16_reduced_precision_reduction"),
    _flag("cuda.matmul.allow_fp16_accumulation"),
    Setting("NNPACK", torch._C._get_nnpack_enabled, torch._C._set_nnpack_enabled),
    Setting("flash attention", _attention.flash_sdp_enabled, _attention.enable_flash_sdp),
    Setting(
        "memory-efficient attention",
        _attention.mem_efficient_sdp_enabled,
        _attention.enable_mem_efficient_sdp,
    ),
    Setting("plain attention", _attention.math_sdp_enabled, _attention.enable_math_sdp),
    Setting("cuDNN's attention", _attention.cudnn_sdp_enabled, _attention.enable_cudnn_sdp),
    Setting(
        "the processor cores allowed",
        lambda: frozenset(os.sched_getaffinity(0)),
        lambda cores: os.sched_setaffinity(0, cores),
    ),
    Setting(
        "the process's priority",
        lambda: os.getpriority(os.PRIO_PROCESS, 0),
        lambda priority: os.setpriority(os.PRIO_PROCESS, 0, priority),
    ),
    Setting("Python's tracing function", sys.gettrace, sys.settrace),
    Setting("Python's profiling function", sys.getprofile, sys.setprofile),
)
"""What makes other steps of the same network."""
ALL = (
    *STEPS,
    Setting("environment variables that torch reads", _variables, _set_variables),
    Setting("signal handlers", _signal_handlers, _set_signal_handlers),
    Setting("logging", _logging, _set_logging),
    Setting("the working folder", os.getcwd, os.chdir),
    Setting("sys.argv", lambda: list(sys.argv), lambda values: sys.argv.__setitem__(slice(None), values)),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("the switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Setting("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Setting("thresholds of garbage collection", gc.get_threshold, lambda values: gc.set_threshold(*values)),
)
