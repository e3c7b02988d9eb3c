"""Names the files that a commit should not have: too large, or not ended by one line break.

    python .ci/tidy_files.py FILE...

Ends with 1 where there is one; pre-commit calls it with the files of a commit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

MOST_KB = 500
FOREIGN = ("tests/fixtures/axe-core/axe.min.js",)
"""Files of others, kept byte for byte."""


def faults(paths: Sequence[str]) -> Iterator[str]:
    """A sentence for each fault."""
    for name in paths:
        path = Path(name)
        if path.as_posix() in FOREIGN or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size > MOST_KB * 1000:
            yield f"{name} is larger than {MOST_KB} kB. Publish it elsewhere, or make it smaller"
            continue
        content = path.read_bytes()
        if not content or b"\0" in content:
            continue  # a picture ends as it likes
        if not content.endswith(b"\n"):
            yield f"{name} does not end with a line break"
        elif content.endswith(b"\n\n"):
            yield f"{name} ends with empty lines"


if __name__ == "__main__":
    found = list(faults(sys.argv[1:]))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
