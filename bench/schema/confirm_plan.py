"""Which units of a fleet are measured again, beside which others, as the fleet's folder keeps it
(`confirm/confirm.json`)."""

from __future__ import annotations

from msgspec import Struct

from bench.schema.units import Unit

CONFIRM_SCHEMA = 1
"""Of `confirm.json`; a newer one is refused."""


class Look(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A suspect and its two references, in rounds `first_round` to `last_round`."""

    suspect: Unit
    references: tuple[Unit, Unit]
    first_round: int
    last_round: int

    @property
    def units(self) -> tuple[Unit, Unit, Unit]:
        """All three, the suspect first."""
        return self.suspect, *self.references

    @property
    def rounds(self) -> range:
        """Their numbers."""
        return range(self.first_round, self.last_round + 1)


class ConfirmPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The looks of all calls of `fleet confirm`, in the order in which their suspects were found.

    seed  by which references and the order within a round are drawn
    """

    schema: int = CONFIRM_SCHEMA
    seed: str
    looks: tuple[Look, ...] = ()
