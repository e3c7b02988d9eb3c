"""How the intervals of a comparison were made, in a paragraph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.compare.comparison_rows import ComparisonRow

_ONE_PRIOR = "the cases of both runs show"
_TWO_PRIORS = (
    "the other cases of the same run show (the machines differ, so each side borrows from its own run; what "
    "they borrow counts once, as the smaller of the two)"
)


def method_in_words(rows: Sequence[ComparisonRow], same_machine: bool) -> Iterator[str]:
    """Nothing where no interval is moderated: the other methods are said beside the unit."""
    found = [row.moderated for row in rows if row.moderated is not None]
    if not found:
        return
    worths = sorted(round(min(base.prior_freedom, new.prior_freedom), 1) for base, new in found)
    cases = sorted(parts.cases for both in found for parts in both)
    lent = _ONE_PRIOR if same_machine else _TWO_PRIORS
    yield (
        "Times and energies: each side's variance is moderated, drawn towards what "
        f"{lent if cases[-1] > 1 else 'the published prior expects'}, which counts for "
        f"{_range(worths)} degrees of freedom ({_range(cases)} measured cases with several processes). "
        "In simulations at most about 1 of 100 comparisons of equal sides found a difference. "
        "--plain-intervals leaves the other cases out. Sizes keep their own variance."
    )


def _range(values: Sequence[float]) -> str:
    """`3`, or `2 to 9`; in order already."""
    return f"{values[0]:g}" if values[0] == values[-1] else f"{values[0]:g} to {values[-1]:g}"
