"""The harness measured: known answers recovered on this machine, in child processes; no torch here."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from bench import devices
from bench.forkserver.client import Server
from bench.host.gpu_choice import seeing_only
from bench.schema.check import Check
from models.errors import UserError

__all__ = ["Check", "rows"]

SELFTEST = "selftest"
"""The question, and what its children do."""
_LIMIT_SECONDS = 300.0


def rows(device: str = "auto", gpu: str | None = None) -> list[Check]:
    """The host's checks, and those of the device, or by `auto` of all that it may choose; those that cannot
    run are skipped. `gpu` is the full UUID of the only GPU that they see, or None.

    Takes about half a minute. Raises UserError for another device, for a named one that is not here, or where
    no child can be started.
    """
    absent = None if device == "auto" else devices.get(device).why_absent()
    if absent is not None:
        raise UserError(f"--device {device}: {absent}")
    chosen = devices.candidates() if device == "auto" else [devices.get(device)]
    groups = [devices.host().name, *(each.name for each in chosen if not each.traits.is_host)]
    with tempfile.TemporaryDirectory(prefix="convbench-") as folder, _server(gpu) as server:
        return [check for group in groups for check in _answers(group, server, Path(folder))]


def _server(gpu: str | None) -> Server:
    return Server(environment=seeing_only(gpu), preload=[SELFTEST])


def _answers(group: str, server: Server, folder: Path) -> list[Check]:
    """One group's rows; a child that dies is a failed check, and not the end."""
    outcome = server.run(
        SELFTEST,
        msgspec.json.encode(group),
        folder=folder / group,
        log=folder / f"{group}.log",
        time_limit_seconds=_LIMIT_SECONDS,
    )
    if outcome.result is None:
        measured = outcome.reason or outcome.kind
        return [Check(name=f"{group}: checks", status="fail", expected="answers", measured=measured)]
    try:
        return msgspec.json.decode(outcome.result, type=list[Check])
    except msgspec.DecodeError as error:
        raise UserError(f"the self-test's answers cannot be read: {error}") from error
