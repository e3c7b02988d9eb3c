"""What an archive keeps: beside the packed files of a run (`entry.json`), under a name (`NAME.json`), and
as a label that was given later (`DIGEST.json`)."""

from __future__ import annotations

from msgspec import Struct

from bench.schema.record import Environment

ENTRY_SCHEMA = 1
"""Of `entry.json`; a newer one is refused."""
FACTS_VERSION = 1
"""Of what is gathered from records, and how. Raise it with any change: facts of another version are no
damage. The digest is made alike in all of them."""
PIN_SCHEMA = 1
"""Of a name; a newer one is refused."""
LABEL_SCHEMA = 1
"""Of a label; a newer one is refused."""


class KeptFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of a run: where it lay below its folder, its size in bytes, and the SHA-256 of its bytes."""

    path: str
    size: int
    sha256: str


class CaseFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a run has of one case on one kind of machine.

    case         its id; with a cold L2 (`--flush-l2`) `ID/cold-L2`: never pooled with times of warm caches
    kind         the GPU's name, or the processor's of a case that runs on none
    fingerprint  of the network's layers; "" where no record has one
    processes    that ended well
    failed       that ended otherwise, but for what was skipped
    seconds      of the processes that timed it the medians of a whole step, in s; none of the sides of `ab`,
                 which are compared and never one run
    units        of each of these the node and the GPU or processor in it, counted from 0; empty where one
                 measured all of them
    warnings     labels that these processes have, sorted
    origin       "" of our own measurements; of an imported file the tool that wrote it: `timm`, `hyperfine`,
                 `pytest-benchmark`
    """

    case: str
    model: str
    kind: str
    fingerprint: str
    processes: int
    failed: int
    seconds: tuple[float, ...]
    units: tuple[tuple[int, int], ...] = ()
    warnings: tuple[str, ...] = ()
    origin: str = ""


class RecordFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows from a run's records alone: equal whoever adds them, and whenever.

    digest                   the SHA-256 of the canonical records, in hexadecimal digits
    first                    of the first one: it stays when a run is resumed
    started_at, finished_at  of the first record and of the last; ISO 8601
    commands                 by which they were made
    environments             each that a record names, once
    cases                    what reports count: each process once, and nothing of `fleet confirm`
    damaged                  lines that are no records, of several files
    read_back                by kind of machine what processes read back, `fp32 conv` -> `tf32`; several
                             values as `ieee / tf32`
    """

    digest: str
    first: str
    records: int
    started_at: str
    finished_at: str
    commands: tuple[str, ...]
    environments: tuple[Environment, ...]
    cases: tuple[CaseFacts, ...]
    damaged: int = 0
    read_back: dict[str, dict[str, str]] = {}


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `entry.json`: a run in an archive.

    label     as `nightly`; may be empty. It may be given another one later, which lies beside the entry
    added_at  ISO 8601, UTC
    source    the folder as it was named
    files     in the order in which they are packed
    facts_version  by which `facts` were gathered
    """

    schema: int = ENTRY_SCHEMA
    facts_version: int = 1
    label: str
    added_at: str
    source: str
    files: tuple[KeptFile, ...]
    facts: RecordFacts

    @property
    def digest(self) -> str:
        """Its name in the archive."""
        return self.facts.digest

    @property
    def origin(self) -> str:
        """The tool whose file was imported; "" of a run of ours."""
        return next((case.origin for case in self.facts.cases), "")


class Pin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `NAME.json`: which entry a name stands for, and since when."""

    schema: int = PIN_SCHEMA
    digest: str
    pinned_at: str


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `DIGEST.json`: the label that an entry was given after it was added; may be empty."""

    schema: int = LABEL_SCHEMA
    label: str
    labeled_at: str
