"""torch.compile in its three modes."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.device import Traits
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.tuning import FREEZING, names

if TYPE_CHECKING:
    from bench.contracts.steps import Steps


_C_COMPILERS = ("gcc", "clang")
_CXX_COMPILERS = ("g++", "clang++")


class Compiled:
    """torch.compile(module, mode=...): the module's forward, and with it its backward; the loss and the
    optimizer stay eager, as in most training code."""

    compiles = True

    def __init__(self, name: str, mode: str, replays_graphs: bool) -> None:
        self.name = name
        self._mode = mode
        self.replays_graphs = replays_graphs

    def why_unsupported(self, case: Case, traits: Traits) -> str | None:
        return None

    def why_unusable(self, case: Case, traits: Traits) -> str | None:
        """For a CPU, torch.compile writes its kernels in C++ and builds them; for a GPU in Triton's language,
        whose launchers Triton writes in C and builds."""
        if traits.needs_cxx:
            return _why_nothing_is_built("C++", "CXX", _CXX_COMPILERS)
        if not traits.needs_triton:
            return None
        from torch.utils import _triton

        if not _triton.has_triton_package():
            return "torch.compile needs Triton, which is not installed"
        return _why_nothing_is_built("C", "CC", _C_COMPILERS)

    def wrap(self, module: Any, tuning: str = "") -> Any:
        """Freezing is a flag of the whole process, read when the first call compiles (without gradients)."""
        import torch
        import torch._inductor.config

        torch._inductor.config.freezing = FREEZING in names(tuning)
        return torch.compile(module, mode=self._mode)

    def fuse(self, steps: Steps) -> Steps:
        return steps

    def warnings(self, case: Case, traits: Traits) -> list[CaseWarning]:
        if not traits.captures_graphs:
            warnings = [CaseWarning("no-cuda-graphs", f"{self.name} replays CUDA graphs only on a GPU")]
            # The kernel counts the process's memory as a whole.
            held = [
                CaseWarning(
                    "peak-holds-compiler", "the peak includes memory that torch.compile left in the process"
                )
            ]
            return (warnings if self.replays_graphs else []) + (held if traits.is_host else [])
        warnings = []
        skips = self.observe()["cudagraph_skips"]
        if self.replays_graphs and skips:
            warnings.append(CaseWarning("no-cuda-graphs", f"torch skipped CUDA graphs {skips} times"))
        if case.precision == "tf32" and self._mode == "max-autotune":
            # Inductor reads their precision from torch's newer interface alone (devices/cuda.py).
            warnings.append(
                CaseWarning(
                    "ieee-candidates", "Inductor tries its own convolutions without TF32 against cuDNN's"
                )
            )
        return warnings

    def observe(self) -> Mapping[str, int]:
        from torch._dynamo.utils import counters

        return {
            "compiled_graphs": counters["stats"]["unique_graphs"],
            "graph_breaks": sum(counters["graph_break"].values()),
            # torch's only sign of a function that it compiles no more, beside a line of its log
            "given_up": sum(n for why, n in counters["unimplemented"].items() if "limit exceeded" in why),
            "cudagraph_skips": counters["inductor"]["cudagraph_skips"],
            "cache_hits": counters["inductor"]["fxgraph_cache_hit"],
        }


def _why_nothing_is_built(language: str, variable: str, compilers: Sequence[str]) -> str | None:
    """`variable` of the environment names another compiler than the usual ones."""
    if os.environ.get(variable) is None and not any(map(shutil.which, compilers)):
        return f"torch.compile needs a {language} compiler ({' or '.join(compilers)}), which is not installed"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "torch.compile needs Python's headers (Python.h), which are not installed"
    return None


ENGINES = (
    Compiled("compile", "default", replays_graphs=False),
    Compiled("compile-reduce-overhead", "reduce-overhead", replays_graphs=True),
    Compiled("compile-max-autotune", "max-autotune", replays_graphs=True),
)
