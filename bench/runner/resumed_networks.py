"""Whether a run that goes on still means the networks that it began with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.forkserver.client import Server
from bench.runner.questions import ask_child
from bench.schema import job
from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint, difference, same_network
from bench.schema.record import Record
from bench.store import Store
from models.errors import UserError

_LIMIT_SECONDS = 600.0
"""Time to build each network once."""


class RecordedNetworks:
    """For each network of some planned cases what it was in the first record that says it."""

    def __init__(self, planned: Sequence[Case]) -> None:
        self._wanted = {case.inputs for case in planned if case.workload != "ceiling"}
        self._first: dict[object, tuple[Case, NetworkFingerprint]] = {}

    def take(self, record: Record) -> None:
        """The next record."""
        if record.status == "ok" and record.fingerprint is not None and record.case.inputs in self._wanted:
            self._first.setdefault(record.case.inputs, (record.case, record.fingerprint))

    def refuse_changed(self, directory: Path, server: Server) -> None:
        """Raise UserError where a planned name stands for another network than in the records, if there are
        any.

        Nothing is measured: a child builds each network once. One that cannot be built any more is not
        refused, for its own process says why.
        """
        if not self._first:
            return
        cases = job.encode([case for case, _ in self._first.values()])
        answer = ask_child(job.IDENTIFY, cases, server, _LIMIT_SECONDS, "the networks cannot be compared")
        found = msgspec.json.decode(answer, type=list[NetworkFingerprint | None])
        for (case, before), now in zip(self._first.values(), found, strict=True):
            if now is not None:
                refuse_other(case, before, now, f"the one in {directory}")


def refuse_changed(store: Store | None, planned: Sequence[Case], server: Server) -> None:
    """`RecordedNetworks.refuse_changed` of all that a folder holds, if it holds any."""
    if store is None:
        return
    networks = RecordedNetworks(planned)
    for record in store.records():
        networks.take(record)
    networks.refuse_changed(store.directory, server)


def refuse_other(case: Case, before: NetworkFingerprint, now: NetworkFingerprint, which: str) -> None:
    """Raise UserError where two records-to-be of one name are of two networks; `which` is the first."""
    if not same_network(before, now):
        raise UserError(
            f"{case.model} is no longer {which} (before / now: {difference(before, now)}). "
            "Choose another --out, or restore the network"
        )
