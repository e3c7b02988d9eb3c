"""What a figure is of: one GPU or one processor, and the node that it sits in."""

from __future__ import annotations

from pathlib import PurePath

from msgspec import Struct

from bench.schema.record import Environment

UUID_BEGINS = ("GPU-", "MIG-")
SHORT_UUID = 12
"""Characters of a UUID that name a GPU in tables and folders: `GPU-3f0c12ab`."""

REPLACED = "replaced.txt"
"""In the folder of a GPU that was not wholly measured before another took its place in the machine."""


def place_of(folder: PurePath) -> tuple[str, ...]:
    """Of a run folder, by its path in that of a host or a fleet, the GPU or node that it is of, whichever
    attempt: `nodes/NODE/GPU`."""
    return tuple(part for part in folder.parts if not part.isdecimal())


class Unit(Struct, frozen=True):
    """A GPU or a processor.

    id    the same in every record of the unit, and in no other's
    node  the machine that it is in, as its cluster calls it
    """

    id: str
    node: str

    @property
    def name(self) -> str:
        """For people: the beginning of a GPU's UUID, else the node's name."""
        return self.id[:SHORT_UUID] if self.is_gpu else self.node

    @property
    def is_gpu(self) -> bool:
        """Whether it is known by a UUID, and so may share its node."""
        return self.id.startswith(UUID_BEGINS)

    @property
    def machine(self) -> str:
        """What units of one machine share. Two clusters may have processors in nodes of one name."""
        return self.node if self.is_gpu else self.id


UNKNOWN = Unit("", "")
"""Of records that do not say where they were made."""


def unit_of(environment: Environment | None, *, uses_gpu: bool) -> Unit:
    """The unit that measured.

    A GPU is its UUID. A processor is the machine's id with the node's name, because machines that were set up
    from one image may share an id. Without one of these it is host and name.
    """
    if environment is None:
        return UNKNOWN
    node = environment.node or environment.host
    gpu = environment.gpu if uses_gpu else None
    if gpu is not None:
        return Unit(gpu.uuid or f"{node}/{gpu.name}", node)
    return Unit(f"{node}/{environment.machine_id or environment.cpu}", node)
