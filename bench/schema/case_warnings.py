"""Warnings of a record: their labels and the thresholds behind them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LAUNCH_BOUND = 0.9
"""Host time at this share of device time or more: the GPU waits for Python.
See docs/method.md, "What a label means"."""

ENERGY_MISMATCH = 0.1
"""The share by which the joules of a counter and those of sampled power may differ."""

CONTENDED = 0.1
"""Of the time that a case's threads have in a window: where other programs took more of it on a CPU, the
figure is not that of a quiet machine. See docs/method.md, "What a label means"."""

Label = Literal[
    "not-stationary",
    "not-additive",
    "drifting",
    "retaken",
    "launch-bound",
    "unshielded",
    "unmonitored",
    "read-at-rest",
    "steal",
    "contended",
    "no-others",
    "slowdown",
    "power-cap",
    "incomplete",
    "non-finite-loss",
    "non-finite-output",
    "main-output",
    "other-classes",
    "changed-inputs",
    "resumed",
    "no-peak",
    "no-energy",
    "energy-mismatch",
    "no-driver-other",
    "slow-cuda",
    "no-cuda-graphs",
    "peak-holds-compiler",
    "ieee-candidates",
    "conv-layout",
    "recompile-limit",
    "partly-eager",
    "already-compiled",
    "process-state",
    "own-seed",
    "autocorrelated",
    "bimodal",
    "one-sample",
    "restless",
    "other",
]
"""autocorrelated, bimodal, one-sample: never in a record, but found in its samples when it is read. restless:
found over the processes of a case. other: what a record of an earlier schema said without a label of this
list."""


class CaseWarning(Struct, frozen=True, omit_defaults=True):
    """What to beware of in a record's figures: a word for all such, and a sentence of this one, or none."""

    label: Label
    detail: str = ""


def in_words(warning: CaseWarning) -> str:
    """`steal: other virtual machines took 3.1% of CPU time`"""
    if warning.label == "other" or not warning.detail:
        return warning.detail or warning.label
    return f"{warning.label}: {warning.detail}"
