"""A way to execute a module: as it is, compiled, or as a replayed CUDA graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from bench.contracts.device import Traits
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning

if TYPE_CHECKING:
    from bench.contracts.steps import Steps


class Engine(Protocol):
    """Torch-free to construct; `wrap`, `fuse` and `observe` run in a child; `traits` are the device's."""

    name: str
    """The name on the command line."""
    compiles: bool
    """Whether cold and warm compile seconds exist; then a process with an empty cache comes first."""
    replays_graphs: bool
    """Whether a step on a GPU is the replay of a CUDA graph, which calls no allocator."""

    def why_unsupported(self, case: Case, traits: Traits) -> str | None:
        """A sentence when the case contradicts this engine on every machine."""

    def why_unusable(self, case: Case, traits: Traits) -> str | None:
        """A sentence when this machine cannot run the case (asked in a child)."""

    def wrap(self, module: Any, tuning: str = "") -> Any:
        """The callable that stands for the nn.Module in every step; `tuning` is the case's."""

    def fuse(self, steps: Steps) -> Steps:
        """The steps as they are timed; a whole-step graph replaces the phases here."""

    def warnings(self, case: Case, traits: Traits) -> list[CaseWarning]:
        """Warnings about how the case was executed, read at the end."""

    def observe(self) -> Mapping[str, int]:
        """Counters since the process began: `graph_breaks`, `compiled_graphs`, `given_up` (functions that are
        compiled no more, since they were too often), `cudagraph_skips`, ..."""
