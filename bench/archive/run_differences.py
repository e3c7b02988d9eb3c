"""What differs between two runs of a series, the likeliest cause of a step first."""

from __future__ import annotations

from typing import NamedTuple

from bench.archive.case_series import SeriesRun
from bench.archive.run_conditions import CLOCKS, DISTURBED, READ_BACK

_FIRST = (
    *("driver", "torch", CLOCKS, "VBIOS", "power limit", f"CPU {CLOCKS}"),
    *("commit", "convbench", "CUDA", "cuDNN", DISTURBED),
)
_LAST = ("Python", "system", "CPU", "usable cores", "memory", "GPU UUID", "host")
_UNTOLD = frozenset(
    {"driver", CLOCKS, "VBIOS", "power limit", "CUDA", "cuDNN", "ECC", "MIG", f"CPU {CLOCKS}", "GPU UUID"}
)
"""Where a record has none of these, nobody asked, or the driver or the kernel did not answer."""


class Difference(NamedTuple):
    """A condition of two runs; None where a run had none: a variable that was not set, a package that was not
    installed."""

    name: str
    before: str | None
    after: str | None


def differences(before: SeriesRun, after: SeriesRun) -> tuple[Difference, ...]:
    """In the order in which one looks at them: versions and settings, then other packages and variables, the
    machine last."""
    names = before.conditions.keys() | after.conditions.keys()
    found = (
        Difference(name, before.conditions.get(name), after.conditions.get(name))
        for name in sorted(names, key=_rank)
    )
    return tuple(each for each in found if each.before != each.after and not _is_unknown(each))


def _rank(name: str) -> tuple[int, str]:
    if name in _FIRST:
        return _FIRST.index(name), name
    return len(_FIRST) + (1 + _LAST.index(name) if name in _LAST else 0), name


def _is_unknown(difference: Difference) -> bool:
    is_untold = difference.name in _UNTOLD or difference.name.startswith(READ_BACK)
    return is_untold and None in (difference.before, difference.after)
