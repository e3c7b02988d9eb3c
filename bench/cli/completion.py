"""What a shell is told when the user presses the tabulator key: values of options, asked for late.

Typer's own machinery calls these functions; commands and options it completes by itself. Where nothing is
returned, the shell completes names of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench.plan import named_suites
from bench.plan.axes import AXES, NamedAxis
from models import name_lists
from models.errors import UserError
from reports import formats

Completer = Callable[[str], list[str]]
"""From what has been typed of a value to the values that begin so."""


def of_axis(name: str) -> Completer | None:
    """The values of an axis of names, several of them separated by commas; None for an axis of numbers."""
    if name == "model":
        return _last_of_list(name_lists.beginning_with)
    axis = AXES[name]
    if not isinstance(axis, NamedAxis):
        return None

    return _last_of_list(of_names(axis.accepted))


def _last_of_list(complete: Completer) -> Completer:
    """Completes what stands behind the last comma."""

    def complete_last(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{value}" for value in complete(last)]

    return complete_last


def of_names(accepted: Callable[[], Iterable[str]]) -> Completer:
    """The names that a function returns."""
    return lambda incomplete: beginning_with(incomplete, accepted())


def beginning_with(incomplete: str, accepted: Iterable[str]) -> list[str]:
    return [value for value in accepted if value.startswith(incomplete)]


def _claims() -> Iterable[str]:
    from reports import claims

    return claims.claims()


def _archived_cases() -> Iterable[str]:
    from bench.archive import archive_folder, case_series

    series = case_series.read(archive_folder.default_archive()).series
    return dict.fromkeys((*(each.model for each in series), *(each.case for each in series)))


def _acknowledged() -> Iterable[str]:
    from bench.archive import acknowledged, archive_folder

    return acknowledged.read_all(archive_folder.default_archive())


def _new_steps() -> Iterable[str]:
    from bench.archive import archive_folder
    from reports.over_time import found_trend, new_steps

    found = found_trend.found_trend(archive_folder.default_archive())
    return [change.name for _, change in new_steps.told(found.series) if new_steps.is_new(change)]


def _where_readable(accepted: Callable[[], Iterable[str]]) -> Callable[[], Iterable[str]]:
    """Nothing to offer where there is no archive, or it is damaged."""

    def readable() -> Iterable[str]:
        try:
            return accepted()
        except UserError:
            return ()

    return readable


MODEL = of_axis("model")
DEVICE = of_axis("device")
SUITE = of_names(named_suites.names)
FORMAT = of_names(formats.names)
CLAIM = of_names(_claims)
ARCHIVED_CASE = of_names(lambda: ("ack", "unack", *_where_readable(_archived_cases)()))
"""And commands, which may stand where a case does."""
NEW_STEP = of_names(_where_readable(_new_steps))
ACKNOWLEDGED = of_names(_where_readable(_acknowledged))
