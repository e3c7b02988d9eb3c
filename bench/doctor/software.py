"""What is installed, found without importing it, and what torch.compile needs beside torch."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from bench.doctor.machine import Machine
from bench.schema.finding import Finding

_PACKAGES = ("torch", "torchvision", "nvidia-ml-py")


def findings(machine: Machine) -> Iterator[Finding]:
    """Versions and the compiler."""
    yield Finding(name="python", status="ok", found=platform.python_version())
    for package in _PACKAGES:
        version = machine.version(package)
        if version is None:
            advice = f"python -m pip install {package}"
            yield Finding(name=package, status="warn", found="not installed", advice=advice)
        else:
            yield Finding(name=package, status="ok", found=version)
    yield from _packages(machine)
    yield _compiler(machine)


def _packages(machine: Machine) -> Iterator[Finding]:
    """Packages called bench, models and reports exist on public registries too."""
    for sentence in (*machine.foreign_packages(), *machine.mixed_packages()):
        advice = "install convbench in a separate environment"
        yield Finding(name="packages", status="warn", found=sentence, advice=advice)


def _compiler(machine: Machine) -> Finding:
    """torch.compile writes C++ for the CPU, and Triton builds its launchers against Python's headers."""
    name = "C++ compiler"
    wanted = machine.environ.get("CXX", "g++")
    path = machine.which(wanted)
    headers = machine.python_headers / "Python.h"
    if path is None:
        advice = "the compile engines need one: sudo apt install g++, or set CXX to an installed compiler"
        return Finding(name=name, status="warn", found=f"no {wanted}", advice=advice)
    if not headers.exists():
        advice = "the compile engines need them: sudo apt install python3-dev (for this Python version)"
        return Finding(name=name, status="warn", found=f"{path}, but no {headers}", advice=advice)
    return Finding(name=name, status="ok", found=path)
