"""Jobs of this host, as processes."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from bench.contracts.executor import Job, Submitted
from bench.executors import local
from bench.executors.local import LocalExecutor
from bench.schema.fleet_plan import Site
from tests.planted.slurm_cluster import wait_until


@pytest.mark.parametrize("trap", ["sleep 0.5; exit", ""], ids=["ends late", "never ends"])
def test_nothing_of_a_cancelled_job_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    """The job's own process ends at once; what runs below it may end later, or only when it is killed."""
    monkeypatch.setattr(local, "_KILL_SECONDS", 2)
    script, below, pid = tmp_path / "job.sh", tmp_path / "below.sh", tmp_path / "pid"
    below.write_text(
        f"trap '{trap}' TERM\necho $$ > {pid}.new\nmv {pid}.new {pid}\nwhile :; do sleep 0.1; done\n"
    )
    script.write_text(f"bash {below}\ntrue\n")
    job = Job(name="job", node="cell1", script=script, log=tmp_path / "job.log", seconds=60)
    executor = LocalExecutor()
    submitted = Submitted(job=job, id=executor.submit(job, Site(convbench=("true",))))
    wait_until(pid.exists, 20)
    executor.cancel([submitted])
    number = int(pid.read_text())
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("2", ["cell1", "cell2"]),
        ("n[1-3,7],m2", ["n1", "n2", "n3", "n7", "m2"]),
        ("gpu[08-10]", ["gpu08", "gpu09", "gpu10"]),
        (" a, a ,b", ["a", "b"]),
    ],
)
def test_cells_are_named_as_schedulers_name_nodes(wanted: str, names: list[str]) -> None:
    nodes = LocalExecutor().nodes(wanted, Site(convbench=("true",)))
    assert [node.name for node in nodes] == names
