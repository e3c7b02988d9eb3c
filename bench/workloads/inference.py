"""Forward in eval mode, without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts.steps import Steps
from bench.schema.case import Case
from bench.tensors import case_arguments

if TYPE_CHECKING:
    import torch

    from bench.contracts.engine import Engine
    from models.network import Network


class Inference:
    """One phase, `forward`, which is the whole step."""

    name = "inference"

    def prepare(self, network: Network, case: Case, engine: Engine, torch_device: str) -> Steps:
        module = network.module.eval()
        arguments = case_arguments(case, network, torch_device)
        forward = engine.wrap(module, case.tuning)

        def step() -> None:
            arguments.call(forward)

        def tensors() -> dict[str, list[torch.Tensor]]:
            return {
                "weights": list(module.parameters()),
                "buffers": list(module.buffers()),
                "inputs": arguments.tensors(),
            }

        return engine.fuse(
            Steps(
                setup=lambda: None,
                step=step,
                whole_phase="forward",
                phases=(),
                synchronises=False,
                why_invalid=lambda: None,
                warnings=list,
                tensors=tensors,
                arguments=arguments,
            )
        )


WORKLOAD = Inference()
