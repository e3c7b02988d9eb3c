"""Inputs that a network changes in place, put back ahead of every step: no torch is imported here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.schema.case_warnings import CaseWarning

if TYPE_CHECKING:
    from torch import Tensor

_State = tuple[int, str]


class FreshInputs:
    """The inputs of steps, which are always the same tensors.

    Images that are normalised in place drift with every step, to infinity in the end. Whether a network
    does so is seen at its first step. Then, and only then, `again` makes other inputs of the same shapes,
    and every later step begins with these.
    """

    def __init__(self, inputs: Sequence[Tensor], again: Callable[[], Sequence[Tensor]]) -> None:
        self._inputs, self._again = inputs, again
        self._before: list[_State] | None = None
        self._is_known = False
        self._kept: Sequence[Tensor] = ()

    def put_back(self) -> None:
        """Untimed, ahead of every step."""
        if self._kept:
            self._copy()
        elif not self._is_known:
            self._look()

    def are_changed(self) -> bool:
        """Whether there is anything to put back; known when the second step begins."""
        return bool(self._kept)

    def warnings(self) -> list[CaseWarning]:
        if not self._kept:
            return []
        detail = "the network changes its inputs in place: a copy that is not timed makes them fresh"
        return [CaseWarning("changed-inputs", f"{detail} for each step")]

    def _look(self) -> None:
        now = [_state(tensor) for tensor in self._inputs]
        if self._before is None:
            self._before = now
            return
        self._is_known = True
        if now != self._before:
            self._kept = self._again()
            self._copy()

    def _copy(self) -> None:
        for tensor, kept in zip(self._inputs, self._kept, strict=True):
            tensor.detach().copy_(kept)


def _state(tensor: Tensor) -> _State:
    """Tells changes apart: torch counts those in place, except through `.data`, NumPy or another's kernel."""
    return tensor._version, str(tensor.detach().sum().item())
