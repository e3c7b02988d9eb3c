"""A row of the doctor from an answer of NVML, or from its refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bench.host.nvml import UnreadableError
from bench.schema.finding import Finding

T = TypeVar("T")

HIDDEN = "ask the administrator of the machine, or whoever started this container"


def asked(name: str, ask: Callable[[], T], judge: Callable[[str, T], Finding]) -> Finding:
    """The judgement of an answer, or why NVML gives none."""
    try:
        return judge(name, ask())
    except UnreadableError as error:
        return Finding(name=name, status="unknown", found=f"NVML: {error}", advice=HIDDEN)


def judged(name: str, found: str, advice: str) -> Finding:
    """A warning where there is something to advise."""
    return Finding(name=name, status="warn" if advice else "ok", found=found, advice=advice)
