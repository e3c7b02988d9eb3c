"""Slurm, through its own commands: sbatch, squeue, scancel, sinfo, and sacct where there is accounting."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from bench.contracts.executor import Job, JobEnd, JobPhase, JobState, Node, Refused, Submitted, Unreachable
from bench.schema.fleet_plan import Site
from models.errors import UserError, nearest

_WAITING = (
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "REQUEUE_FED",
    "SPECIAL_EXIT",
    "RESV_DEL_HOLD",
)
_RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "SIGNALING", "STAGE_OUT", "STOPPED", "RESIZING")
_ENDS: Mapping[str, JobEnd] = {
    "TIMEOUT": "timed out",
    "DEADLINE": "timed out",
    "NODE_FAIL": "node lost",
    "BOOT_FAIL": "node lost",
    "CANCELLED": "cancelled",
    "PREEMPTED": "cancelled",
    "REVOKED": "cancelled",
}
"""Any other state, as COMPLETED, FAILED and OUT_OF_MEMORY, is an end by itself."""
_UP = ("IDLE", "MIXED", "ALLOCATED", "COMPLETING", "PLANNED", "RESERVED")
_HOPELESS = ("ReqNodeNotAvail", "UnavailableNodes", "PartitionDown", "PartitionInactive", "PartitionConfig")
_GPUS = re.compile(r"\bgpu(?::[^:,()]+)?:([0-9]+)")
_SECONDS = 60.0
"""A scheduler that is busy answers late."""


class SlurmExecutor:
    """One job pinned on each node. A job outlives the command that submitted it."""

    name = "slurm"
    summary = "Slurm: one job on each node, by sbatch"
    jobs_at_once: int | None = None
    is_here = False

    def why_absent(self) -> str | None:
        """Where there is no sbatch."""
        if shutil.which("sbatch") is None:
            return "--executor slurm needs Slurm's commands, and there is no sbatch on this machine"
        return None

    def nodes(self, wanted: str | None, site: Site) -> tuple[Node, ...]:
        """Those of the list, the first so many that get jobs, or all of the partition. UserError for one that
        Slurm does not know; Unreachable where it does not answer."""
        known = _known(site.partition)
        if not known:
            where = f"partition {site.partition}" if site.partition else "default partition"
            raise UserError(f"Slurm has no nodes in the {where}")
        if wanted is None:
            return tuple(known.values())
        if wanted.isdecimal():
            able = [node for node in known.values() if node.why_unusable is None]
            if not 1 <= int(wanted) <= len(able):
                raise UserError(f"--nodes {wanted}: {len(able)} of {len(known)} nodes get jobs now")
            return tuple(able[: int(wanted)])
        names = _asked(["scontrol", "show", "hostnames", wanted]).split()
        for name in names:
            if name not in known:
                raise UserError(f"Slurm knows no node {name!r} there{nearest(name, list(known))}")
        return tuple(known[name] for name in dict.fromkeys(names))

    def submit(self, job: Job, site: Site) -> str:
        """Give it to sbatch; its environment goes along, as sbatch's own default is."""
        words = [*_words(job), *(["--exclusive", "--mem=0"] if site.exclusive else [])]
        words += [f"--partition={site.partition}"] if site.partition else []
        done = _run(["sbatch", *words, *site.options, str(job.script)])
        id_, _, _ = done.stdout.strip().partition(";")
        if done.returncode != 0 or not id_:
            said = _sentence(done.stderr) or f"sbatch ended with exit code {done.returncode}"
            raise (Unreachable if _is_silence(said) else Refused)(said)
        return id_.splitlines()[-1]

    def states(self, submitted: Sequence[Submitted]) -> Mapping[str, JobState]:
        """By squeue, which forgets a job some minutes after its end; then by sacct, where it is kept."""
        names = {each.job.name for each in submitted}
        found = _told(_asked(["squeue", "-h", "--me", "-r", "-t", "all", "-o", "%j|%i|%T|%r"]), names)
        missing = [each.id for each in submitted if each.job.name not in found and each.id is not None]
        if missing:
            fields = "--format=JobName%200,JobID,State,Reason"
            done = _run(["sacct", "-n", "-X", "-P", f"--jobs={','.join(missing)}", fields])
            if done.returncode == 0:  # else there is no accounting
                found = {**_told(done.stdout, names), **found}
        return found

    def cancel(self, submitted: Sequence[Submitted]) -> None:
        """By id; of a job whose id is not known, by the one that Slurm knows under its name."""
        known = self.states(submitted)
        ids = {state.id for state in known.values() if state.phase != "ended"}
        ids |= {each.id for each in submitted if each.id is not None and each.job.name not in known}
        if ids:
            done = _run(["scancel", *sorted(ids)])
            if done.returncode != 0 and _is_silence(_sentence(done.stderr)):
                raise Unreachable(_sentence(done.stderr))


