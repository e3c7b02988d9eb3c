"""The control groups around this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MEMBERSHIP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


def control_groups(controller: str, membership: Path, mounted: Path) -> Iterator[Path]:
    """The folders of the control groups (v2 or v1) around this process that may limit what `controller`
    shares out, and of all the groups around them."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        group = mounted / (controller if controllers else "") / path.lstrip("/")
        yield from (group, *group.parents)
