"""`convbench scale --nodes` on a real Slurm cluster: ranks of one job on two nodes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.store import read_records
from tests.planted import slurm_cluster
from tests.planted.commands import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

SCRIPT = """#!/bin/bash
cd {root}
export OMP_NUM_THREADS=1
{python} -m convbench scale lenet5 --ranks {ranks} --nodes 2 --batch {ranks} --replicates 1 \
    --target-ci 50% --threads 1 --out {out} > {out}.log 2>&1
echo $? > {out}.code
"""


def test_ranks_beyond_one_nodes_cores_lie_on_the_next(tmp_path: Path) -> None:
    """Twice as many ranks as a node has cores: the first half is the first node's."""
    out, ranks = tmp_path / "run", 2 * len(os.sched_getaffinity(0))
    script = tmp_path / "job.sh"
    script.write_text(SCRIPT.format(root=ROOT, python=sys.executable, out=out, ranks=ranks))
    with TemporaryDirectory() as short, slurm_cluster.running(Path(short), nodes=2) as cluster:
        cluster.call(
            "sbatch", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2", "-o", "/dev/null", str(script)
        )
        code = Path(f"{out}.code")
        slurm_cluster.wait_until(code.exists, 180)
    assert code.read_text().strip() == "0", Path(f"{out}.log").read_text()
    (record,) = read_records(out / "records.jsonl")
    assert [rank.rank for rank in record.ranks] == list(range(ranks))
    assert [rank.local_rank for rank in record.ranks] == [*range(ranks // 2)] * 2
