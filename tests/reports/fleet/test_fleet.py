"""A fleet of 1,000 nodes from its records to its report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.planted.commands import ROOT
from tests.planted.planted_fleet import Place, PlantedFleet, uuid, write_fleet

SLOW: tuple[Place, ...] = ((5, 3), (100, 1), (500, 2))
MOST_SECONDS, MOST_MIB = 60.0, 1024.0
"""On two quiet cores. Seconds of the processor are counted: on a quiet machine one waits no longer, since
the report works in one process."""

_REPORT = """
import json, resource, sys
from pathlib import Path
from reports import formats
from reports.fleet import fleet_document
found = fleet_document.build([Path(sys.argv[1])])
texts = {each: formats.render(each, found.document) for each in ("terminal", "json")}
used = resource.getrusage(resource.RUSAGE_SELF)
states = {row["uuid"]: row["state"] for row in found.document.rows}
print(json.dumps({
    "seconds": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024, "code": found.code,
    "suspects": [each for each, state in states.items() if state == "suspect"], "units": len(states),
    "about": texts["terminal"].splitlines()[0],
}))
"""


class Reported(msgspec.Struct):
    """What the program above prints."""

    seconds: float
    mib: float
    code: int
    suspects: list[str]
    units: int
    about: str


@pytest.mark.scale
def test_288_000_records_are_reported_within_a_minute_and_a_gibibyte(tmp_path: Path) -> None:
    """1,000 nodes x 8 GPUs x 12 cases x 3 processes, one node lost, three GPUs 5% slow."""
    fleet = PlantedFleet(nodes=1000, slow=dict.fromkeys(SLOW, 0.05), missing=frozenset({7}))
    folder = write_fleet(tmp_path / "fleet", fleet)
    command = [sys.executable, "-c", _REPORT, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = msgspec.json.decode(done.stdout, type=Reported)
    assert found.suspects == [uuid(place) for place in SLOW]
    assert (found.code, found.units) == (3, 999 * 8 + 1)
    assert "7,992 GPUs" in found.about
    assert found.seconds <= MOST_SECONDS
    assert found.mib <= MOST_MIB
