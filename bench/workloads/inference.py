"""Forward in eval mode, without gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.contracts.steps import Steps
from bench.fresh_inputs import FreshInputs
from bench.outputs.main_output import refuse_without_tensor, why_not_finite
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.tensors import case_arguments

if TYPE_CHECKING:
    import torch

    from bench.contracts.engine import Engine
    from models.network import Arguments, Network


class Inference:
    """One phase, `forward`, which is the whole step."""

    name = "inference"

    def prepare(self, network: Network, case: Case, engine: Engine, torch_device: str) -> Steps:
        module = network.module
        module.eval()
        arguments = case_arguments(case, network, torch_device)
        forward = engine.wrap(module, case.tuning)
        fresh = FreshInputs(
            arguments.tensors(), lambda: case_arguments(case, network, torch_device).tensors()
        )
        step = InferenceStep(lambda: arguments.call(forward), fresh)

        def tensors() -> dict[str, list[torch.Tensor]]:
            return {
                "weights": list(module.parameters()),
                "buffers": list(module.buffers()),
                "inputs": arguments.tensors(),
            }

        return engine.fuse(step.steps(tensors, arguments))


_NOT_RUN = object()


class InferenceStep:
    """A call of the network, whose last output is looked at once in the end."""

    def __init__(self, call: Callable[[], Any], fresh: FreshInputs) -> None:
        self._call, self._fresh = call, fresh
        self._outputs: Any = _NOT_RUN
        self._is_tried = False

    def steps(
        self, tensors: Callable[[], dict[str, list[torch.Tensor]]], arguments: Arguments | None = None
    ) -> Steps:
        return Steps(
            setup=self.setup,
            step=self.step,
            whole_phase="forward",
            phases=(),
            synchronises=False,
            why_invalid=lambda: None,
            warnings=self.warnings,
            tensors=tensors,
            arguments=arguments,
            put_back=self._fresh.put_back,
            puts_back=self._fresh.are_changed,
        )

    def setup(self) -> None:
        """Raises UserError ahead of the second step where the first gave no tensor."""
        self._fresh.put_back()
        if self._outputs is not _NOT_RUN and not self._is_tried:
            self._is_tried = True
            refuse_without_tensor(self._outputs)

    def step(self) -> None:
        self._outputs = None  # that of the step before, whose memory this one may take
        self._outputs = self._call()

    def warnings(self) -> list[CaseWarning]:
        outputs, self._outputs = self._outputs, _NOT_RUN
        reason = None if outputs is _NOT_RUN else why_not_finite(outputs)
        label = [] if reason is None else [CaseWarning("non-finite-output", reason)]
        return label + self._fresh.warnings()


WORKLOAD = Inference()
