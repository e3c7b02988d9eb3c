"""What a search ends with, for its report."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bench.schema.agreement import Agreement
from bench.schema.case import Case
from bench.studies.ab.pair_rows import PairRow
from bench.studies.best.strategy import CandidateResult


class Findings(Struct, frozen=True, kw_only=True):
    """All that a search knows.

    tried        the candidates in the order of trying
    is_complete  whether nothing was left to try when the budget ended it
    is_cut_short  whether the budget left anything unmeasured: candidates, pairs, outputs or the winner's peak
    base         the first of what may be combined, with replicate 0
    winner       None where no candidate has a time
    plain        the winner's work in fp32, eager, nchw
    pairs        rivals and `plain` against the winner, in interleaved pairs
    excluded     values that this machine cannot run, with the reason
    agreement    of the winner's outputs with fp32's; a sentence where that could not be measured
    gpu          full UUID of the GPU that was chosen for it, or None
    ceiling_seconds  about what the winner's ceilings take, where the budget had no time left for them
    seconds      that the search took
    budget_seconds  that it was given
    """

    tried: tuple[CandidateResult, ...]
    is_complete: bool = True
    is_cut_short: bool = False
    base: Case | None = None
    winner: Case | None = None
    plain: Case | None = None
    pairs: tuple[PairRow, ...] = ()
    excluded: Mapping[str, str] = {}
    agreement: Agreement | str | None = None
    gpu: str | None = None
    ceiling_seconds: float | None = None
    seconds: float | None = None
    budget_seconds: float | None = None
