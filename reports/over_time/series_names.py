"""What a series is called in a report: as people name a case, and what tells it from the others shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bench.archive.case_series import CaseSeries
from reports.tables.case_names import network_name

_FINGERPRINT_DIGITS = 6
_KIND_WORDS = 2
_VENDOR = re.compile(r"\b(NVIDIA|AMD|Intel|GeForce|Instinct|CPU|Processor)\b|\((R|TM)\)", re.IGNORECASE)
"""What says nothing of a kind that its model does not."""


def series_names(shown: Sequence[CaseSeries]) -> tuple[str, ...]:
    """`VGG-16 training, batch 8, bf16, NVIDIA H100`: a name for each, none of them twice.

    Of a case only the axes that differ among cases of its network and workload; the kind of machine and the
    network's fingerprint only where a case has several. A foreign case is called what its tool calls it.
    """
    kinds = _short_kinds({each.kind for each in shown})
    axes = [case_axes(each) for each in shown]
    alike: dict[tuple[str, ...], list[set[str]]] = {}
    on: dict[tuple[str, str], set[str]] = {}
    fingerprints: dict[tuple[str, str, str], set[str]] = {}
    for each, own in zip(shown, axes, strict=True):
        alike.setdefault(_shared(each, own), []).append(set(own))
        on.setdefault((each.origin, each.case), set()).add(each.kind)
        fingerprints.setdefault((each.origin, each.case, each.kind), set()).add(each.fingerprint)
    found = []
    for each, own in zip(shown, axes, strict=True):
        common = set.intersection(*alike[_shared(each, own)])
        words = [_name(each, own), *(part for part in own[3:] if part not in common)]
        if len(on[each.origin, each.case]) > 1:
            words.append(kinds[each.kind])
        if len(fingerprints[each.origin, each.case, each.kind]) > 1:
            words.append(f"network {each.fingerprint[:_FINGERPRINT_DIGITS] or 'unknown'}")
        found.append(", ".join(filter(None, words)))
    return tuple(found)


def _short_kinds(kinds: Iterable[str]) -> dict[str, str]:
    """`H100 80GB` of `NVIDIA H100 80GB HBM3`, unless two kinds would be called the same."""
    found = {kind: " ".join(_VENDOR.sub(" ", kind).split()[:_KIND_WORDS]) or kind for kind in kinds}
    return found if len(set(found.values())) == len(found) else {kind: kind for kind in found}


def case_axes(series: CaseSeries) -> tuple[str, ...]:
    """Model, workload, batch, then all other parts of the case's id; nothing of a foreign case."""
    rest = series.case.removeprefix(f"{series.model}/")
    parts = rest.split("/")
    batch = next((part for part in parts if part[:1] == "b" and part[1:].isdecimal()), "")
    if series.origin or rest == series.case or not batch:
        return ()
    return series.model, parts[0], batch, *(part for part in parts[1:] if part != batch)


def _shared(series: CaseSeries, axes: Sequence[str]) -> tuple[str, ...]:
    return tuple(axes[:3]) if axes else (series.origin, series.case)


def _name(series: CaseSeries, axes: Sequence[str]) -> str:
    if not axes:
        return series.case
    return f"{network_name(axes[0])} {axes[1]}, batch {axes[2][1:]}"
