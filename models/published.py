"""What others have published about these networks, from facts.csv: each figure with its source."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from msgspec import Struct


class PublishedFigure(Struct, frozen=True):
    """One published figure: of which network, what, how much, in which unit, and who says so."""

    model: str
    quantity: str
    value: float
    unit: str
    source: str


@cache
def published_figures() -> tuple[PublishedFigure, ...]:
    """Every published figure, in the order of the file."""
    with Path(__file__).with_name("published.csv").open(newline="", encoding="utf-8") as lines:
        return tuple(
            PublishedFigure(row["model"], row["quantity"], float(row["value"]), row["unit"], row["source"])
            for row in csv.DictReader(lines)
        )


def top5_errors(model: str) -> tuple[PublishedFigure, ...]:
    """Published top-5 errors on ImageNet in percent; an accuracy is turned into an error."""
    errors = []
    for fact in published_figures():
        if fact.model != model:
            continue
        if fact.quantity == "imagenet_top5_error":
            errors.append(fact)
        elif fact.quantity == "imagenet_top5":
            value = round(100 - fact.value, 3)
            errors.append(PublishedFigure(model, "imagenet_top5_error", value, fact.unit, fact.source))
    return tuple(errors)
