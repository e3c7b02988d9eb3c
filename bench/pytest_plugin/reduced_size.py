"""A case in a size that shows only that it works."""

from __future__ import annotations

from msgspec import structs

from bench.plan import feasibility
from bench.schema.case import Case

_SMALL_IMAGES = (28, 32, 64, 96, 128)


def reduced(case: Case) -> Case:
    """The same case with ten classes at most and the first of a few small images that its network takes."""
    for image in _SMALL_IMAGES:
        tried = structs.replace(case, image=min(image, case.image), classes=min(case.classes, 10))
        if feasibility.why_impossible(tried) is None:
            return tried
    return case
