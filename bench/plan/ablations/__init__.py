"""Ablations as data: what is compared with what, how large, how it is timed, how trained. No torch."""

from bench.plan.ablations.ablation_cases import processes, timed_cases, trained_cases
from bench.plan.ablations.comparisons import (
    ABLATIONS,
    ALL,
    DATASET,
    RECIPE,
    Ablation,
    Comparison,
    Form,
    Level,
    find,
)
from bench.plan.ablations.sizes import Sizes, sizes

__all__ = [
    "ABLATIONS",
    "ALL",
    "DATASET",
    "RECIPE",
    "Ablation",
    "Comparison",
    "Form",
    "Level",
    "Sizes",
    "find",
    "processes",
    "sizes",
    "timed_cases",
    "trained_cases",
]
