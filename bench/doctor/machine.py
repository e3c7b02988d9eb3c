"""What a check of the doctor finds, and the machine it looks at, all of which a test can replace."""

from __future__ import annotations

import os
import shutil
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.host import cpu_cores, installed, nvml_driver
from bench.host.nvml import Nvml


@dataclass(frozen=True)
class Machine:
    """Where the doctor looks; the defaults are this machine.

    root            what stands for `/`
    window_seconds  how long stolen time is watched
    cores, cpus     physical cores that may be used (affinity, quota), and logical CPUs of the affinity
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    cores: int = field(default_factory=cpu_cores.usable_cores)
    cpus: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    open_nvml: Callable[[], Nvml] = field(default_factory=lambda: nvml_driver.open_nvml)
    which: Callable[[str], str | None] = shutil.which
    version: Callable[[str], str | None] = installed.version_of
    torch_cuda: Callable[[], str | None] = installed.torch_cuda
    foreign_packages: Callable[[], Iterable[str]] = installed.foreign_packages
    mixed_packages: Callable[[], Iterable[str]] = installed.mixed_packages
    python_headers: Path = Path(sysconfig.get_paths()["include"])
    window_seconds: float = 0.5
    sleep: Callable[[float], None] = time.sleep

    def text(self, path: str) -> str | None:
        """A file's content without white space around it; None where it cannot be read."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def texts(self, pattern: str) -> list[str]:
        """The contents of all files of a pattern that can be read."""
        paths = sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))
        return [text for path in paths if (text := self.text(path)) is not None]
