"""What a step is called: the same however many runs are added, so that an answer to it stays one."""

from __future__ import annotations

import hashlib
import re

from bench.archive.case_series import CaseSeries

DIGITS = 8
"""Of a hash: among 1,000 steps two share one with a chance of 0.01%."""
MODEL_LETTERS = 24
_OTHER = re.compile(r"[^a-z0-9]+")


def step_name(series: CaseSeries, at: int) -> str:
    """`vgg16-3f0c92ab`: of the step, boundary or drift whose first run is run `at` of the series.

    It depends on the series (case, kind of machine, fingerprint, origin) and on the first record of that run
    alone, which stays when the run is resumed.
    Only letters, digits and hyphens, so that it can be a file's name and is one word in a shell.
    """
    run = series.runs[at]
    key = (series.case, series.kind, series.fingerprint, series.origin, run.first or run.digest)
    digits = hashlib.sha256("\0".join(key).encode()).hexdigest()[:DIGITS]
    model = _OTHER.sub("-", series.model.lower())[:MODEL_LETTERS].strip("-")
    return f"{model}-{digits}" if model else digits
