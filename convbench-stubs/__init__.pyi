"""The types of convbench.py; `nox -s typing` holds them equal to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from bench.schema.case import Precision
from bench.schema.record import Status
from models.closed_form import Cost
from models.errors import UserError as UserError
from reports.compare.comparison_rows import ComparisonRow
from reports.over_time.trended import Trended
from reports.pages.module_report import Measured as Measured
from reports.pages.module_report import PhaseTime as PhaseTime

__all__ = ["Measured", "PhaseTime", "Run", "UserError"]
__all__ += ["compare", "cost", "load", "measure", "merge", "run", "trend"]

_Names: TypeAlias = str | Iterable[str] | None
_Numbers: TypeAlias = int | str | Iterable[int] | None
_Folder: TypeAlias = str | Path

@dataclass(frozen=True, kw_only=True)
class Run:
    folders: tuple[Path, ...]
    statuses: Mapping[Status, int] = field(default_factory=dict)
    remaining: int = 0
    wide: int = 0
    notes: tuple[str, ...] = ()
    def rows(self, *, plain_intervals: bool = False) -> list[dict[str, str | int | float | None]]: ...
    def report(self, format: str = "md", *, plain_intervals: bool = False) -> str: ...  # noqa: A002

def cost(
    model: str,
    *,
    image: int | None = None,
    input: str | None = None,  # noqa: A002
    channels: int | None = None,
    classes: int | None = None,
    batch: int = 1,
) -> Cost: ...
def run(
    *,
    out: _Folder,
    suite: str | None = None,
    model: _Names = None,
    workload: _Names = None,
    device: _Names = None,
    precision: _Names = None,
    engine: _Names = None,
    layout: _Names = None,
    tuning: _Names = None,
    batch: _Numbers = None,
    image: _Numbers = None,
    input: _Names = None,  # noqa: A002
    channels: _Numbers = None,
    classes: _Numbers = None,
    threads: _Numbers = None,
    seed: _Numbers = None,
    gpu: int | str | None = None,
    together: bool = False,
    shard: str | None = None,
    node_name: str | None = None,
    lock_clocks_mhz: int | None = None,
    replicates: int | None = None,
    until: float | str | None = None,
    target_ci: float | None = None,
    time_limit_seconds: float | None = None,
    flush_l2: bool | None = None,
    step_digest: bool | None = None,
    budget_seconds: float | None = None,
    ceilings: bool | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run: ...
def merge(folder: _Folder, *more: _Folder, out: _Folder, resume: bool = False) -> Run: ...
def load(folder: _Folder, *more: _Folder) -> Run: ...
def compare(
    a: _Folder | Run | Sequence[_Folder],
    b: _Folder | Run | Sequence[_Folder],
    *,
    margin: float = 0.02,
    plain_intervals: bool = False,
) -> tuple[ComparisonRow, ...]: ...
def trend(
    *cases: str, archive: _Folder | None = None, label: str | None = None, since: str | None = None
) -> Trended: ...
def measure(
    module: torch.nn.Module,
    inputs: Any,
    *,
    workload: Literal["inference", "training"] = "inference",
    loss: Callable[..., Any] | None = None,
    targets: Any = None,
    precision: Precision = "fp32",
    engine: str = "eager",
    target_ci: float = 0.01,
    sampling_seconds: float = 10.0,
    progress: bool = True,
) -> Measured: ...
