"""PyTorch as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.contracts.device import Traits
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning

if TYPE_CHECKING:
    from bench.contracts.steps import Steps


class Eager:
    """Calls the module."""

    name = "eager"
    compiles = False
    replays_graphs = False

    def why_unsupported(self, case: Case, traits: Traits) -> str | None:
        return None

    def why_unusable(self, case: Case, traits: Traits) -> str | None:
        return None

    def wrap(self, module: Any, tuning: str = "") -> Any:
        return module

    def fuse(self, steps: Steps) -> Steps:
        return steps

    def warnings(self, case: Case, traits: Traits) -> list[CaseWarning]:
        return []

    def observe(self) -> Mapping[str, int]:
        return {}


ENGINES = (Eager(),)
