"""The names that --section may have: those of all parts that the report of a command can have.

A command that measures asks before it begins, so that a wrong name costs no measurement.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping

from models.errors import UserError, unknown

_RUN = ("reports.pages.run_parts", "reports.sections", "reports.scale")
_PLACES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("run", "scale", "train", "layers", "ceilings"), _RUN),
    "best": ("reports.pages.best_report",),
    "max-batch": ("reports.pages.max_batch_report",),
    "ab": ("reports.compare.ab_report",),
    "bisect": ("reports.compare.bisect_report",),
    "cost": ("reports.pages.cost_report",),
    "selftest": ("reports.pages.selftest_report",),
    "ablate": ("reports.ablations.ablations_report",),
}
"""Of a command: the modules whose constants are the parts of its report, or packages of such modules."""


def check(command: str, section: str | None, *, full: bool) -> None:
    """Raise UserError for a name that no report of this command has, and for --section beside --full."""
    if section is None:
        return
    if full:
        raise UserError("--section shows one part and --full all of them: give one of the two")
    names = known(command)
    if section not in names:
        raise unknown("section", section, names)


def known(command: str) -> tuple[str, ...]:
    """The names of all parts that a report of this command can have."""
    own = (name for place in _PLACES.get(command, ()) for name in _of_place(place))
    return tuple(dict.fromkeys((*own, *_by_subject(command))))


def _of_place(place: str) -> Iterator[str]:
    from reports.document import Part

    module = importlib.import_module(place)
    for each in pkgutil.iter_modules(getattr(module, "__path__", ())):
        yield from _of_place(f"{place}.{each.name}")
    yield from (value.name for value in vars(module).values() if isinstance(value, Part))


def _by_subject(command: str) -> Iterable[str]:
    """Parts that are called after what they are about."""
    if command == "ablate":
        from bench.plan import ablations
        from reports.document import slug
        from reports.sections.outcome_tables import CANNOT_RUN, FAILURES

        titles = ("System", "Where the machines differ", FAILURES, CANNOT_RUN, "Warnings")
        return (*ablations.ABLATIONS, *map(slug, titles))
    if command == "claims":
        from reports import claims

        return [claim.said.topic for claim in claims.claims().values()]
    if command == "history":
        from reports.history.history_answer import NAMES

        return NAMES
    return ()
