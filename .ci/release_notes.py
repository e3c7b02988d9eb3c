"""The section of the changelog for a release, for a tag such as v0.2.0.

    python .ci/release_notes.py v0.2.0 > notes.md

Exits with a sentence if the tag is not the version in pyproject.toml, or if CHANGELOG.md has no section
with a date for it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(tag: str, pyproject: str, changelog: str) -> str:
    """The lines below `## VERSION - DATE`, up to the next version. Raises ValueError with a sentence."""
    version = tomllib.loads(pyproject)["project"]["version"]
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, but the version in pyproject.toml is {version}")
    heading = rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.DOTALL | re.MULTILINE)
    if found is None or not found[1].strip():
        raise ValueError(f"CHANGELOG.md has no section '## {version} - YYYY-MM-DD'")
    return found[1].strip() + "\n"


def main() -> None:
    try:
        said = notes(
            sys.argv[1], *((ROOT / name).read_text("utf-8") for name in ("pyproject.toml", "CHANGELOG.md"))
        )
    except ValueError as error:
        sys.exit(str(error))
    print(said, end="")


if __name__ == "__main__":
    main()
