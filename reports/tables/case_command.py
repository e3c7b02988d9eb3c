"""The command lines that measure a case again, or ask the next question about it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from bench.schema.case import Case
from models import catalogue

_OF_RUN = ("model", "workload", "device", "precision", "layout", "engine", "tuning", "batch", "threads")
_PLAIN = {"precision": "fp32", "layout": "nchw", "engine": "eager"}
"""What `layers` takes where nothing is named."""
_NONE: Mapping[str, str] = {}


def run_command(case: Case, gpu: str | None = None) -> str:
    """The command that measures a case again, on the GPU that was chosen for it if one was; every axis that
    could be another is named."""
    chosen = [] if gpu is None else ["--gpu", gpu]
    words = ["convbench", "run", *_options(case, (*_OF_RUN, *_sizes(case), "classes", "seed"))]
    return shlex.join([*words, *chosen])


def layers_command(case: Case, *more: str) -> str:
    """The command that shows where the time of a case's step goes."""
    how = ("workload", "device", "precision", "layout", "engine", "tuning", "batch", "threads")
    axes = (*how, *_sizes(case), "classes", "seed")
    return shlex.join(["convbench", "layers", case.model, *_options(case, axes, _PLAIN), *more])


def best_command(case: Case, *more: str) -> str:
    """The command that finds the fastest configuration of the same work."""
    axes = ("workload", "device", "batch", *_sizes(case), "classes", "seed")
    return shlex.join(["convbench", "best", case.model, *_options(case, axes), *more])


def ceilings_command(case: Case, dtype: str | None, *more: str) -> str:
    """The command that measures the peak under which a case stands."""
    words = ["convbench", "ceilings", *_options(case, ("device", *(("threads",) if case.threads else ())))]
    precision = [] if dtype is None else ["--precision", dtype]
    return shlex.join([*words, *precision, *more])


def _sizes(case: Case) -> tuple[str, ...]:
    return ("input",) if case.input else ("image", "channels")


def _options(case: Case, axes: Sequence[str], also_usual: Mapping[str, str] = _NONE) -> list[str]:
    """`--batch 8` and so on for each of the axes that is not what the network or the command takes
    anyway."""
    own = catalogue.defaults(case.model)
    usual: dict[str, object] = {"image": own.image, "channels": own.channels, "classes": own.classes}
    usual |= {"seed": 0, "tuning": "", "input": "", **also_usual}
    words = []
    for axis in axes:
        value = getattr(case, axis)
        if usual.get(axis) != value:
            words += [f"--{axis}", str(value)]
    return words