def _words(job: Job) -> list[str]:
    """sbatch reads `%` in the name of a log as the beginning of a pattern."""
    return [
        "--parsable",
        f"--job-name={job.name}",
        f"--nodelist={job.node}",
        "--nodes=1",
        "--ntasks=1",
        "--no-requeue",
        f"--time={math.ceil(job.seconds / 60)}",
        f"--output={str(job.log).replace('%', '%%')}",
        "--open-mode=append",
    ]


def _known(partition: str | None) -> dict[str, Node]:
    """The nodes of a partition, or of the default one, in Slurm's order."""
    asked = [
        "sinfo",
        "-h",
        "-N",
        "-o",
        "%N|%T|%G|%P|%E",
        *([f"--partition={partition}"] if partition else []),
    ]
    found: dict[str, Node] = {}
    for line in _asked(asked).splitlines():
        name, state, gres, of, why = line.strip().split("|", 4)
        if partition is None and not of.endswith("*"):
            continue
        found[name] = Node(
            name=name,
            gpus=sum(int(count) for count in _GPUS.findall(gres)),
            why_unusable=_why_unusable(state, why),
        )
    return found


def _why_unusable(state: str, why: str) -> str | None:
    """`*` behind a state means that the node does not answer."""
    word = state.rstrip("~#!%$@^-+").upper()
    if word in _UP:
        return None
    reason = "" if why in ("none", "") else f": {why}"
    return f"{state}{reason}"


def _told(text: str, names: Iterable[str]) -> dict[str, JobState]:
    """Lines `NAME|ID|STATE|REASON` of our jobs."""
    wanted, found = set(names), {}
    for line in text.splitlines():
        name, id_, state, reason = (*line.split("|"), "", "", "")[:4]
        if name in wanted and state:
            found[name] = _job_state(id_, state.split()[0], reason)
    return found


def _job_state(id_: str, word: str, reason: str) -> JobState:
    """`reason` is `None` where Slurm has none."""
    phase: JobPhase = "waiting" if word in _WAITING else "running" if word in _RUNNING else "ended"
    return JobState(
        id=id_,
        phase=phase,
        is_hopeless=phase == "waiting" and any(each in reason for each in _HOPELESS),
        end=_ENDS.get(word, "by itself") if phase == "ended" else None,
        word=word,
        reason="" if reason == "None" else reason,
    )


def _asked(words: Sequence[str]) -> str:
    """What a command prints. Raises Unreachable where it fails, UserError where it refuses a name."""
    done = _run(words)
    if done.returncode == 0:
        return done.stdout
    said = _sentence(done.stderr) or f"{words[0]} ended with exit code {done.returncode}"
    if "nvalid" in said and not _is_silence(said):
        raise UserError(f"{words[0]}: {said}")
    raise Unreachable(said)


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """In a session of its own, so that Ctrl-C does not end it half-way. Raises Unreachable."""
    try:
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{words[0]} did not answer within {_SECONDS:.0f} s") from None
    except OSError as error:
        raise Unreachable(f"cannot start {words[0]}: {error.strerror or error}") from error


def _is_silence(said: str) -> bool:
    """Whether it is the controller that does not answer, and no refusal."""
    return any(
        each in said.lower()
        for each in ("unable to contact", "timed out", "connection refused", "zero bytes")
    )


def _sentence(stderr: str) -> str:
    """The last line of what a command says, without its own name or a hint at its help."""
    stripped = (line.strip() for line in stderr.splitlines())
    lines = [line for line in stripped if line and not line.startswith("Try ")]
    return re.sub(r"^\w+: (error: )?", "", lines[-1]) if lines else ""


EXECUTOR = SlurmExecutor()
