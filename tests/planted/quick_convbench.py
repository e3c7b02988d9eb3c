"""What a node runs in the place of convbench: the same plan, folder, store and exit codes, and a record with
a known answer for each process instead of a measurement. PLANTED says what befalls it on this node:

slow      each process takes 2 s
stuck     after the first process nothing more happens
bad       exit code 2, as for bad input
crash     the second process has crashed
oom       the second process did not fit
budget    exit code 3 after the first process

It finds the node's name as convbench does. A device `cuda` gets the folders GPU-a and GPU-b.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path

from msgspec import structs

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench.plan import plan_processes, suite_plan  # noqa: E402
from bench.plan.axes import AXES, read  # noqa: E402
from bench.runner import plan_file  # noqa: E402
from bench.schema.case import Case  # noqa: E402
from bench.schema.record import Record  # noqa: E402
from bench.store import RECORDS, Store  # noqa: E402
from models.errors import UserError  # noqa: E402
from tests.planted import planted_records  # noqa: E402

SECONDS = 0.004
PLANTED = os.environ.get("PLANTED", "")


def main() -> int:
    """As `convbench run`: the exit code."""
    words = sys.argv[2:]
    options = {word: value for word, value in itertools.pairwise(words) if word.startswith("--")}
    out = Path(options["--out"])
    if PLANTED == "bad":
        sys.stderr.write("convbench: unknown model 'lenet6'. Did you mean 'lenet5'?\n")
        return 2
    folders = [out / name for name in ("GPU-a", "GPU-b")] if options.get("--gpu") == "all" else [out]
    try:
        return max(measured(folder, options, resume="--resume" in words) for folder in folders)
    except UserError as error:
        sys.stderr.write(f"convbench: {error}\n")
        return 2


def measured(out: Path, options: dict[str, str], *, resume: bool) -> int:
    """A record for each process that is missing."""
    given = {axis: read(axis, [options[f"--{axis}"]]) for axis in AXES if f"--{axis}" in options}
    asked = suite_plan.Asked(
        suite=options["--suite"], given=given, replicates=options.get("--replicates"), ceilings=False
    )
    plan = plan_file.plan_for(asked, out, resume=resume)
    pending = plan_file.pending(plan, out) if resume else plan_processes.of_plan(plan)
    is_there = (out / RECORDS).exists()
    with Store.resume(out) if is_there else Store.create(out) as store:
        plan_file.write(out, plan)
        for number, case in enumerate(pending, start=1):
            store.append(record(case, number))
            if PLANTED == "budget":
                return 3
            if PLANTED in ("slow", "stuck"):
                time.sleep(2 if PLANTED == "slow" else 600)
    return 1 if PLANTED in ("crash", "oom") and len(pending) > 1 else 0


def record(case: Case, number: int) -> Record:
    """Of one process; its machine has this node's name."""
    host = structs.replace(planted_records.MACHINE, host=os.environ.get("CONVBENCH_NODE_NAME", "lab"))
    if number == 2 and PLANTED == "crash":
        return planted_records.record(case, status="crashed", reason="Segmentation fault", environment=host)
    if number == 2 and PLANTED == "oom":
        return planted_records.record(case, status="oom", reason="out of memory", environment=host)
    sys.stderr.write(f"convbench: {number} {case.id} #{case.replicate}: 4 ms\n")
    return planted_records.record(case, planted_records.time("forward", SECONDS), environment=host)


if __name__ == "__main__":
    sys.exit(main())
