"""Forward in eval mode, without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.contracts.steps import Steps
from bench.schema.case import Case
from bench.tensors import random_images

if TYPE_CHECKING:
    import torch

    from bench.contracts.engine import Engine


class Inference:
    """One phase, `forward`, which is the whole step."""

    name = "inference"

    def prepare(self, module: Any, case: Case, engine: Engine, torch_device: str) -> Steps:
        module.eval()
        images = random_images(case, torch_device)
        forward = engine.wrap(module, case.tuning)

        def step() -> None:
            forward(images)

        def tensors() -> dict[str, list[torch.Tensor]]:
            return {
                "weights": list(module.parameters()),
                "buffers": list(module.buffers()),
                "inputs": [images],
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
            )
        )


WORKLOAD = Inference()
