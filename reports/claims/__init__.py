"""What textbooks say about AlexNet and VGG, judged. Each module here with CLAIMS holds those of one kind.

To add a claim, add its row to claims.csv and its object to a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache

from models.errors import unknown
from reports.claims.claim import Claim, statements


@cache
def claims() -> Mapping[str, Claim]:
    """Every claim by its id, in the order of claims.csv."""
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    found: dict[str, Claim] = {
        claim.said.id: claim for module in modules for claim in getattr(module, "CLAIMS", ())
    }
    return {each.id: found[each.id] for each in statements()}


def find(names: Sequence[str]) -> tuple[Claim, ...]:
    """The claims of these ids, or all; UserError for a name that none has."""
    for name in names:
        if name not in claims():
            raise unknown("claim", name, claims())
    return tuple(claim for name, claim in claims().items() if not names or name in names)
