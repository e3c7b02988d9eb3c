"""A record without its samples: what a report keeps of each process, so that 100,000 of them fit."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import Product
from bench.schema.layer_phases import Layer
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.phases import Phase
from bench.schema.record import Status
from bench.schema.step_digest import StepDigest
from bench.schema.window_clocks import WindowClocks
from bench.stats.published_prior import PUBLISHED
from reports.summary.figures import ReadBack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Key = tuple[Phase, str, str, Layer | None, Product | None]
"""(phase, metric, unit, layer, product)"""

UNKNOWN_VARIANCE = -1.0
"""In the place of a variance of logs where a sample has none."""
VARIANCE_OF_ONE = math.exp(PUBLISHED.centre)
"""In the place of that of a single sample, which says nothing of it."""
NO_INTERVAL = (math.inf, -math.inf)
"""The low and the high end where samples are too few for an interval."""


class Process(Struct, frozen=True, gc=False):
    """One record without its samples; what is equal between records is one object.

    `run` is the index of its directory, `pair` the number of its interleaved pair.

    `numbers` and `sizes` (samples) run along `keys`. `numbers` are four rows of doubles, as bytes: medians,
    the low ends of their intervals within the process and the high ends, and the variances of the logs of the
    samples of times and energies (else UNKNOWN_VARIANCE). `curves` are the
    epochs of a training run, by metric and unit; `spreads` are some samples of the time of the whole step;
    `clocks` are those of the GPU in the window of a time, by its metric; `seconds` are those that it took;
    `digest` is that of its deterministic step.
    """

    run: int
    replicate: int
    pair: int | None
    status: Status
    reason: str
    effective: ReadBack
    environment: bytes
    warnings: tuple[CaseWarning, ...]
    absent: tuple[tuple[str, str], ...]
    keys: tuple[Key, ...]
    numbers: bytes
    sizes: tuple[int, ...]
    curves: tuple[tuple[str, str, array[float]], ...]
    spreads: tuple[tuple[str, array[float]], ...]
    clocks: tuple[tuple[str, WindowClocks], ...]
    network: NetworkFingerprint | None
    seconds: float | None
    digest: StepDigest | None = None


def numbers_of(processes: Sequence[Process]) -> NDArray[np.float64]:
    """(figure, key, process), where figures are those of `Process.numbers`; the keys of all must be equal."""
    import numpy as np

    joined = np.frombuffer(b"".join([process.numbers for process in processes]))
    return joined.reshape(len(processes), 4, -1).transpose(1, 2, 0)
