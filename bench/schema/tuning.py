"""Switches beside the axes that may make a step faster: their names, and where each one means something."""

from __future__ import annotations

from collections.abc import Container, Iterable

from bench.schema.case import Case
from models.errors import UserError, unknown

FUSED_OPTIMIZER = "fused-optimizer"
FREEZING = "freezing"
CUDNN_EXHAUSTIVE = "cudnn-exhaustive"
CUDNN_HEURISTICS = "cudnn-heuristics"
NAMES = (CUDNN_EXHAUSTIVE, CUDNN_HEURISTICS, FREEZING, FUSED_OPTIMIZER)
"""fused-optimizer: SGD in one pass over all weights; freezing: Inductor takes the weights for constants, to
fold and pack them. cuDNN tries the ten plans that torch takes from its rules: with cudnn-heuristics none, and
with cudnn-exhaustive all that there are."""
NONE = "none"
"""How a command line or a file writes `Case.tuning` without a name."""


def names(tuning: str) -> tuple[str, ...]:
    """The names in `Case.tuning`."""
    return tuple(tuning.split("+")) if tuning else ()


def joined(chosen: Iterable[str]) -> str:
    """`Case.tuning` of these names: sorted, each once."""
    return "+".join(sorted(set(chosen)))


def read(text: str) -> str:
    """`Case.tuning` from `none`, or from names in any order. Raises UserError."""
    if text == NONE:
        return ""
    for name in text.split("+"):
        if name == NONE:
            raise UserError(f"tuning {text!r}: none cannot be combined")
        if name not in NAMES:
            raise unknown("tuning", name, (NONE, *NAMES))
    return joined(text.split("+"))


def toggled(tuning: str, name: str) -> str:
    """The same with one name more, or less."""
    return joined(set(names(tuning)) ^ {name})


def why_unsupported(case: Case, *, compiles: bool, of_device: Container[str]) -> str | None:
    """A sentence when the case contradicts a name of its tuning; `compiles` is its engine's, `of_device` are
    the names that mean something on its device."""
    chosen = names(case.tuning)
    if FUSED_OPTIMIZER in chosen and case.workload == "accuracy":
        return f"every training run has a fused optimizer already: omit {FUSED_OPTIMIZER}"
    if FUSED_OPTIMIZER in chosen and case.workload != "training":
        return f"{FUSED_OPTIMIZER} is about the optimizer of --workload training"
    if FREEZING in chosen and case.workload != "inference":
        return f"{FREEZING} makes constants of the weights, which only --workload inference leaves alone"
    if FREEZING in chosen and not compiles:
        return f"{FREEZING} is for engines that compile, and {case.engine} does not"
    for name in (CUDNN_EXHAUSTIVE, CUDNN_HEURISTICS):
        if name in chosen and name not in of_device:
            return f"{name} needs --device cuda"
    if {CUDNN_EXHAUSTIVE, CUDNN_HEURISTICS} <= set(chosen):
        return f"{CUDNN_EXHAUSTIVE} tries every plan of cuDNN and {CUDNN_HEURISTICS} none: one of the two"
    foreign = [name for name in chosen if name not in of_device]
    return f"{' and '.join(foreign)} cannot be had on --device {case.device}" if foreign else None
