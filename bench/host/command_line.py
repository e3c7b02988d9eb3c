"""The command line of this process, for records that say how they were made."""

from __future__ import annotations

import shlex
import sys
from pathlib import PurePath

PROGRAM = "convbench"
_PACKAGES = (PROGRAM, "bench")


def typed(words: list[str] | None = None) -> str | None:
    """`convbench run --model vgg16`, by default from sys.argv; None where another program runs this one."""
    program, *rest = sys.argv if words is None else words
    path = PurePath(program)
    is_package = path.name == "__main__.py" and path.parent.name in _PACKAGES
    return shlex.join([PROGRAM, *rest]) if is_package or path.name == PROGRAM else None
