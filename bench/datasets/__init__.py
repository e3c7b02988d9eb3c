"""What a network learns from, a file each: every module here that defines DATASET answers to `--dataset`."""

from __future__ import annotations

import sys
from functools import cache

from bench.contracts import plugins
from bench.contracts.dataset import Dataset
from models.errors import unknown


@cache
def datasets() -> dict[str, Dataset]:
    """Every dataset by name: digits first, as the usual one."""
    found = plugins.find(sys.modules[__name__], "DATASET")
    return {dataset.name: dataset for dataset in sorted(found, key=lambda dataset: dataset.name != "digits")}


def get(name: str) -> Dataset:
    """The dataset of that name; UserError with the nearest name otherwise."""
    if name not in datasets():
        raise unknown("dataset", name, datasets())
    return datasets()[name]
