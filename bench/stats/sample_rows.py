"""The statistics of many series of samples at once: a row of numpy's for each, all of one length.

What `estimates`, `diagnostics` and `moderation` say of one series, the same here for each row; tests hold
the two against each other. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from msgspec import Struct

from bench.stats.diagnostics import FEWEST_TO_JUDGE
from bench.stats.estimates import median_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"


class SampleRows(Struct, frozen=True):
    """Series of two samples or more, in the order in which they were taken.

    taken    (series, samples)
    ordered  the same, each row sorted
    medians  (series,)
    """

    taken: Floats
    ordered: Floats
    medians: Floats

    @classmethod
    def of(cls, taken: Floats) -> SampleRows:
        """Sorts them."""
        ordered = np.sort(taken, axis=1)
        length = taken.shape[1]
        medians = ordered[:, length // 2]
        if length % 2 == 0:
            medians = (ordered[:, length // 2 - 1] + medians) / 2
        return cls(taken, ordered, medians)

    def only(self, rows: NDArray[np.intp]) -> SampleRows:
        """Those of these numbers, which rise."""
        if len(rows) == len(self.taken):
            return self
        return SampleRows(self.taken[rows], self.ordered[rows], self.medians[rows])

    def median_intervals(self) -> tuple[Floats, Floats] | None:
        """The ends of each median's interval, as `within_process` has them; None for too few samples."""
        ranks = median_ranks(self.taken.shape[1])
        return None if ranks is None else (self.ordered[:, ranks[0]], self.ordered[:, ranks[1]])

    def log_variances(self) -> Floats:
        """Unbiased, of the natural logs; all samples must be above zero. Exactly 0 where all are equal."""
        logs = np.log(self.taken)
        logs -= logs.mean(axis=1, keepdims=True)
        variances = np.einsum("ij,ij->i", logs, logs) / (self.taken.shape[1] - 1)
        return np.where(self.ordered[:, 0] == self.ordered[:, -1], 0.0, variances)

    def sides(self) -> tuple[list[int], list[int]]:
        """Of each series, how many samples are above its median, and how often the median is crossed."""
        above = self.taken > self.medians[:, None]
        crossings = (above[:, 1:] != above[:, :-1]).sum(axis=1)
        return above.sum(axis=1).tolist(), crossings.tolist()

    def may_have_modes(self) -> list[bool]:
        """Whether each series can have two modes, from nine of its samples."""
        n = self.taken.shape[1]
        if n < FEWEST_TO_JUDGE:
            return [False] * len(self.taken)
        tenths = self.ordered[:, [n * tenth // 10 for tenth in range(1, 10)]]
        widest = (tenths[:, 2:] - tenths[:, :-2]).max(axis=1)
        possible: list[bool] = (widest > 0.5 * (tenths[:, -1] - tenths[:, 0])).tolist()
        return possible
