"""What an archive keeps beside a file of another tool (`import.json`): what the file itself does not say."""

from __future__ import annotations

from msgspec import Struct

IMPORT_SCHEMA = 1
"""Of `import.json`; a newer one is refused."""


class ImportNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `import.json`.

    tool     that wrote the file: `timm`, `hyperfine`, `pytest-benchmark`
    at       when it was measured, ISO 8601 in UTC; "" where the file says it
    is_modification_time  whether `at` is only when the file was last written
    machine  what it was measured on; "" where the file says it, or nobody does
    variant  what else tells its benchmarks from others, as `amp-nchw`; may be empty
    """

    schema: int = IMPORT_SCHEMA
    tool: str
    at: str = ""
    is_modification_time: bool = False
    machine: str = ""
    variant: str = ""
