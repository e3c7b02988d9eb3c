"""The whole step captured once as a CUDA graph and replayed: the floor without launches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.contracts.device import Traits
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.phases import Phase

if TYPE_CHECKING:
    from bench.contracts.steps import Steps

_WARM_UP = 3
"""Steps on a side stream before capture, as torch's notes on CUDA graphs ask (cuDNN chooses, cuBLAS and the
optimizer allocate)."""


class CudaGraph:
    """torch.cuda.CUDAGraph around one whole step; only `step` (or `forward`) exists then."""

    name = "cudagraph"
    compiles = False
    replays_graphs = True

    def why_unsupported(self, case: Case, traits: Traits) -> str | None:
        if case.workload == "accuracy":
            return "cudagraph replays one step on the same images and cannot train"
        if not traits.captures_graphs:
            return "engine cudagraph needs --device cuda"
        if case.workload == "training" and case.precision == "amp-fp16":
            return "cudagraph cannot capture amp-fp16 training (GradScaler waits for the host every step)"
        return None

    def why_unusable(self, case: Case, traits: Traits) -> str | None:
        return None

    def wrap(self, module: Any, tuning: str = "") -> Any:
        return module

    def fuse(self, steps: Steps) -> Steps:
        import torch

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                steps.setup()
                steps.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        steps.setup()
        with torch.cuda.graph(graph):
            steps.step()
        whole: Phase = "forward" if steps.whole_phase == "forward" else "step"
        return replace(steps, setup=steps.put_back, step=graph.replay, phases=(), whole_phase=whole)

    def warnings(self, case: Case, traits: Traits) -> list[CaseWarning]:
        return []

    def observe(self) -> Mapping[str, int]:
        return {}


ENGINES = (CudaGraph(),)
