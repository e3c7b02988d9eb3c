"""How a report came about: by which commands and versions, when and on which machines it was measured."""

from __future__ import annotations

from msgspec import structs

from reports.document import Origin
from reports.sections.machine_tables import machine_lines
from reports.summary.figures import Summary


def origin_of(summary: Summary | None) -> Origin | None:
    """That of the records of a summary; None where there are none."""
    if summary is None or not summary.environments:
        return None
    environments = list(summary.environments.values())
    versions = (each.libraries.get("convbench") for each in environments)
    commits = (each.commit for each in environments)
    return structs.replace(
        summary.origin,
        machines=tuple(machine_lines(summary)),
        versions=tuple(dict.fromkeys(version for version in versions if version)),
        commits=tuple(dict.fromkeys(commit for commit in commits if commit)),
    )
