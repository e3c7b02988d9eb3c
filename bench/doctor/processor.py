"""The processor: its clocks, who else uses it, and how much of it this process may use."""

from __future__ import annotations

from collections.abc import Iterator

from bench.doctor.machine import Machine
from bench.host import contention, cpu_clocks, cpu_cores, processor_time
from bench.schema.finding import Finding

MOST_LOAD = 0.5
"""A parallel loop ends with its slowest thread: one busy neighbour is felt whatever the number of cores."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_CPUS = cpu_clocks.CPUS.relative_to("/")
_CONTAINERS = ("docker", "kubepods", "containerd", "lxc", "podman")


def findings(machine: Machine) -> Iterator[Finding]:
    """All about the processor; takes `window_seconds`."""
    yield _governor(machine)
    yield _turbo(machine)
    yield _steal(machine)
    yield _load(machine)
    yield _quota(machine)
    yield _threads(machine)
    yield _virtual(machine)
    yield _container(machine)


def _governor(machine: Machine) -> Finding:
    name = "cpu governor"
    found = cpu_clocks.governor(machine.root / _CPUS)
    if found is None:
        advice = "virtual machines hide it: ask the host's administrator"
        return Finding(name=name, status="unknown", found="the kernel does not report it", advice=advice)
    if found == "performance":
        return Finding(name=name, status="ok", found=found)
    advice = "clocks vary with load: sudo cpupower frequency-set --governor performance"
    return Finding(name=name, status="warn", found=found, advice=advice)


def _turbo(machine: Machine) -> Finding:
    name = "turbo"
    is_on = cpu_clocks.turbo(machine.root / _CPUS)
    if is_on is None:
        advice = "virtual machines hide it: ask the host's administrator"
        return Finding(name=name, status="unknown", found="the kernel does not report it", advice=advice)
    if not is_on:
        return Finding(name=name, status="ok", found="off")
    is_intel = (machine.root / _CPUS / "intel_pstate" / "no_turbo").exists()
    switch = "1 > intel_pstate/no_turbo" if is_intel else "0 > cpufreq/boost"
    advice = (
        "clocks vary with temperature and busy cores: to measure small changes, switch it off "
        f"(write {switch} under /sys/devices/system/cpu) or use convbench ab"
    )
    return Finding(name=name, status="warn", found="on", advice=advice)


def _steal(machine: Machine) -> Finding:
    name = "stolen time"
    stat = machine.root / "proc/stat"
    try:
        before = processor_time.read_ticks(stat)
        machine.sleep(machine.window_seconds)
        after = processor_time.read_ticks(stat)
    except (OSError, ValueError, LookupError) as error:
        return Finding(name=name, status="unknown", found=f"/proc/stat cannot be read: {error}")
    share = contention.steal_share(before, after)
    found = f"{100 * share:.1f}% within {machine.window_seconds:g} s"
    if share <= contention.MOST_STEAL:
        return Finding(name=name, status="ok", found=found)
    advice = "other virtual machines share this CPU: use a dedicated host, more --replicates, or convbench ab"
    return Finding(name=name, status="warn", found=found, advice=advice)


def _load(machine: Machine) -> Finding:
    text = machine.text("proc/loadavg")
    if not text:
        return Finding(name="load", status="unknown", found="the kernel does not report it")
    load = float(text.split()[0])
    found = f"{load:.2f} over the last minute, {machine.cpus} logical CPUs"
    if load < MOST_LOAD:
        return Finding(name="load", status="ok", found=found)
    advice = "stop other programs (see top), or wait until they end"
    return Finding(name="load", status="warn", found=found, advice=advice)


def _quota(machine: Machine) -> Finding:
    name = "cpu quota"
    quota = cpu_cores.cgroup_quota(machine.root / "proc/self/cgroup", machine.root / "sys/fs/cgroup")
    if quota is None:
        return Finding(name=name, status="ok", found="none")
    found = f"{quota:g} CPUs of {machine.cpus}"
    if quota >= machine.cpus:
        return Finding(name=name, status="ok", found=found)
    advice = (
        f"the kernel pauses all threads when the quota is used up: use --threads {max(1, int(quota))} or "
        "fewer, or give the container whole cores (a cpuset) instead of a quota"
    )
    return Finding(name=name, status="warn", found=found, advice=advice)


def _threads(machine: Machine) -> Finding:
    given = {name: machine.environ[name] for name in _THREADS if name in machine.environ}
    listed = "".join(f", {name}={value}" for name, value in given.items())
    found = f"{machine.cores} usable cores{listed}"
    counts = [int(value) for value in given.values() if value.isdecimal()]
    if any(count > machine.cores for count in counts):
        advice = "more threads than cores compete for them: unset the variable and use --threads"
        return Finding(name="threads", status="warn", found=found, advice=advice)
    return Finding(name="threads", status="ok", found=found)


def _virtual(machine: Machine) -> Finding:
    name = "virtual machine"
    flags = machine.text("proc/cpuinfo")
    if flags is None:
        return Finding(name=name, status="unknown", found="the kernel does not report it")
    if "hypervisor" not in flags.split():
        return Finding(name=name, status="ok", found="no")
    product = machine.text("sys/class/dmi/id/product_name")
    advice = "the host's load and settings are hidden: use more --replicates, or convbench ab"
    return Finding(name=name, status="warn", found=product or "yes", advice=advice)


def _container(machine: Machine) -> Finding:
    """Only said: a container by itself costs no time, and its limits have rows of their own."""
    marks = ((machine.root / mark).exists() for mark in (".dockerenv", "run/.containerenv"))
    groups = machine.text("proc/1/cgroup") or ""
    inside = any(marks) or "container" in machine.environ or any(word in groups for word in _CONTAINERS)
    return Finding(name="container", status="ok", found="yes" if inside else "no")
