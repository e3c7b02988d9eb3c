"""The constants of the published prior (bench/stats/published_prior.py), from run folders.

    python examples/refit_prior.py runs/first runs/second

What counts is the wall time of the whole step of every case of two processes or more that ended well. Runs of
one host and processor are of one machine. Measure on a machine that nobody else uses, with five processes of
a case or more: `convbench run --suite standard --replicates 5 --out runs/first`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from bench.schema.phases import whole
from bench.schema.record import Record
from bench.stats.moderation import ProcessScatter, Scatter, case_scatter, process_scatter
from bench.stats.prior_refit import refit
from bench.store import RECORDS, read_records
from models.errors import UserError

METRIC = "wall_time"


def main() -> int:
    folders = [Path(word) for word in sys.argv[1:]]
    if not folders:
        print("name the folders of one run or several", file=sys.stderr)
        return 2
    try:
        machines = scatters(folders)
        found = refit(list(machines.values()))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for machine, cases in machines.items():
        several = [case.processes for case in cases if case.processes > 1]
        print(f"# {machine}: {len(several)} cases, {sum(several)} processes")
    for name, value in structs.asdict(found).items():
        print(f"{name}={value:.4g},")
    return 0


def scatters(folders: Iterable[Path]) -> dict[str, list[Scatter]]:
    """By machine; the same case in two runs counts twice."""
    machines: dict[str, list[Scatter]] = {}
    for folder in folders:
        cases: dict[object, tuple[str, list[ProcessScatter]]] = {}
        for record in read_records(folder / RECORDS):
            found = _scatter(record)
            if found is not None and record.environment is not None:
                machine = f"{record.environment.host}, {record.environment.cpu}, {record.case.device}"
                key = machine, structs.replace(record.case, replicate=1)
                cases.setdefault(key, (machine, []))[1].append(found)
        for machine, processes in cases.values():
            machines.setdefault(machine, []).append(case_scatter(processes))
    return machines


def _scatter(record: Record) -> ProcessScatter | None:
    """Of the whole step; None where it was not timed, or not well."""
    step = whole(record.case)
    for each in record.measurements if record.status == "ok" else []:
        if (each.phase, each.metric, each.layer) == (step, METRIC, None) and not each.disturbed:
            return process_scatter(each.samples)
    return None


if __name__ == "__main__":
    sys.exit(main())
