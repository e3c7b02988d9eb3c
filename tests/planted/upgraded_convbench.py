"""What the nodes of the walk-through run in the place of convbench: times that are known beforehand.

Node 3 is 9% slower than the others, in both runs. After the upgrade, which is a variable that the job's setup
exports, all are about 6% slower, and the node that FLIPS_ON names computes other bits.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from msgspec import structs

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.schema.case import Case
from bench.schema.phases import whole
from bench.schema.record import Record
from bench.schema.step_digest import StepDigest
from tests.planted import planted_records, quick_convbench

NODE = os.environ["CONVBENCH_NODE_NAME"]
FLIPS_ON = "PLANTED_FLIP_ON"
UPGRADE = "ONEDNN_MAX_CPU_ISA"
NODES = {"1": 1.0, "2": 1.004, "3": 1.09, "4": 0.997}
"""By the last character of its name."""
LOSS = {"1": 1.060, "2": 1.063, "3": 1.057, "4": 1.061}
"""After the upgrade."""
PROCESSES = (1.0, 1.002, 0.998)
RIGHT = StepDigest(loss="a", gradients="b", weights="c")
WRONG = StepDigest(loss="a", gradients="x", weights="y")


def record(case: Case, number: int) -> Record:
    """Of one process of this node."""
    seconds = (
        0.1
        * NODES[NODE[-1]]
        * PROCESSES[case.replicate % 3]
        * (LOSS[NODE[-1]] if UPGRADE in os.environ else 1)
    )
    phase = whole(case)
    assert phase is not None
    machine = structs.replace(planted_records.MACHINE, host="laptop", node=NODE, machine_id="laptop")
    found = planted_records.record(case, planted_records.time(phase, seconds), environment=machine)
    if case.replicate > 1:
        return found
    flips = UPGRADE in os.environ and os.environ.get(FLIPS_ON) == NODE
    return structs.replace(found, step_digest=WRONG if flips else RIGHT)


if __name__ == "__main__":
    quick_convbench.record = record
    sys.exit(quick_convbench.main())
