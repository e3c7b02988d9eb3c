"""What a child was doing: lines in its log that say so, and the last one read back."""

from __future__ import annotations

import re
import sys
from pathlib import Path

REASON_LIMIT = 500
"""Characters of a reason, which is one line of a table."""
TAIL_BYTES = 1 << 16
"""How far from the log's end its last stage is looked for."""


_WARNING = re.compile(r"\S.*:\d+: \w*Warning: ")
"""`FILE.py:42: FutureWarning: ...`"""


def last_stage(log: Path) -> str:
    """The last stage that the child announced in its log, in parentheses; empty when there is none."""
    stages = [line.removeprefix(STAGE) for line in tail(log).splitlines() if line.startswith(STAGE)]
    return f" (during: {one_line(stages[-1])})" if stages else ""


def last_line(text: str) -> str:
    """The last line that says something other than a stage; empty when there is none. A warning of Python,
    with the line of code below it, is no reason for an end."""
    lines: list[str] = []
    is_code = False
    for line in text.splitlines():
        is_code = is_code and line.startswith(" ")
        if not line.strip() or line.startswith(STAGE) or is_code:
            continue
        is_code = bool(_WARNING.match(line))
        if not is_code:
            lines.append(line)
    return one_line(lines[-1]) if lines else ""


def tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:  # a job may delete its own log
        return ""


def one_line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= REASON_LIMIT else words[: REASON_LIMIT - 3] + "..."


STAGE = "stage: "
"""A line of the log that begins like this says what the child was doing; `stage` writes it."""


def stage(name: str) -> None:
    """For the job: say in the log what begins now, so that a timeout or a crash can name it."""
    sys.stderr.write(f"{STAGE}{name}\n")
    sys.stderr.flush()
