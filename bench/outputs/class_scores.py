"""What a training run learns: one score for each class of each image, of whatever the network returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.outputs.main_output import main_output
from bench.schema.case_warnings import CaseWarning
from models.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


class ClassScores:
    """From a network's outputs, which may differ between training and evaluation, to (batch, classes)."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._seen: dict[str, CaseWarning] = {}

    def of(self, outputs: Any) -> Tensor:
        """The main output. Raises UserError where it has not a score for each class and image."""
        if getattr(outputs, "shape", ())[1:] == (self._classes,):
            plain: Tensor = outputs
            return plain
        main = main_output(outputs)
        shape = tuple(main.tensor.shape)
        named = f"output {main.name}".rstrip()
        if main.tensor.is_complex() or main.tensor.ndim != 2 or shape[1] < self._classes:
            raise UserError(
                f"the network's {named} has the shape {shape} and the type {main.tensor.dtype}: to learn "
                f"{self._classes} classes it takes (batch, {self._classes}) of real numbers"
            )
        if main.count > 1:
            detail = f"the loss takes {main.name}, one of {main.count} tensors returned"
            self._seen[main.name] = CaseWarning("main-output", detail)
        if shape[1] > self._classes:
            detail = f"the network has {shape[1]:,} outputs for {self._classes} classes"
            self._seen["classes"] = CaseWarning("other-classes", detail)
        return main.tensor

    def warnings(self) -> list[CaseWarning]:
        """What was seen so far, each once."""
        return list(self._seen.values())
