"""Ablations -> the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.ablations import Ablation
from reports import report
from reports.table import Document


def build(ablations: Sequence[Ablation], directories: Sequence[Path]) -> Document:
    return report.build(directories)
