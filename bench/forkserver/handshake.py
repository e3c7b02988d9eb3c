"""Whether this convbench and the one that another interpreter starts can talk, and else why not; no torch."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.forkserver.wire import WIRE, Ready
from bench.schema.record import SCHEMA

_PROBE_SECONDS = 60.0
_PROBE = """
import importlib.metadata, importlib.util, json
try:
    version = importlib.metadata.version("convbench")
except importlib.metadata.PackageNotFoundError:
    version = ""
try:
    has_entry = importlib.util.find_spec("bench.entry") is not None
except Exception:
    has_entry = False
print(json.dumps({"version": version, "has_entry": has_entry}))
"""


class _Installation(Struct, frozen=True, kw_only=True):
    """What an interpreter finds; the version is empty where its metadata know no convbench."""

    version: str
    has_entry: bool


def why_not_understood(python: Path, ready: Ready) -> str | None:
    """Why nothing may be asked of the server that an interpreter started; None where all is well."""
    named = _named(python, ready.convbench)
    if ready.wire != WIRE:
        return f"{named} speaks wire {ready.wire}, this one wire {WIRE}"
    if ready.schema > SCHEMA:
        return f"{named} writes schema {ready.schema}, this one reads up to {SCHEMA}"
    return None


def why_not_asked(python: Path, ready: Ready, question: str, asking: str) -> str | None:
    """Why the server cannot be asked a question; `asking` says what that is for: `measure ceilings`."""
    if question in ready.questions:
        return None
    return f"{_named(python, ready.convbench)} cannot {asking}"


def why_not_started(python: Path, environment: Mapping[str, str], problem: str) -> str:
    """Why the server of another interpreter did not start; `problem` is what could be seen from outside."""
    found = _installation(python, environment)
    if found is None:
        return f"{python} cannot measure: {problem}"
    if found.has_entry:
        return f"{_named(python, found.version)} did not start: {problem}"
    if not found.version:
        return f"convbench is not installed in {python}"
    return f"{_named(python, found.version)} is older than wire {WIRE}. Install a newer one there"


def _named(python: Path, version: str) -> str:
    return f"{python}'s convbench {version}".rstrip()


def _installation(python: Path, environment: Mapping[str, str]) -> _Installation | None:
    """What another interpreter finds; None where it cannot be asked."""
    try:
        done = subprocess.run(
            [str(python), "-P", "-c", _PROBE],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Installation)
    except (OSError, subprocess.SubprocessError, IndexError, msgspec.DecodeError, UnicodeDecodeError):
        return None
