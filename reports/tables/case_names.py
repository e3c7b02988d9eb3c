"""Names of networks and cases as people say them: `VGG-16 training, batch 8`."""

from __future__ import annotations

import re
from pathlib import PurePath

from bench.schema.case import Case
from models.catalogue import MODELS

_FAMILIES = {"lenet": "LeNet", "alexnet": "AlexNet", "vgg": "VGG"}
_CAPITALS = ("bn", "lrn", "c")
"""Endings of the papers that are abbreviations or columns of a table."""
_OURS = re.compile(rf"({'|'.join(_FAMILIES)})(\d*)((?:-\w+)*)")


def network_name(model: str) -> str:
    """`VGG-16-BN`, `VGG-13 with kernel=5x5`; a user's by its file's name, others as they are typed."""
    base, *changes = model.split("+")
    if base in MODELS:
        return _ours(base) + (f" with {' and '.join(changes)}" if changes else "")
    file, colon, factory = model.rpartition(".py:")
    return f"{PurePath(file).name}{colon}{factory}"


def _ours(name: str) -> str:
    found = _OURS.fullmatch(name)
    if found is None:
        return name
    family, number, endings = found.groups()
    words = [_FAMILIES[family], *([number] if number else []), *filter(None, endings.split("-"))]
    return "-".join(word.upper() if word in _CAPITALS else word for word in words)


def case_name(case: Case) -> str:
    """`VGG-16 training, batch 8`: what precision, engine and machine may be is said elsewhere."""
    if case.task is not None:
        return f"{network_name(case.model)} trained on {case.task.dataset}, recipe {case.task.recipe.name}"
    if case.workload == "ceiling":
        return f"peak of {case.device} in {case.precision}"
    return f"{network_name(case.model)} {case.workload}, batch {case.batch}"
