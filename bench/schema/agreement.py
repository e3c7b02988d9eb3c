"""The question whether a configuration computes what fp32 computes, and its answer; torch-free."""

from __future__ import annotations

from msgspec import Struct

from bench.schema.case import Case

AGREE = "agree"


class AgreementRequest(Struct, frozen=True, kw_only=True):
    """Which case, and the folder in which Inductor may find it compiled, or None."""

    case: Case
    cache_folder: str | None = None


class Agreement(Struct, frozen=True, kw_only=True):
    """The outputs of a configuration beside those of fp32, eager: same weights, same images.

    images          that were classified
    agreeing        for how many both chose the same class
    near_ties       for how many the error was large enough to change fp32's choice, whether it did or not
    relative_error  Euclidean norm of the difference of all outputs over that of fp32's
    """

    images: int
    agreeing: int
    near_ties: int
    relative_error: float
