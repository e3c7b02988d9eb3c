"""A real Slurm cluster of several nodes on this one host: a munged, a slurmctld and a slurmd for each node,
all of them children of the tests, with all files in one folder. No /etc, no systemd, no cgroups.

What one host cannot show: all nodes have its clock, its disks and its cores.
"""

from __future__ import annotations

import getpass
import os
import platform
import random
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
MOST_CHARACTERS = 60
"""Of the folder's path: that of a socket in it may have 107."""
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_UP = {"idle", "mixed", "allocated", "completing"}

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=256
# Short, so that a test sees in seconds what a cluster takes minutes for.
SlurmdTimeout=10
SlurmctldTimeout=10
MessageTimeout=5
KillWait=3
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
ReturnToService=2
MinJobAge=86400
"""
_NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=4096 "
    "State=UNKNOWN\n"
)
_PARTITION = "PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"


def why_absent() -> str | None:
    """A sentence where Slurm is not installed."""
    missing = [tool for tool in NEEDED if shutil.which(tool, path=_PATH) is None]
    return f"no {', '.join(missing)}: apt-get install slurm-wlm munge" if missing else None


class SlurmCluster:
    """Nodes node1, node2, ... of a partition `test`; `environment` leads every command of Slurm to it."""

    def __init__(self, folder: Path, nodes: int = 4) -> None:
        assert len(str(folder)) <= MOST_CHARACTERS, folder
        self.folder, self.nodes = folder, [f"node{number}" for number in range(1, nodes + 1)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
        self.environment = {**kept, "PATH": _PATH, "SLURM_CONF": str(folder / "slurm.conf"), "LC_ALL": "C"}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """All that does not run, until every node is up."""
        if not (self.folder / "slurm.conf").exists():
            self._write()
        if not self._runs("munged"):
            socket_ = self.folder / "munge.socket"
            socket_.unlink(missing_ok=True)
            files = [f"--{each}-file={self.folder}/munge.{each}" for each in ("key", "pid", "log", "seed")]
            self._spawn("munged", "munged", "--foreground", "--force", f"--socket={socket_}", *files)
            wait_until(socket_.exists, 10)
        if not self._runs("slurmctld"):
            self._spawn("slurmctld", "slurmctld", "-D")
        for node in self.nodes:
            if not self._runs(node):
                self._spawn(node, "slurmd", "-D", "-N", node)
        wait_until(self._is_up, 30, self._resume)

    def kill_node(self, node: str, *, with_jobs: bool = True) -> None:
        """As if its power went; or, without its jobs, as if its network did: they live on and write."""
        self._daemons.pop(node).kill()
        for step in list(self._steps(node)):
            below = step.children(recursive=True) if with_jobs else []
            for each in (step, *below):
                with suppress(psutil.NoSuchProcess):
                    each.kill()

    def stop(self) -> None:
        """End the jobs and all daemons."""
        with suppress(subprocess.TimeoutExpired):
            for signal in ((), ("--signal=KILL", "--full")):
                self.call("scancel", f"--user={getpass.getuser()}", *signal)
        with suppress(AssertionError):
            wait_until(lambda: not list(self._steps()), 5)
        for daemon in self._daemons.values():
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for step in list(self._steps()):
            step.kill()

    def call(self, *words: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=20)
        return done.stdout

    def _runs(self, name: str) -> bool:
        return name in self._daemons and self._daemons[name].poll() is None

    def _spawn(self, name: str, program: str, *words: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            found = shutil.which(program, path=_PATH)
            self._daemons[name] = subprocess.Popen(
                [found or program, *words],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_up(self) -> bool:
        states = self.call("sinfo", "-h", "-N", "-o", "%T").split()
        return len(states) == len(self.nodes) and set(states) <= _UP

    def _resume(self) -> None:
        """A node that was lost is down until it answers again, or until a person says so."""
        for line in self.call("sinfo", "-h", "-N", "-o", "%N %T").splitlines():
            node, state = line.split()
            if state in ("down", "drained"):
                self.call("scontrol", "update", f"nodename={node}", "state=resume")

    def _steps(self, node: str = "") -> Iterator[psutil.Process]:
        """The processes that our slurmd of a node started for jobs: each has that one's log open."""
        begins = f"{self.folder}/log/slurmd-{f'{node}.' if node else ''}"
        for each in psutil.process_iter(["name"]):
            if each.info["name"] == "slurmstepd":
                with suppress(psutil.Error):
                    if any(file.path.startswith(begins) for file in each.open_files()):
                        yield each

    def _write(self) -> None:
        for name in ("state", "log", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        host, ports = platform.node().partition(".")[0], _free_ports(1 + len(self.nodes))
        text = _CONF.format(host=host, user=getpass.getuser(), folder=self.folder, port=ports[0])
        for name, port in zip(self.nodes, ports[1:], strict=True):
            text += _NODE.format(name=name, host=host, port=port)
        (self.folder / "slurm.conf").write_text(text + _PARTITION, encoding="utf-8")


@contextmanager
def running(folder: Path, nodes: int = 4) -> Iterator[SlurmCluster]:
    """A cluster from its start to its end."""
    cluster = SlurmCluster(folder, nodes)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def wait_until(is_so: Callable[[], object], seconds: float, meanwhile: Callable[[], object] = bool) -> None:
    """Look twice a second; AssertionError where it does not come."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds} s"
        meanwhile()
        time.sleep(0.5)


def _free_ports(count: int) -> list[int]:
    """That nobody listens on; below those that the kernel gives to whoever asks, and drawn, so that two
    clusters that start at once take others."""
    found: list[int] = []
    for port in random.sample(range(10_000, 32_000), 100 * count):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    assert len(found) == count, "no ports are free"
    return found
