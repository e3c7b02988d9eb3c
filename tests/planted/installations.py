"""Other installations of convbench, made of the standard library alone: what an interpreter finds in them."""

from __future__ import annotations

import sys
from pathlib import Path

ENTRY = """
import sys
from bench.somewhere.else_ import serve

def main():
    serve(*sys.argv[1:])
"""
SERVER = """
import base64, json, os, pathlib, sys

READY = {ready!r}
ENVIRONMENT = {{
    "host": "other", "os": "Linux", "python": "3.12", "cpu": "a processor", "cores_physical": 2,
    "cores_usable": 2, "memory_bytes": 1 << 30, "gpu": None, "libraries": {{}}, "variables": {{}},
    "commit": None,
}} | {machine!r}

def measure(job):
    seconds = [1e-3 + 1e-6 * number for number in range(6)]
    times = {{"phase": "forward", "metric": "wall_time", "unit": "s", "samples": seconds}}
    record = {{
        "schema": 3, "case": job["case"], "protocol": job["protocol"], "status": "ok",
        "measurements": [times], "environment": ENVIRONMENT, "started_at": "2026-01-01T00:00:00+00:00",
    }} | {record!r}
    return {{"record": record, "first_step_at": None, "a field of its own": 1}}

def why_unusable(cases):
    return [{reason!r} for case in cases]

ANSWERS = {{"measure": measure, "why-unusable": why_unusable, "describe": lambda _: ENVIRONMENT}}

def serve(parent, wire, *kinds):
    assert (int(parent), wire) == (os.getppid(), "1"), sys.argv
    {dying}
    say(READY)
    for line in sys.stdin:
        message = json.loads(line)
        assert message["type"] == "request", message
        argument = base64.b64decode(message["argument"])
        answer = ANSWERS[message["question"]](json.loads(argument) if argument else None)
        pathlib.Path(message["folder"], "result").write_text(json.dumps(answer))
        say({{"type": "ended", "code": 0, "peak_rss_bytes": 1 << 20, "a field of its own": 1}})

def say(message):
    print(json.dumps(message), flush=True)
"""
READY = {
    "type": "ready",
    "wire": 1,
    "convbench": "0.9",
    "schema": 3,
    "questions": ["measure", "why-unusable", "describe"],
    "a field of its own": 1,
}


def installation(
    folder: Path,
    *,
    version: str | None = "0.9",
    entry: str | None = ENTRY,
    dying: str = "pass",
    reason: str | None = None,
    record: dict[str, object] | None = None,
    machine: dict[str, object] | None = None,
    **ready: object,
) -> Path:
    """The interpreter of an installation in a new folder, whose modules are laid out in a way of their own.

    version  of the convbench that its metadata know; None for somebody else's `bench`
    entry    the text of bench/entry.py, or None for a convbench from before there was one
    dying    a statement that it runs while starting
    reason   why it can run no case
    record   fields of the records that it answers with
    machine  fields of its environment
    ready    fields of its first message
    """
    site = folder / "site"
    inner = site / "bench" / "somewhere"
    inner.mkdir(parents=True)
    (site / "bench" / "__init__.py").touch()
    (inner / "__init__.py").touch()
    text = SERVER.format(
        ready=READY | ready, dying=dying, reason=reason, record=record or {}, machine=machine or {}
    )
    (inner / "else_.py").write_text(text)
    if entry is not None:
        (site / "bench" / "entry.py").write_text(entry)
    if version is not None:
        metadata = site / f"convbench-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: convbench\nVersion: {version}\n")
    return _interpreter(folder / "python", site)


def _interpreter(python: Path, site: Path) -> Path:
    """This one, with the modules of `site` alone."""
    # -S: this environment's own convbench is not to be found.
    python.write_text(f'#!/bin/sh\nexport PYTHONPATH="{site}"\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    return python
