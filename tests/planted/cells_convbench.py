"""`quick_convbench` on cells of known speed: SLOWDOWNS says of each how much slower than the others it is, as
`cell3=0.10,cell4=0.02`. Processes scatter by 1%, in a way that depends on the folder alone.
"""

from __future__ import annotations

import math
import os
import random
import sys
from pathlib import Path

from msgspec import structs

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import executors
from bench.contracts.executor import Node
from bench.fleet import fleet_folder, fleet_plans, job_files
from bench.fleet.fleet_plans import FleetAsked
from bench.fleet.job_files import JobFiles, KeptJob
from bench.plan import plan_processes, suite_plan
from bench.schema.case import Case
from bench.schema.fleet_plan import FleetPlan, Site
from bench.schema.phases import whole
from bench.schema.record import Record
from tests.planted import planted_records, quick_convbench

SECONDS, PROCESS_SD = 0.004, 0.01


def record(case: Case, number: int) -> Record:
    """Of one process on this cell."""
    del number
    return timed(case, os.environ["CONVBENCH_NODE_NAME"], _slowdown(), Path(sys.argv[-1]))


def timed(case: Case, cell: str, slowdown: float, folder: Path) -> Record:
    """The record of a cell that is so much slower (a share)."""
    drawn = random.Random(f"{cell} {case.id} {case.replicate} {folder.parts[-4:]}").gauss(0, PROCESS_SD)
    host = structs.replace(planted_records.MACHINE, node=cell, machine_id="one")
    seconds = SECONDS * (1 + slowdown) * math.exp(drawn)
    return planted_records.record(
        case, planted_records.time(whole(case) or "forward", seconds), environment=host
    )


def fleet_of_cells(folder: Path, slowdowns: dict[str, float], executor: str = "local") -> FleetPlan:
    """A fleet that was measured: three processes of each case on each cell."""
    asked = suite_plan.Asked(suite="smoke", given={"device": ("cpu",)}, replicates=3, ceilings=False)
    plan = fleet_plans.of_nodes(
        FleetAsked(run=asked, site=Site(convbench=(sys.executable, __file__)), command="convbench fleet run"),
        executors.get(executor),
        [Node(name=cell) for cell in slowdowns],
        folder,
    )
    fleet_folder.write(folder, plan)
    for cell, slowdown in slowdowns.items():
        own = fleet_folder.attempt_folder(folder, cell, 1)
        cases = plan_processes.of_plan(plan.plan)
        planted_records.write(own, [timed(case, cell, slowdown, own) for case in cases])
        job = KeptJob(name=f"{plan.name}-{cell}-1", node=cell, attempt=1, seconds=3600.0, at=0.0, id="1")
        job_files.keep(folder, job)
        JobFiles(folder, job.name).path("exit").write_text("0\n")
    return plan


def _slowdown() -> float:
    given = dict(each.split("=") for each in os.environ.get("SLOWDOWNS", "").split(",") if each)
    return float(given.get(os.environ["CONVBENCH_NODE_NAME"], 0.0))


if __name__ == "__main__":
    quick_convbench.record = record
    sys.exit(quick_convbench.main())
