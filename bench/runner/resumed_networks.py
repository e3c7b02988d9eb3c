"""Whether a run that goes on still means the networks that it began with."""

from __future__ import annotations

from collections.abc import Sequence

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


def refuse_changed(store: Store | None, planned: Sequence[Case], server: Server) -> None:
    """Raise UserError where a planned name stands for another network than in the records, if there are any.

    Nothing is measured: a child builds each network once. One that cannot be built any more is not refused,
    for its own process says why.
    """
    wanted = {case.inputs for case in planned if case.workload != "ceiling"}
    recorded: dict[object, Record] = {}
    for record in store.records() if store is not None else ():
        if record.status == "ok" and record.fingerprint is not None and record.case.inputs in wanted:
            recorded.setdefault(record.case.inputs, record)
    if store is None or not recorded:
        return
    cases = job.encode([record.case for record in recorded.values()])
    answer = ask_child(job.IDENTIFY, cases, server, _LIMIT_SECONDS, "the networks cannot be compared")
    found = msgspec.json.decode(answer, type=list[NetworkFingerprint | None])
    for record, now in zip(recorded.values(), found, strict=True):
        if record.fingerprint is not None and now is not None:
            refuse_other(record.case, record.fingerprint, now, f"the one in {store.directory}")


def refuse_other(case: Case, before: NetworkFingerprint, now: NetworkFingerprint, which: str) -> None:
    """Raise UserError where two records-to-be of one name are of two networks; `which` is the first."""
    if not same_network(before, now):
        raise UserError(
            f"{case.model} is no longer {which}, then / now: {difference(before, now)}; "
            "choose another --out, or put the network back as it was"
        )
