"""Where the machines and versions of two sides differ: in a table, and in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.document import Part, Table
from reports.sections.machine_line import machine_words
from reports.sections.machine_tables import fields_by_machine
from reports.summary.figures import Summary

ENVIRONMENTS = Part("environments", "Where the environments differ", in_appendix=True)
SAME = "same machine and versions"
_FIRST = ("GPU", "CPU", "driver", "torch")
"""What a reader asks for first."""
_LAST = ("commit", "host")
_MOST_NAMED = 2

Differences = tuple[tuple[str, str | None, str | None], ...]
"""Field, its values in BASE and in NEW."""


def environment_differences(base: Summary, new: Summary) -> Differences:
    """Every field in which the sides differ."""
    sides = [list(fields_by_machine(summary).values()) for summary in (base, new)]
    names = dict.fromkeys(name for machines in sides for fields in machines for name in fields)
    found = [(name, _values(sides[0], name), _values(sides[1], name)) for name in names]
    return tuple((name, one, other) for name, one, other in found if one != other)


def environment_table(differing: Differences) -> Iterator[Table]:
    """None where the sides are alike, which the first line says."""
    if differing:
        yield Table(
            title=ENVIRONMENTS.title,
            columns=("what", "BASE", "NEW"),
            rows=differing,
            part=ENVIRONMENTS,
        )


def environment_in_words(differing: Differences, base: Summary, new: Summary) -> str:
    """What both sides ran on, then `same machine and versions` or what differs.

    `Intel Xeon, 2 cores, no GPU · torch 2.11.0 → 2.12.0, commit abc → def and 3 more differences`
    """
    shared = [word for word in machine_words(new) if word in tuple(machine_words(base))]
    return " · ".join((*shared, _differences_in_words(differing)))


def _differences_in_words(differing: Differences) -> str:
    if not differing:
        return SAME
    ordered = sorted(differing, key=lambda found: _rank(found[0]))
    told = [f"{name} {one or 'none'} → {other or 'none'}" for name, one, other in ordered[:_MOST_NAMED]]
    more = len(ordered) - len(told)
    rest = f" and {more} more {'difference' if more == 1 else 'differences'}" if more else ""
    return ", ".join(told) + rest


def _rank(name: str) -> int:
    if name in _FIRST:
        return _FIRST.index(name)
    return len(_FIRST) + (1 + _LAST.index(name) if name in _LAST else 0)


def cpu_sentence(differing: Differences) -> Iterator[str]:
    """That CPU times are of two processors."""
    for name, one, other in differing:
        if name == "CPU" and one and other:
            which = f"{one} / {other}"
            yield f"BASE and NEW ran on different CPUs ({which}). Every CPU ratio includes this difference."


def _values(machines: Sequence[dict[str, str]], name: str) -> str | None:
    """The field on each machine of a side, each value once."""
    found = sorted({fields[name] for fields in machines if name in fields})
    return " / ".join(found) or None
