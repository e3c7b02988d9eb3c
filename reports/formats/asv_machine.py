"""The machine of a results file of airspeed velocity, for `results/MACHINE/machine.json`.

https://asv.readthedocs.io
"""

from __future__ import annotations

import msgspec

from bench.schema.plain_text import encode
from reports.document import Document, Origin
from reports.tables.exported_figures import exported_machine

NEEDS_TIMES = True
"""Only a document of measurements has a machine."""
_API_VERSION = 1


def render(document: Document) -> str:
    """One object. All that is known of the machine is in its name, as results files have it."""
    origin = document.origin or Origin()
    fields = {"machine": exported_machine(origin), "version": _API_VERSION}
    return msgspec.json.format(encode(fields), indent=1).decode() + "\n"
